//! What a start did, so that the stop needs no header and no XML.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::config::{Config, Namespace, Owner};
use super::plan::Plan;
use crate::reference::violation::FileViolation;

/// The labels of a running domain; a caller keeps this from start to stop.
///
/// One made from a plan alone can be stopped or aborted, too: that is how a start that was
/// killed is cleaned up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Running {
    /// What stands for the domain in records.
    pub domain: String,
    /// Whether records were kept.
    pub remember: bool,
    /// Where records may be.
    pub namespaces: Vec<Namespace>,
    /// One entry for each use of each file.
    pub files: Vec<RunningFile>,
    /// What was odd.
    pub violations: Vec<FileViolation>,
}

/// One use of one file by a running domain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunningFile {
    /// The path without symbolic links, in hexadecimal where serialised.
    #[serde(with = "hex_path")]
    pub path: PathBuf,
    /// Number of the device that holds the file.
    pub device: u64,
    /// Its inode.
    pub inode: u64,
    /// Whether it is a block device.
    pub block: bool,
    /// The owner that the domain needs.
    pub owner: Option<Owner>,
    /// The SELinux context that the domain needs.
    pub label: Option<String>,
    /// Whether the original state comes back after the last stop.
    pub restore: bool,
    /// The state that the start found, for each driver that touched the file.
    pub before: BTreeMap<String, Option<String>>,
}

impl Running {
    /// What a start of this plan is about to do.
    #[must_use]
    pub fn of(plan: &Plan, config: &Config, domain: &str) -> Self {
        let file = |row: &super::plan::PlanRow| RunningFile {
            path: row.identity.path.clone(),
            device: row.identity.device,
            inode: row.identity.inode,
            block: row.identity.block,
            owner: row.owner,
            label: row.label.clone(),
            restore: row.restore,
            before: BTreeMap::new(),
        };
        Self {
            domain: domain.to_owned(),
            remember: config.remember,
            namespaces: config.record_namespaces.clone(),
            files: plan.rows.iter().map(file).collect(),
            violations: Vec::new(),
        }
    }
}

impl RunningFile {
    pub(super) fn key(&self) -> (u64, u64) {
        (self.device, self.inode)
    }
}

/// Paths are bytes, and JSON has only text.
mod hex_path {
    use std::ffi::OsString;
    use std::os::unix::ffi::{OsStrExt, OsStringExt};
    use std::path::{Path, PathBuf};

    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    use crate::reference::bytes::to_hex;

    pub(super) fn serialize<S: Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&to_hex(path.as_os_str().as_bytes()))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<PathBuf, D::Error> {
        let text = String::deserialize(deserializer)?;
        let byte = |pair: &[u8]| {
            let pair = std::str::from_utf8(pair).ok()?;
            u8::from_str_radix(pair, 16).ok()
        };
        let bytes: Option<Vec<u8>> = text.as_bytes().chunks(2).map(byte).collect();
        let bytes = bytes.filter(|_| text.len().is_multiple_of(2));
        let bytes = bytes.ok_or_else(|| D::Error::custom("path is not hexadecimal"))?;
        Ok(PathBuf::from(OsString::from_vec(bytes)))
    }
}
