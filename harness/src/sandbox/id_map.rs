//! Which user and group ids exist inside a worker, and which ids of the host stand behind them.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::process::{getegid, geteuid};
use rustix::thread::CapabilitySet;

use super::SandboxError;

/// Ids 0 to 9999 exist inside.
const COMMON: u32 = 10_000;
/// QEMU's user on Debian, the one id that exists besides the common ones.
const QEMU: u32 = 64_055;
/// The kernel's overflow id: neither used on the host's side nor mapped inside.
const OVERFLOW: u32 = 65_534;
/// Where root looks for unused ids first, above what distributions hand out.
const FIRST_CHOICE: u32 = 1_000_000;

/// Consecutive ids inside, and the host ids that stand for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// First user and group id inside.
    pub inside: u32,
    /// First user id as the starting process names it.
    pub uid: u32,
    /// First group id as the starting process names it.
    pub gid: u32,
    /// How many.
    pub count: u32,
}

/// Who writes the maps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MapWriter {
    /// `newuidmap` and `newgidmap`, which check `/etc/subuid` and `/etc/subgid`.
    Newuidmap,
    /// This process, which has the privilege.
    Direct,
}

/// The ids of a worker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IdMap {
    /// Ids 0 to 9999 and 64055. The overflow id 65534 stays unmapped, so that an unmapped owner can be told apart.
    Range {
        /// What stands behind them.
        extents: Vec<Extent>,
        /// Who writes the maps.
        by: MapWriter,
    },
    /// Id 0 only; it stands for the user who runs this.
    Single,
}

impl IdMap {
    /// The widest map that this process may use.
    ///
    /// With the privilege to set ids: an unused range high in what `/proc/self/uid_map` and `gid_map` offer. Without:
    /// the subordinate range of this user, if it is long enough and `newuidmap` and `newgidmap` are on PATH.
    /// Otherwise a single id.
    ///
    /// # Errors
    ///
    /// [`SandboxError::SetUp`] when `/proc/self` can't be read, [`SandboxError::Unavailable`] for a root user who may
    /// not set ids: the single id would be the host's 0.
    pub fn choose() -> Result<Self, SandboxError> {
        if may_set_ids() {
            let busy = [
                subordinate_ranges("/etc/subuid"),
                subordinate_ranges("/etc/subgid"),
            ]
            .concat();
            let uid = pick(&offered("/proc/self/uid_map")?, &busy);
            let gid = pick(&offered("/proc/self/gid_map")?, &busy);
            if let (Some(uid), Some(gid)) = (uid, gid) {
                return Ok(Self::range(uid, gid, MapWriter::Direct));
            }
        }
        let single = Self::Single;
        if let Some(range) = subordinate() {
            return Ok(range);
        }
        single.refuse_host_root()?;
        Ok(single)
    }

    /// Whether only one id exists inside.
    #[must_use]
    pub fn is_single(&self) -> bool {
        matches!(self, Self::Single)
    }

    fn range(uid: u32, gid: u32, by: MapWriter) -> Self {
        let common = Extent {
            inside: 0,
            uid,
            gid,
            count: COMMON,
        };
        let qemu = Extent {
            inside: QEMU,
            uid: uid + COMMON,
            gid: gid + COMMON,
            count: 1,
        };
        Self::Range {
            extents: vec![common, qemu],
            by,
        }
    }

    /// A single map stands for the caller's own ids, which must not be root's.
    pub(super) fn refuse_host_root(&self) -> Result<(), SandboxError> {
        let root = geteuid().is_root() && (may_set_ids() || outer_root()?);
        if !self.is_single() || !root {
            return Ok(());
        }
        Err(SandboxError::Unavailable {
            reason: "the only id to map would be the host's root".to_owned(),
            hint:
                "run as an ordinary user, or give root CAP_SETUID and CAP_SETGID and a range of ids"
                    .to_owned(),
        })
    }

    /// Writes the maps of process `pid`, which has just made its user namespace.
    pub(super) fn write(&self, pid: u32) -> Result<(), SandboxError> {
        match self {
            Self::Single => {
                write_proc(pid, "setgroups", "deny")?;
                write_proc(pid, "uid_map", &format!("0 {} 1", geteuid().as_raw()))?;
                write_proc(pid, "gid_map", &format!("0 {} 1", getegid().as_raw()))
            }
            Self::Range {
                extents,
                by: MapWriter::Direct,
            } => {
                write_proc(pid, "uid_map", &lines(extents, |extent| extent.uid))?;
                write_proc(pid, "gid_map", &lines(extents, |extent| extent.gid))
            }
            Self::Range {
                extents,
                by: MapWriter::Newuidmap,
            } => {
                helper("newuidmap", pid, &lines(extents, |extent| extent.uid))?;
                helper("newgidmap", pid, &lines(extents, |extent| extent.gid))
            }
        }
    }
}

fn lines(extents: &[Extent], host: fn(&Extent) -> u32) -> String {
    extents
        .iter()
        .map(|extent| format!("{} {} {}\n", extent.inside, host(extent), extent.count))
        .collect()
}

/// Writes a map file in one call, as the kernel demands.
pub(super) fn write_proc(pid: u32, file: &str, content: &str) -> Result<(), SandboxError> {
    let path = format!("/proc/{pid}/{file}");
    fs::OpenOptions::new()
        .write(true)
        .open(&path)
        .and_then(|mut file| io::Write::write_all(&mut file, content.as_bytes()))
        .map_err(|error| SandboxError::at(format!("write {file}"), error))
}

fn helper(name: &str, pid: u32, map: &str) -> Result<(), SandboxError> {
    let program = find(name).ok_or_else(|| SandboxError::at(name, io::ErrorKind::NotFound))?;
    let output = Command::new(program)
        .arg(pid.to_string())
        .args(map.split_whitespace())
        .output()
        .map_err(|error| SandboxError::at(name, error))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(SandboxError::at(
        name,
        io::Error::other(said.trim().to_owned()),
    ))
}

fn find(name: &str) -> Option<PathBuf> {
    which::which(name).ok()
}

fn may_set_ids() -> bool {
    let wanted = CapabilitySet::SETUID | CapabilitySet::SETGID;
    rustix::thread::capabilities(None).is_ok_and(|sets| sets.effective.contains(wanted))
}

/// Whether id 0 here is the host's: its map leads to 0 outside.
fn outer_root() -> Result<bool, SandboxError> {
    let text = read("/proc/self/uid_map")?;
    Ok(table(&text).any(|[inside, outside, _]| inside == 0 && outside == 0))
}

/// Ids that this process can name: first and count of each extent.
fn offered(path: &str) -> Result<Vec<(u32, u32)>, SandboxError> {
    Ok(table(&read(path)?)
        .map(|[inside, _, count]| (inside, count))
        .collect())
}

fn read(path: &str) -> Result<String, SandboxError> {
    fs::read_to_string(path).map_err(|error| SandboxError::at(format!("read {path}"), error))
}

fn table(text: &str) -> impl Iterator<Item = [u32; 3]> {
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
fn pick(offered: &[(u32, u32)], busy: &[(u32, u32)]) -> Option<u32> {
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
fn subordinate_ranges(path: &str) -> Vec<(u32, u32)> {
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

/// The subordinate range of the user who runs this.
fn subordinate() -> Option<IdMap> {
    find("newuidmap").and(find("newgidmap"))?;
    let uid = geteuid().as_raw().to_string();
    let passwd = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let user = user_name(&passwd, &uid);
    let first = |path: &str| own_range(&fs::read_to_string(Path::new(path)).ok()?, user, &uid);
    Some(IdMap::range(
        first("/etc/subuid")?,
        first("/etc/subgid")?,
        MapWriter::Newuidmap,
    ))
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

    #[test]
    fn the_overflow_id_is_never_mapped() {
        let IdMap::Range { extents, .. } = IdMap::range(1_000_000, 2_000_000, MapWriter::Direct)
        else {
            panic!("a range was asked for")
        };
        assert_eq!(
            lines(&extents, |extent| extent.uid),
            "0 1000000 10000\n64055 1010000 1\n"
        );
        assert_eq!(
            lines(&extents, |extent| extent.gid),
            "0 2000000 10000\n64055 2010000 1\n"
        );
    }
}
