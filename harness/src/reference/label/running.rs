//! What a start did, so that later steps need no header and no XML.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::config::{Config, Namespace, Owner};
use super::plan::{Plan, PlanRow};
use super::record::{self, User};
use crate::reference::chain::Access;
use crate::reference::violation::FileViolation;

/// The labels of a running domain; a caller keeps this from start to stop.
///
/// One made from a plan alone can be stopped or aborted, too: that is how a start that was
/// killed is cleaned up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Running {
    /// What stands for the domain in records.
    pub domain: String,
    /// What stands for this host in records.
    pub host: String,
    /// Whether records are kept.
    pub remember: bool,
    /// Where records may be.
    pub namespaces: Vec<Namespace>,
    /// The folder for records of files that can't carry them, in hexadecimal where serialised.
    #[serde(with = "hex_path::optional")]
    pub state_directory: Option<PathBuf>,
    /// One entry for each use of each file.
    pub files: Vec<RunningFile>,
    /// What was odd in the last step.
    pub violations: Vec<FileViolation>,
}

/// One use of one file by a running domain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunningFile {
    /// Target of the disk.
    pub disk: Option<String>,
    /// The path without symbolic links, in hexadecimal where serialised.
    #[serde(with = "hex_path")]
    pub path: PathBuf,
    /// Number of the device that holds the file.
    pub device: u64,
    /// Its inode.
    pub inode: u64,
    /// Whether it is a block device.
    pub block: bool,
    /// Whether the domain writes it.
    pub writable: bool,
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
        Self {
            domain: domain.to_owned(),
            host: config.host.clone(),
            remember: config.remember,
            namespaces: config.record_namespaces.clone(),
            state_directory: config.state_directory.clone(),
            files: plan.rows.iter().map(RunningFile::of).collect(),
            violations: Vec::new(),
        }
    }

    /// The same domain with these uses.
    #[must_use]
    pub fn with_files(&self, files: Vec<RunningFile>) -> Self {
        Self {
            files,
            violations: Vec::new(),
            domain: self.domain.clone(),
            host: self.host.clone(),
            namespaces: self.namespaces.clone(),
            state_directory: self.state_directory.clone(),
            ..*self
        }
    }

    /// The same domain with what a plan says of one disk in the place of what the disk uses now.
    #[must_use]
    pub fn with_disk(&self, disk: &str, plan: &Plan) -> Self {
        let mut files = self.without_disk(disk).files;
        let rows = plan.rows.iter();
        let of_disk = rows.filter(|row| row.disk.as_deref() == Some(disk));
        files.extend(of_disk.map(RunningFile::of));
        self.with_files(files)
    }

    /// The same domain without one of its disks.
    #[must_use]
    pub fn without_disk(&self, disk: &str) -> Self {
        let others = |file: &&RunningFile| file.disk.as_deref() != Some(disk);
        self.with_files(self.files.iter().filter(others).cloned().collect())
    }

    /// Who this is in records.
    pub(super) fn user(&self) -> User {
        User {
            domain: self.domain.clone(),
            host: self.host.clone(),
            boot: record::boot_id().to_owned(),
        }
    }
}

impl RunningFile {
    fn of(row: &PlanRow) -> Self {
        Self {
            disk: row.disk.clone(),
            path: row.identity.path.clone(),
            device: row.identity.device,
            inode: row.identity.inode,
            block: row.identity.block,
            writable: row.access == Access::ReadWrite,
            owner: row.owner,
            label: row.label.clone(),
            restore: row.restore,
            before: BTreeMap::new(),
        }
    }

    pub(super) fn key(&self) -> (u64, u64) {
        (self.device, self.inode)
    }

    pub(super) fn is_touched(&self) -> bool {
        self.owner.is_some() || self.label.is_some()
    }
}

/// Paths are bytes, and JSON has only text.
pub(super) mod hex_path {
    use std::ffi::OsString;
    use std::os::unix::ffi::{OsStrExt, OsStringExt};
    use std::path::{Path, PathBuf};

    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    use crate::reference::bytes::to_hex;

    pub(in super::super) fn serialize<S: Serializer>(
        path: &Path,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&to_hex(path.as_os_str().as_bytes()))
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<PathBuf, D::Error> {
        let text = String::deserialize(deserializer)?;
        parse(&text).ok_or_else(|| D::Error::custom("path is not hexadecimal"))
    }

    fn parse(text: &str) -> Option<PathBuf> {
        let byte = |pair: &[u8]| {
            let pair = std::str::from_utf8(pair).ok()?;
            u8::from_str_radix(pair, 16).ok()
        };
        let bytes: Option<Vec<u8>> = text.as_bytes().chunks(2).map(byte).collect();
        let bytes = bytes.filter(|_| text.len().is_multiple_of(2))?;
        Some(PathBuf::from(OsString::from_vec(bytes)))
    }

    /// The same for a path that may be absent.
    pub(in super::super) mod optional {
        use std::path::PathBuf;

        use serde::de::Error;
        use serde::{Deserialize, Deserializer, Serializer};

        pub(in super::super::super) fn serialize<S: Serializer>(
            path: &Option<PathBuf>,
            serializer: S,
        ) -> Result<S::Ok, S::Error> {
            match path {
                Some(path) => super::serialize(path, serializer),
                None => serializer.serialize_none(),
            }
        }

        pub(in super::super::super) fn deserialize<'de, D: Deserializer<'de>>(
            deserializer: D,
        ) -> Result<Option<PathBuf>, D::Error> {
            let text = Option::<String>::deserialize(deserializer)?;
            let bad = || D::Error::custom("path is not hexadecimal");
            text.map(|text| super::parse(&text).ok_or_else(bad))
                .transpose()
        }
    }
}
