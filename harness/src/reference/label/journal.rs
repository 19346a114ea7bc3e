//! Records of files that can't carry them, in a folder of the relabeller's own.
//!
//! One small file for each driver of each labelled file, named by device and inode. It says which
//! file it is about, because inodes are used again.

use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

use super::record::Record;
use super::running::hex_path;
use super::system::System;
use super::target::Target;

/// The records in one folder.
#[derive(Debug, Clone, Copy)]
pub(super) struct Journal<'a> {
    pub(super) system: &'a dyn System,
    pub(super) folder: &'a Path,
}

/// What one file of the journal says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Entry {
    /// The labelled file, in hexadecimal.
    #[serde(with = "hex_path")]
    path: PathBuf,
    /// When that file was made.
    born: Option<i128>,
    /// What is remembered about it.
    pub(super) record: Record,
}

/// The journal can't be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum JournalError {
    #[error("{}: {}", path.display(), std::io::Error::from(*error))]
    System { path: PathBuf, error: Errno },
    #[error("{}: {message}", path.display())]
    Malformed { path: PathBuf, message: String },
}

impl Journal<'_> {
    /// The record of an open file.
    pub(super) fn load(
        &self,
        target: &Target<'_>,
        driver: &str,
    ) -> Result<Option<Entry>, JournalError> {
        let entry = self.entry(target.key(), driver)?;
        // An entry of a file that is gone, whose inode another file has now, is nobody's.
        Ok(match entry {
            Some(entry) if self.is_about(&entry, target)? => Some(entry),
            _ => None,
        })
    }

    /// The record of a file that can't be opened any more.
    pub(super) fn entry(
        &self,
        key: (u64, u64),
        driver: &str,
    ) -> Result<Option<Entry>, JournalError> {
        let path = self.path(key, driver);
        let file = match self.system.open(&path, OFlags::RDONLY | OFlags::NOFOLLOW) {
            Ok(file) => file,
            Err(Errno::NOENT) => return Ok(None),
            Err(error) => return Err(JournalError::System { path, error }),
        };
        let bytes = match self.system.read(file.as_fd()) {
            Ok(bytes) => bytes,
            Err(error) => return Err(JournalError::System { path, error }),
        };
        let malformed = |message| JournalError::Malformed { path, message };
        let entry: Entry =
            serde_json::from_slice(&bytes).map_err(|error| malformed(error.to_string()))?;
        Ok(Some(entry))
    }

    fn is_about(&self, entry: &Entry, target: &Target<'_>) -> Result<bool, JournalError> {
        if entry.born != born(target)? {
            return Ok(false);
        }
        if entry.path == target.path() {
            return Ok(true);
        }
        // Another name of the same file, as long as the first name is still one of it.
        let flags = OFlags::PATH | OFlags::NOFOLLOW;
        let Ok(file) = self.system.open(&entry.path, flags) else {
            return Ok(false);
        };
        let found = self.system.stat(file.as_fd());
        Ok(found.is_ok_and(|found| (found.st_dev, found.st_ino) == target.key()))
    }

    /// Writes a record; whoever is killed meanwhile leaves the old one or the new one.
    pub(super) fn store(
        &self,
        target: &Target<'_>,
        driver: &str,
        record: &Record,
    ) -> Result<(), JournalError> {
        let entry = Entry {
            path: target.path().to_owned(),
            born: born(target)?,
            record: record.clone(),
        };
        self.write(target.key(), driver, &entry)
    }

    /// Writes an entry as it is.
    pub(super) fn write(
        &self,
        key: (u64, u64),
        driver: &str,
        entry: &Entry,
    ) -> Result<(), JournalError> {
        let path = self.path(key, driver);
        let bytes = serde_json::to_vec(entry).map_err(|error| JournalError::Malformed {
            path: path.clone(),
            message: error.to_string(),
        })?;
        replace(self.system, &path, &bytes).map_err(|error| JournalError::System { path, error })
    }

    /// Removes a record and what a kill may have left beside it.
    pub(super) fn remove(&self, key: (u64, u64), driver: &str) -> Result<(), JournalError> {
        let path = self.path(key, driver);
        for path in [unfinished(&path), path] {
            match self.system.remove(&path) {
                Ok(()) | Err(Errno::NOENT) => {}
                Err(error) => return Err(JournalError::System { path, error }),
            }
        }
        Ok(())
    }

    fn path(&self, (device, inode): (u64, u64), driver: &str) -> PathBuf {
        self.folder.join(format!("{driver}-{device:x}-{inode:x}"))
    }
}

fn born(target: &Target<'_>) -> Result<Option<i128>, JournalError> {
    target.born().map_err(|error| JournalError::System {
        path: target.path().to_owned(),
        error,
    })
}

fn unfinished(path: &Path) -> PathBuf {
    path.with_extension("new")
}

/// Puts a small file in the place of another, whole or not at all.
fn replace(system: &dyn System, path: &Path, bytes: &[u8]) -> Result<(), Errno> {
    let new = unfinished(path);
    let result = write_anew(system, &new, bytes).and_then(|()| system.rename(&new, path));
    if result.is_err() {
        // Should it stay, the next record of the same file takes its place.
        let _ = system.remove(&new);
    }
    result
}

fn write_anew(system: &dyn System, path: &Path, bytes: &[u8]) -> Result<(), Errno> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::NOFOLLOW;
    let file = system.open(path, flags)?;
    system.write(file.as_fd(), bytes)?;
    system.sync(file.as_fd())
}
