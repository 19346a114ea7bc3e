//! What is remembered about a file while domains use it: one extended attribute a driver.
//!
//! A record is written before the state changes and removed after it came back, so a kill in
//! between loses nothing.

use std::sync::OnceLock;

use rustix::io::Errno;
use serde::{Deserialize, Serialize};

use super::config::Namespace;
use super::error::{ApplyClass, ApplyError};
use super::target::Target;

const VERSION: u32 = 1;

/// The original state of a file and who uses it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Version of this format.
    v: u32,
    /// The state before the first user; absent where the file had none.
    pub original: Option<String>,
    /// The domains that use the file, one entry for each use.
    pub users: Vec<String>,
    /// The boot that the users are of; none outlives it.
    pub boot: String,
    /// Whether any use wants the original state back.
    pub restore: bool,
}

/// A record where it was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) namespace: Namespace,
    /// The attribute's value, for putting it back exactly.
    pub(super) raw: Vec<u8>,
    pub(super) record: Record,
}

impl Record {
    pub(super) fn new(original: Option<String>, boot: &str) -> Self {
        Self {
            v: VERSION,
            original,
            users: Vec::new(),
            boot: boot.to_owned(),
            restore: false,
        }
    }

    /// Forgets users of an earlier boot; the original state stays true.
    pub(super) fn of_this_boot(mut self, boot: &str) -> Self {
        if self.boot != boot {
            self.users.clear();
            boot.clone_into(&mut self.boot);
        }
        self
    }
}

/// This boot's id, empty where there is no /proc.
pub(super) fn boot_id() -> &'static str {
    // No process outlives its boot, so once is enough.
    static BOOT: OnceLock<String> = OnceLock::new();
    BOOT.get_or_init(|| {
        let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id");
        id.map(|id| id.trim().to_owned()).unwrap_or_default()
    })
}

/// Finds a file's record, in the first namespace that has one.
pub(super) fn load(
    target: &Target,
    driver: &str,
    namespaces: &[Namespace],
) -> Result<Option<Found>, ApplyError> {
    let fail = |message: String| ApplyError::new(ApplyClass::Record, target.path(), message);
    for namespace in namespaces {
        let name = format!("{}{driver}", namespace.prefix());
        let value = match target.xattr(&name) {
            Ok(value) => value,
            Err(Errno::PERM | Errno::ACCESS) => None,
            Err(error) => return Err(fail(format!("record {name} can't be read: {error}"))),
        };
        let Some(raw) = value else { continue };
        let record: Record = serde_json::from_slice(&raw)
            .map_err(|error| fail(format!("record {name} is malformed: {error}")))?;
        if record.v != VERSION {
            return Err(fail(format!("record {name} has version {}", record.v)));
        }
        let namespace = *namespace;
        return Ok(Some(Found {
            namespace,
            raw,
            record,
        }));
    }
    Ok(None)
}

/// Writes a record where the last one was, or else in the first namespace that takes it.
///
/// Gives the namespace, and none where the file can't have records.
pub(super) fn store(
    target: &Target,
    driver: &str,
    namespaces: &[Namespace],
    record: &Record,
) -> Result<Option<Namespace>, ApplyError> {
    let fail = |message: String| ApplyError::new(ApplyClass::Record, target.path(), message);
    let value = serde_json::to_vec(record).map_err(|error| fail(error.to_string()))?;
    for namespace in namespaces {
        match put(target, driver, *namespace, Some(&value)) {
            Ok(()) => return Ok(Some(*namespace)),
            Err(Errno::PERM | Errno::ACCESS | Errno::OPNOTSUPP) => {}
            Err(error) => return Err(fail(format!("record can't be written: {error}"))),
        }
    }
    Ok(None)
}

/// Sets or removes the attribute of one namespace.
pub(super) fn put(
    target: &Target,
    driver: &str,
    namespace: Namespace,
    value: Option<&[u8]>,
) -> Result<(), Errno> {
    target.set_xattr(&format!("{}{driver}", namespace.prefix()), value)
}
