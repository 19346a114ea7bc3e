//! An open file that was checked to be the plan's; everything is done through its descriptor.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use rustix::fs::{FlockOperation, Mode, OFlags, XattrFlags};
use rustix::io::Errno;

use super::error::{ApplyClass, ApplyError};
use super::running::RunningFile;

/// Long enough for any label and nearly every record.
const USUAL_XATTR: usize = 512;
/// The kernel allows no longer value of an extended attribute.
const MAX_XATTR: usize = 65_536;
/// How long another relabeller may hold a file: 200 times 10 ms.
const LOCK_TRIES: u32 = 200;
const LOCK_PAUSE: Duration = Duration::from_millis(10);

/// A file that may be labelled.
#[derive(Debug)]
pub struct Target {
    file: File,
    path: PathBuf,
}

impl Target {
    /// Opens the file that a plan means, and no other.
    ///
    /// The path has no symbolic links left in it; one that appeared since is not followed.
    pub(super) fn open(wanted: &RunningFile) -> Result<Self, ApplyError> {
        let path = &wanted.path;
        let fail = |error: io::Error| {
            let message = format!("can't be opened: {error}");
            ApplyError::new(ApplyClass::Changed, path, message)
        };
        // Without access of any kind nothing happens to a file that isn't the right one.
        let handle = open(path, OFlags::PATH | OFlags::NOFOLLOW).map_err(fail)?;
        require_same(&handle, wanted)?;
        let file = reopen(&handle, path).map_err(fail)?;
        require_same(&file, wanted)?;
        let path = path.clone();
        Ok(Self { file, path })
    }

    /// The path, for messages.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The open file.
    #[must_use]
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Keeps other relabellers away until this is dropped, and says whether that worked.
    ///
    /// Whoever can open the file can hold the lock, so nothing may wait for it forever.
    pub(super) fn lock(&self) -> bool {
        for _ in 0..LOCK_TRIES {
            match rustix::fs::flock(&self.file, FlockOperation::NonBlockingLockExclusive) {
                Err(Errno::WOULDBLOCK) => thread::sleep(LOCK_PAUSE),
                // A file system without locks is taken to have one relabeller at a time.
                Ok(()) | Err(_) => return true,
            }
        }
        false
    }

    /// The value of an extended attribute, absent where there is none.
    pub(super) fn xattr(&self, name: &str) -> Result<Option<Vec<u8>>, Errno> {
        match self.xattr_of(name, USUAL_XATTR) {
            Err(Errno::RANGE) => self.xattr_of(name, MAX_XATTR),
            result => result,
        }
    }

    fn xattr_of(&self, name: &str, longest: usize) -> Result<Option<Vec<u8>>, Errno> {
        let mut value = vec![0; longest];
        match rustix::fs::fgetxattr(&self.file, name, value.as_mut_slice()) {
            Ok(length) => {
                value.truncate(length);
                Ok(Some(value))
            }
            Err(Errno::NODATA | Errno::OPNOTSUPP) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Sets an extended attribute, or removes it.
    pub(super) fn set_xattr(&self, name: &str, value: Option<&[u8]>) -> Result<(), Errno> {
        let Some(value) = value else {
            return match rustix::fs::fremovexattr(&self.file, name) {
                Err(Errno::NODATA) => Ok(()),
                result => result,
            };
        };
        rustix::fs::fsetxattr(&self.file, name, value, XattrFlags::empty())
    }
}

fn open(path: &Path, flags: OFlags) -> io::Result<File> {
    let descriptor = rustix::fs::open(path, flags | OFlags::CLOEXEC, Mode::empty())?;
    Ok(File::from(descriptor))
}

fn reopen(handle: &File, path: &Path) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK;
    let link = format!("/proc/self/fd/{}", handle.as_raw_fd());
    match open(Path::new(&link), flags) {
        // Without /proc the path is opened again; the caller compares again.
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            open(path, flags | OFlags::NOFOLLOW)
        }
        result => result,
    }
}

fn require_same(file: &File, wanted: &RunningFile) -> Result<(), ApplyError> {
    let fail = |message: String| ApplyError::new(ApplyClass::Changed, &wanted.path, message);
    let found = file.metadata().map_err(|error| fail(error.to_string()))?;
    let kind = found.file_type();
    let right_kind = if wanted.block {
        kind.is_block_device()
    } else {
        kind.is_file()
    };
    if !right_kind || (found.dev(), found.ino()) != (wanted.device, wanted.inode) {
        return Err(fail("is not the file that was planned for".to_owned()));
    }
    Ok(())
}
