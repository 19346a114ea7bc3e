//! Which file a path means, so that it can be recognised later.

use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

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
        refuse_magic_links(path)?;
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

/// Links such as `/proc/self/fd/3` lead to what a process has open, whatever they say. They mean
/// another file to everybody else, and none once that process is gone.
fn refuse_magic_links(path: &Path) -> Result<(), ChainError> {
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    let opened = rustix::fs::openat2(CWD, path, flags, Mode::empty(), ResolveFlags::NO_MAGICLINKS);
    match opened {
        // Links that go round in circles have been found before.
        Err(Errno::LOOP) => {
            let message = "path leads through a magic link of /proc";
            Err(ChainError::new(ChainClass::SpecialFile, path, message))
        }
        // Kernels and sandboxes without this call have been asked what there is to ask.
        _ => Ok(()),
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
