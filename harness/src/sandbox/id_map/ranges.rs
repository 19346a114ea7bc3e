//! Finds a range of ids that nobody else uses.

use std::fs;

use rustix::process::geteuid;

use super::COMMON;
use crate::sandbox::SandboxError;

/// The kernel's overflow id: neither used on the host's side nor mapped inside.
const OVERFLOW: u32 = 65_534;
/// Where root looks for unused ids first, above what distributions hand out.
const FIRST_CHOICE: u32 = 1_000_000;

/// Ids that this process can name: first and count of each extent.
pub(super) fn offered(path: &str) -> Result<Vec<(u32, u32)>, SandboxError> {
    Ok(table(&read(path)?)
        .map(|[inside, _, count]| (inside, count))
        .collect())
}

pub(super) fn read(path: &str) -> Result<String, SandboxError> {
    fs::read_to_string(path).map_err(|error| SandboxError::at(format!("read {path}"), error))
}

pub(super) fn table(text: &str) -> impl Iterator<Item = [u32; 3]> {
    text.lines().filter_map(|line| {
        let mut fields = line.split_whitespace().map(str::parse);
        Some([
            fields.next()?.ok()?,
            fields.next()?.ok()?,
            fields.next()?.ok()?,
        ])
    })
}

/// First of `COMMON + 1` consecutive offered ids, in nobody's subordinate range if possible, never 0 nor the overflow
/// id.
pub(super) fn pick(offered: &[(u32, u32)], busy: &[(u32, u32)]) -> Option<u32> {
    let length = COMMON + 1;
    let high = offered.iter().find_map(|&(first, count)| {
        let mut start = first.max(FIRST_CHOICE);
        let end = first.saturating_add(count);
        // Each round leaves one busy range behind, so there are no more rounds than ranges.
        for _ in 0..=busy.len() {
            let clash = busy
                .iter()
                .find(|&&(from, count)| overlap((start, length), (from, count)));
            let Some(&(from, count)) = clash else { break };
            start = from.saturating_add(count);
        }
        (start.checked_add(length)? <= end).then_some(start)
    });
    high.or_else(|| {
        offered
            .iter()
            .rev()
            .find_map(|&extent| upper_part(extent, length))
    })
}

fn upper_part((first, count): (u32, u32), length: u32) -> Option<u32> {
    let end = first.saturating_add(count);
    let mut start = end.checked_sub(length)?;
    if overlap((start, length), (OVERFLOW, 1)) {
        start = OVERFLOW.checked_sub(length)?;
    }
    (start >= first.max(1)).then_some(start)
}

fn overlap(one: (u32, u32), other: (u32, u32)) -> bool {
    one.0 < other.0.saturating_add(other.1) && other.0 < one.0.saturating_add(one.1)
}

/// Every range in a subuid or subgid file; none when there is no such file.
pub(super) fn subordinate_ranges(path: &str) -> Vec<(u32, u32)> {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.lines()
        .filter_map(|line| subordinate_line(line).map(|(_, first, count)| (first, count)))
        .collect()
}

fn subordinate_line(line: &str) -> Option<(&str, u32, u32)> {
    let mut fields = line.trim().split(':');
    Some((
        fields.next()?,
        fields.next()?.parse().ok()?,
        fields.next()?.parse().ok()?,
    ))
}

/// First user id and first group id of the subordinate ranges of the user who runs this.
pub(super) fn subordinate() -> Option<(u32, u32)> {
    let uid = geteuid().as_raw().to_string();
    let passwd = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let user = user_name(&passwd, &uid);
    let first = |path: &str| own_range(&fs::read_to_string(path).ok()?, user, &uid);
    Some((first("/etc/subuid")?, first("/etc/subgid")?))
}

fn user_name<'text>(passwd: &'text str, uid: &str) -> Option<&'text str> {
    let fields = |line: &'text str| line.split(':').collect::<Vec<_>>();
    passwd
        .lines()
        .map(fields)
        .find(|fields| fields.get(2) == Some(&uid))
        .and_then(|fields| fields.first().copied())
}

/// First id of a range that belongs to `user` (or to the number `uid`) and is long enough.
fn own_range(text: &str, user: Option<&str>, uid: &str) -> Option<u32> {
    text.lines()
        .filter_map(subordinate_line)
        .find(|&(owner, first, count)| {
            (Some(owner) == user || owner == uid) && first > 0 && count > COMMON
        })
        .map(|(_, first, _)| first)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case::whole_host(&[(0, u32::MAX)], &[], Some(1_000_000))]
    #[case::busy_range_is_passed(&[(0, u32::MAX)], &[(1_000_000, 1_000_000_000)], Some(1_001_000_000))]
    #[case::two_busy_ranges(&[(0, u32::MAX)], &[(1_500_000, 10), (999_999, 500_001)], Some(1_500_010))]
    #[case::container_of_65536(&[(0, 65_536)], &[], Some(55_533))]
    #[case::nothing_but_root(&[(0, 1)], &[], None)]
    #[case::too_short(&[(0, 10_001)], &[], None)]
    #[case::just_long_enough(&[(0, 10_002)], &[], Some(1))]
    #[case::second_extent(&[(0, 1), (1, 20_000)], &[], Some(10_000))]
    fn the_range_lies_high_and_never_takes_root(
        #[case] offered: &[(u32, u32)],
        #[case] busy: &[(u32, u32)],
        #[case] start: Option<u32>,
    ) {
        assert_eq!(pick(offered, busy), start);
    }

    #[rstest]
    #[case::by_name("other:1:65536\ntester:200000:65536\n", Some(200_000))]
    #[case::by_number("12345:300000:65536\n", Some(300_000))]
    #[case::too_short("tester:200000:10000\n", None)]
    #[case::broken_line("tester:many:65536\ntester:7\n", None)]
    #[case::hosts_root("tester:0:65536\n", None)]
    fn a_subordinate_range_must_be_ones_own_and_long_enough(
        #[case] text: &str,
        #[case] first: Option<u32>,
    ) {
        let passwd = "root:x:0:0::/root:/bin/sh\ntester:x:12345:12345::/:/bin/sh\n";
        assert_eq!(own_range(text, user_name(passwd, "12345"), "12345"), first);
    }
}
