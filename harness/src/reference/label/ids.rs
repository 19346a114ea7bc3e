//! Which ids exist in this user namespace.
//!
//! The kernel shows every owner without an id here as the overflow id, usually 65534. Such an
//! owner can't be remembered, and a change to such an id is refused by the kernel.

use std::ops::Range;
use std::sync::OnceLock;

use super::config::Owner;

const USUAL_OVERFLOW: u32 = 65_534;

/// The ids of a user namespace, of users or of groups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ids {
    mapped: Vec<Range<u64>>,
    overflow: u32,
}

/// Users and groups of a user namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owners {
    /// Users.
    pub users: Ids,
    /// Groups.
    pub groups: Ids,
}

impl Ids {
    /// Reads a `uid_map` or `gid_map` and the overflow id, as they stand below `/proc`.
    ///
    /// What can't be read restricts nothing.
    #[must_use]
    pub fn parse(map: &str, overflow: &str) -> Self {
        let extent = |line: &str| {
            let mut words = line.split_whitespace().map(str::parse::<u64>);
            let (first, _, count) = (words.next()?.ok()?, words.next()?, words.next()?.ok()?);
            Some(first..first.saturating_add(count))
        };
        Self {
            mapped: map.lines().filter_map(extent).collect(),
            overflow: overflow.trim().parse().unwrap_or(USUAL_OVERFLOW),
        }
    }

    /// Whether this id exists here.
    #[must_use]
    pub fn contains(&self, id: u32) -> bool {
        self.mapped.is_empty() || self.mapped.iter().any(|range| range.contains(&id.into()))
    }

    /// Whether this id only stands for one that doesn't exist here.
    #[must_use]
    pub fn is_stand_in(&self, id: u32) -> bool {
        id == self.overflow && !self.contains(id)
    }
}

impl Owners {
    /// Those of this process.
    pub fn of_this_process() -> &'static Self {
        static OWNERS: OnceLock<Owners> = OnceLock::new();
        OWNERS.get_or_init(|| {
            let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
            let ids = |map: &str, overflow: &str| Ids::parse(&read(map), &read(overflow));
            Self {
                users: ids("/proc/self/uid_map", "/proc/sys/kernel/overflowuid"),
                groups: ids("/proc/self/gid_map", "/proc/sys/kernel/overflowgid"),
            }
        })
    }

    /// The first of an owner's ids that doesn't exist here, as `user 1` or `group 1`.
    #[must_use]
    pub fn missing(&self, owner: Owner) -> Option<String> {
        if !self.users.contains(owner.user) {
            return Some(format!("user {}", owner.user));
        }
        (!self.groups.contains(owner.group)).then(|| format!("group {}", owner.group))
    }

    /// Whether a file's owner or group only stands for one that doesn't exist here.
    #[must_use]
    pub fn is_stand_in(&self, owner: Owner) -> bool {
        self.users.is_stand_in(owner.user) || self.groups.is_stand_in(owner.group)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    const SANDBOX: &str = "         0    1000000      10000\n     64055    1010000          1\n";

    #[rstest]
    #[case::first(0, true)]
    #[case::last(9999, true)]
    #[case::between(10_000, false)]
    #[case::own_extent(64_055, true)]
    #[case::overflow(65_534, false)]
    fn an_id_exists_where_an_extent_has_it(#[case] id: u32, #[case] there: bool) {
        assert_eq!(Ids::parse(SANDBOX, "65534\n").contains(id), there);
    }

    #[rstest]
    #[case::sandbox(SANDBOX, true)]
    #[case::host("0 0 4294967295", false)]
    #[case::unreadable("", false)]
    fn the_overflow_id_stands_for_others_only_where_it_is_not_mapped(
        #[case] map: &str,
        #[case] stands: bool,
    ) {
        let ids = Ids::parse(map, "65534");
        assert_eq!(ids.is_stand_in(65_534), stands);
        assert!(!ids.is_stand_in(4001));
    }
}
