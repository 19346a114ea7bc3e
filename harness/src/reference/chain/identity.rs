//! Which file a path means, so that it can be recognised later.

use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::error::{ChainClass, ChainError};
use crate::reference::file::{OpenError, special_kind};

/// A file as the chain saw it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The path with every symbolic link resolved.
    pub path: PathBuf,
    /// Number of the device that holds the file.
    pub device: u64,
    /// Its inode.
    pub inode: u64,
    /// Whether it is a block device.
    pub block: bool,
}

impl Identity {
    /// Follows `path` once, to a regular file or, where allowed, a block device.
    pub(super) fn of(path: &Path, block_allowed: bool) -> Result<Self, ChainError> {
        let io = |error: io::Error| ChainError::from(OpenError::io(path, error));
        let canonical = std::fs::canonicalize(path).map_err(io)?;
        let metadata = std::fs::symlink_metadata(&canonical).map_err(io)?;
        let block = block_of(path, &metadata, block_allowed)?;
        Ok(Self {
            path: canonical,
            device: metadata.dev(),
            inode: metadata.ino(),
            block,
        })
    }

    /// What two paths to the same file have in common.
    #[must_use]
    pub fn key(&self) -> (u64, u64) {
        (self.device, self.inode)
    }
}

fn block_of(path: &Path, metadata: &Metadata, allowed: bool) -> Result<bool, ChainError> {
    match special_kind(metadata) {
        None => Ok(false),
        Some("block device") if allowed => Ok(true),
        Some(kind) => {
            let message = format!("is a {kind}, not a regular file");
            Err(ChainError::new(ChainClass::SpecialFile, path, message))
        }
    }
}
