//! What is remembered about a file while domains use it, one record for each driver.
//!
//! A record is written before the state changes and removed after it came back, so a kill in
//! between loses nothing. Here is what a record says; where it is kept is the business of
//! `store`.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use serde::{Deserialize, Serialize};

const VERSION: u32 = 1;

/// The original state of a file and who uses it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// Version of this format.
    v: u32,
    /// The state before the first user; absent where the file had none.
    pub original: Option<String>,
    /// Whether a use that has ended wanted the original state back.
    pub restore: bool,
    /// The uses, by host.
    pub hosts: BTreeMap<String, HostUses>,
}

/// The uses of one host, none of which outlives its boot.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HostUses {
    /// The boot that the uses are of.
    pub boot: String,
    /// Uses by domain.
    pub domains: BTreeMap<String, Use>,
}

/// How one domain uses a file.
///
/// Written as one number, negative where the original state comes back: a base image may have
/// hundreds of users, and some file systems keep all attributes of a file in one block.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "i64", try_from = "i64")]
pub struct Use {
    /// How often, for instance by two disks.
    pub count: u32,
    /// Whether the original state comes back when it ends.
    pub restore: bool,
}

impl From<Use> for i64 {
    fn from(used: Use) -> Self {
        let count = i64::from(used.count);
        if used.restore { -count } else { count }
    }
}

impl TryFrom<i64> for Use {
    type Error = String;

    fn try_from(number: i64) -> Result<Self, String> {
        let count = u32::try_from(number.unsigned_abs()).ok();
        let count = count.filter(|count| *count > 0);
        Ok(Self {
            count: count.ok_or_else(|| format!("{number} is no number of uses"))?,
            restore: number < 0,
        })
    }
}

/// A domain at a host, during one boot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// What stands for the domain.
    pub domain: String,
    /// What stands for the host.
    pub host: String,
    /// The host's boot.
    pub boot: String,
}

/// A record that can't be understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// It isn't a record.
    #[error("is malformed: {0}")]
    Malformed(String),
    /// It is of another version of this program.
    #[error("has version {0}, not {VERSION}")]
    Version(u32),
}

impl Record {
    /// The record of a file that nobody has used.
    #[must_use]
    pub fn new(original: Option<String>) -> Self {
        Self {
            v: VERSION,
            original,
            restore: false,
            hosts: BTreeMap::new(),
        }
    }

    /// Reads what [`to_bytes`](Self::to_bytes) wrote.
    ///
    /// # Errors
    ///
    /// [`RecordError`] for anything else.
    pub fn parse(bytes: &[u8]) -> Result<Self, RecordError> {
        let record: Self = serde_json::from_slice(bytes)
            .map_err(|error| RecordError::Malformed(error.to_string()))?;
        match record.v {
            VERSION => Ok(record),
            other => Err(RecordError::Version(other)),
        }
    }

    /// The record as it is kept.
    ///
    /// # Errors
    ///
    /// [`RecordError`] never, in practice: text and numbers always can be written.
    pub fn to_bytes(&self) -> Result<Vec<u8>, RecordError> {
        serde_json::to_vec(self).map_err(|error| RecordError::Malformed(error.to_string()))
    }

    /// Whether nobody uses the file.
    #[must_use]
    pub fn is_unused(&self) -> bool {
        self.hosts.values().all(|uses| uses.domains.is_empty())
    }

    /// Forgets uses of this host's earlier boots. The original state stays true, and whoever
    /// wanted it back never got it.
    pub fn forget_stale(&mut self, user: &User) {
        let stale = |uses: &HostUses| uses.boot != user.boot;
        if self.hosts.get(&user.host).is_some_and(stale)
            && let Some(uses) = self.hosts.remove(&user.host)
        {
            self.restore |= uses.domains.values().any(|used| used.restore);
        }
    }

    /// Forgets uses by this domain, wherever it ran: one that only starts now can't be using the
    /// file, so those are left over from a start or a host that died.
    pub fn forget_domain(&mut self, domain: &str) {
        for uses in self.hosts.values_mut() {
            let left = uses.domains.remove(domain);
            self.restore |= left.is_some_and(|used| used.restore);
        }
        self.hosts.retain(|_, uses| !uses.domains.is_empty());
    }

    /// Whether anybody but this user uses the file.
    #[must_use]
    pub fn has_others(&self, user: &User) -> bool {
        self.hosts.iter().any(|(host, uses)| {
            let own = |domain: &String| *host == user.host && *domain == user.domain;
            uses.domains.keys().any(|domain| !own(domain))
        })
    }

    /// Sets how this user uses the file, in the place of what it did before.
    pub fn put(&mut self, user: &User, used: Use) {
        let uses = self.hosts.entry(user.host.clone()).or_default();
        user.boot.clone_into(&mut uses.boot);
        uses.domains.insert(user.domain.clone(), used);
    }

    /// Ends this user's use and gives it, or nothing where there was none.
    pub fn take(&mut self, user: &User) -> Option<Use> {
        let uses = self.hosts.get_mut(&user.host)?;
        let used = uses.domains.remove(&user.domain);
        if uses.domains.is_empty() {
            self.hosts.remove(&user.host);
        }
        used
    }
}

/// This boot's id, empty where there is no /proc.
pub(super) fn boot_id() -> &'static str {
    // No process outlives its boot, so once is enough.
    static BOOT: OnceLock<String> = OnceLock::new();
    BOOT.get_or_init(|| first_line("/proc/sys/kernel/random/boot_id"))
}

/// This host's id, empty where it has none.
pub(super) fn host_id() -> &'static str {
    static HOST: OnceLock<String> = OnceLock::new();
    HOST.get_or_init(|| first_line("/etc/machine-id"))
}

fn first_line(path: &str) -> String {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.lines().next().unwrap_or_default().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn user(domain: &str, host: &str, boot: &str) -> User {
        let owned = |text: &str| text.to_owned();
        User {
            domain: owned(domain),
            host: owned(host),
            boot: owned(boot),
        }
    }

    fn used(restore: bool) -> Use {
        Use { count: 1, restore }
    }

    #[rstest]
    #[case::this_boot("here", "now", true)]
    #[case::an_earlier_boot("here", "before", false)]
    #[case::another_host("there", "its own", true)]
    fn uses_of_an_earlier_boot_of_this_host_are_stale(
        #[case] host: &str,
        #[case] boot: &str,
        #[case] live: bool,
    ) {
        let mut record = Record::new(None);
        record.put(&user("other", host, boot), used(true));
        let me = user("me", "here", "now");
        record.forget_stale(&me);
        assert_eq!(record.has_others(&me), live);
        // Whoever is gone without an end still wants the original state back.
        assert_eq!(record.restore, !live);
    }

    #[test]
    fn a_start_forgets_its_domain_at_every_host() {
        let mut record = Record::new(None);
        record.put(&user("me", "there", "x"), used(true));
        record.put(&user("me", "here", "now"), used(false));
        record.put(&user("other", "there", "x"), used(false));
        record.forget_domain("me");
        assert_eq!(record.hosts.len(), 1);
        assert!(record.restore);
    }

    #[test]
    fn a_use_that_changes_takes_its_wish_along() {
        let mut record = Record::new(None);
        let me = user("me", "here", "now");
        record.put(&me, used(true));
        record.put(&me, used(false));
        assert_eq!(record.take(&me), Some(used(false)));
        assert!(record.is_unused() && !record.restore);
        assert_eq!(record.take(&me), None);
    }

    #[test]
    fn a_record_is_read_as_it_was_written() {
        let mut record = Record::new(Some("4001:5001".to_owned()));
        record.put(&user("me", "here", "now"), used(true));
        assert_eq!(Record::parse(&record.to_bytes().unwrap()), Ok(record));
    }

    #[rstest]
    #[case::nothing("")]
    #[case::no_fields("{}")]
    #[case::a_field_too_many(r#"{"v":1,"original":null,"restore":false,"hosts":{},"x":1}"#)]
    #[case::another_version(r#"{"v":2,"original":null,"restore":false,"hosts":{}}"#)]
    #[case::no_use(
        r#"{"v":1,"original":null,"restore":false,"hosts":{"h":{"boot":"b","domains":{"d":0}}}}"#
    )]
    #[case::uses_without_end(
        r#"{"v":1,"original":null,"restore":false,
            "hosts":{"h":{"boot":"b","domains":{"d":9999999999}}}}"#
    )]
    fn anything_else_is_no_record(#[case] text: &str) {
        Record::parse(text.as_bytes()).unwrap_err();
    }
}
