//! An open file that was checked to be the plan's; everything is done through its descriptor.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{FileType, OFlags, Stat, XattrFlags};
use rustix::io::Errno;

use super::config::Owner;
use super::error::{ApplyClass, ApplyError};
use super::running::RunningFile;
use super::system::System;

/// Long enough for any label and nearly every record.
const USUAL_XATTR: usize = 512;
/// The kernel allows no longer value of an extended attribute.
const MAX_XATTR: usize = 65_536;
/// How long another relabeller may hold a file: 200 times 10 ms.
const LOCK_TRIES: u32 = 200;
const LOCK_PAUSE: Duration = Duration::from_millis(10);

/// A file that may be labelled.
#[derive(Debug)]
pub struct Target<'s> {
    system: &'s dyn System,
    file: OwnedFd,
    path: PathBuf,
    key: (u64, u64),
}

impl<'s> Target<'s> {
    /// Opens the file that a plan means, and no other.
    ///
    /// The path has no symbolic links left in it; one that appeared since is not followed.
    pub(super) fn open(system: &'s dyn System, wanted: &RunningFile) -> Result<Self, ApplyError> {
        let path = &wanted.path;
        let fail = |error: Errno| {
            let class = match error {
                Errno::NOENT | Errno::NOTDIR => ApplyClass::Missing,
                Errno::LOOP => ApplyClass::Changed,
                _ => ApplyClass::Refused,
            };
            let message = format!("can't be opened: {}", std::io::Error::from(error));
            ApplyError::new(class, path, message)
        };
        // Without access of any kind nothing happens to a file that isn't the right one.
        let handle = system
            .open(path, OFlags::PATH | OFlags::NOFOLLOW)
            .map_err(fail)?;
        require_same(system, handle.as_fd(), wanted)?;
        let file = reopen(system, &handle, path).map_err(fail)?;
        require_same(system, file.as_fd(), wanted)?;
        Ok(Self {
            system,
            file,
            path: path.clone(),
            key: wanted.key(),
        })
    }

    /// The path, for messages.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Device and inode.
    pub(super) fn key(&self) -> (u64, u64) {
        self.key
    }

    fn descriptor(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }

    /// Kind, owner and mode.
    ///
    /// # Errors
    ///
    /// What the kernel says.
    pub fn stat(&self) -> Result<Stat, Errno> {
        self.system.stat(self.descriptor())
    }

    /// When the file was made, where the file system keeps that.
    pub(super) fn born(&self) -> Result<Option<i128>, Errno> {
        self.system.born(self.descriptor())
    }

    /// Changes owner and group.
    ///
    /// # Errors
    ///
    /// What the kernel says.
    pub fn chown(&self, owner: Owner) -> Result<(), Errno> {
        self.system.chown(self.descriptor(), owner)
    }

    /// Keeps other relabellers away until this is dropped, and says whether that worked.
    ///
    /// Whoever can open the file can hold the lock, so nothing may wait for it forever.
    pub(super) fn lock(&self) -> bool {
        for _ in 0..LOCK_TRIES {
            match self.system.lock(self.descriptor()) {
                Err(Errno::WOULDBLOCK) => self.system.pause(LOCK_PAUSE),
                Err(Errno::INTR) => {}
                // A file system without locks is taken to have one relabeller at a time.
                Ok(()) | Err(_) => return true,
            }
        }
        false
    }

    /// The value of an extended attribute, absent where there is none.
    ///
    /// # Errors
    ///
    /// What the kernel says.
    pub fn xattr(&self, name: &str) -> Result<Option<Vec<u8>>, Errno> {
        match self.xattr_in(name, &mut [0; USUAL_XATTR]) {
            Err(Errno::RANGE) => self.xattr_in(name, &mut vec![0; MAX_XATTR]),
            result => result,
        }
    }

    fn xattr_in(&self, name: &str, buffer: &mut [u8]) -> Result<Option<Vec<u8>>, Errno> {
        match self.system.xattr(self.descriptor(), name, buffer) {
            Ok(length) => Ok(Some(buffer[..length.min(buffer.len())].to_vec())),
            Err(Errno::NODATA | Errno::OPNOTSUPP) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Sets an extended attribute, or removes it.
    ///
    /// # Errors
    ///
    /// What the kernel says.
    pub fn set_xattr(&self, name: &str, value: Option<&[u8]>) -> Result<(), Errno> {
        let Some(value) = value else {
            return match self.system.remove_xattr(self.descriptor(), name) {
                Err(Errno::NODATA) => Ok(()),
                result => result,
            };
        };
        self.system
            .set_xattr(self.descriptor(), name, value, XattrFlags::empty())
    }

    /// Whether an extended attribute that isn't there could be set, found without setting it.
    pub(super) fn takes_xattr(&self, name: &str) -> bool {
        // To replace what is missing fails, but only after the kernel agreed to the rest.
        let result = self
            .system
            .set_xattr(self.descriptor(), name, b"", XattrFlags::REPLACE);
        matches!(result, Ok(()) | Err(Errno::NODATA))
    }
}

fn reopen(system: &dyn System, handle: &OwnedFd, path: &Path) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY;
    let link = format!("/proc/self/fd/{}", handle.as_raw_fd());
    match system.open(Path::new(&link), flags) {
        // Without /proc the path is opened again; the caller compares again.
        Err(Errno::NOENT) => system.open(path, flags | OFlags::NOFOLLOW),
        result => result,
    }
}

fn require_same(
    system: &dyn System,
    file: BorrowedFd<'_>,
    wanted: &RunningFile,
) -> Result<(), ApplyError> {
    let fail = |message: String| ApplyError::new(ApplyClass::Changed, &wanted.path, message);
    let found = system
        .stat(file)
        .map_err(|error| fail(std::io::Error::from(error).to_string()))?;
    let right_kind = if wanted.block {
        FileType::BlockDevice
    } else {
        FileType::RegularFile
    };
    let same = (found.st_dev, found.st_ino) == wanted.key();
    if FileType::from_raw_mode(found.st_mode) != right_kind || !same {
        return Err(fail("is not the file that was planned for".to_owned()));
    }
    Ok(())
}
