//! The system calls of labelling, behind one trait: nothing else here touches a file.
//!
//! Tests put another implementation in front, which fails or ends the relabeller before or after
//! any of them.

use std::fmt::Debug;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::Path;
use std::time::Duration;

use rustix::fs::{AtFlags, FlockOperation, Gid, Mode, OFlags, Stat, StatxFlags, Uid, XattrFlags};
use rustix::io::Errno;

use super::config::Owner;

/// No file of the relabeller's own is longer: the status of a domain with thousands of files.
const MAX_FILE: usize = 64 << 20;

/// What the relabeller asks of the kernel, one method for each system call that matters.
///
/// # Errors
///
/// Each method gives the kernel's error as it is.
#[expect(clippy::missing_errors_doc, reason = "said once for all of them")]
pub trait System: Debug {
    /// Opens a file; one that is created belongs to the caller alone.
    fn open(&self, path: &Path, flags: OFlags) -> Result<OwnedFd, Errno>;
    /// Kind, owner, mode, device and inode of an open file.
    fn stat(&self, file: BorrowedFd<'_>) -> Result<Stat, Errno>;
    /// When the file was made, in nanoseconds since 1970; absent where nobody keeps that.
    fn born(&self, file: BorrowedFd<'_>) -> Result<Option<i128>, Errno>;
    /// Changes owner and group.
    fn chown(&self, file: BorrowedFd<'_>, owner: Owner) -> Result<(), Errno>;
    /// Reads an extended attribute and gives its length.
    fn xattr(&self, file: BorrowedFd<'_>, name: &str, value: &mut [u8]) -> Result<usize, Errno>;
    /// Sets an extended attribute.
    fn set_xattr(
        &self,
        file: BorrowedFd<'_>,
        name: &str,
        value: &[u8],
        flags: XattrFlags,
    ) -> Result<(), Errno>;
    /// Removes an extended attribute.
    fn remove_xattr(&self, file: BorrowedFd<'_>, name: &str) -> Result<(), Errno>;
    /// Takes the lock of a file, or fails at once with `EWOULDBLOCK`.
    fn lock(&self, file: BorrowedFd<'_>) -> Result<(), Errno>;
    /// Lets some time pass until a lock may be free.
    fn pause(&self, time: Duration);
    /// Reads a small file of the relabeller's own from where it stands.
    fn read(&self, file: BorrowedFd<'_>) -> Result<Vec<u8>, Errno>;
    /// Writes a whole small file of the relabeller's own.
    fn write(&self, file: BorrowedFd<'_>, bytes: &[u8]) -> Result<(), Errno>;
    /// Brings what was written to the disk.
    fn sync(&self, file: BorrowedFd<'_>) -> Result<(), Errno>;
    /// Gives a file of the relabeller's own its final name.
    fn rename(&self, from: &Path, to: &Path) -> Result<(), Errno>;
    /// Removes a file of the relabeller's own.
    fn remove(&self, path: &Path) -> Result<(), Errno>;
}

/// The kernel itself.
#[derive(Debug, Clone, Copy, Default)]
pub struct Kernel;

impl System for Kernel {
    fn open(&self, path: &Path, flags: OFlags) -> Result<OwnedFd, Errno> {
        rustix::fs::open(path, flags | OFlags::CLOEXEC, Mode::RUSR | Mode::WUSR)
    }

    fn stat(&self, file: BorrowedFd<'_>) -> Result<Stat, Errno> {
        rustix::fs::fstat(file)
    }

    fn born(&self, file: BorrowedFd<'_>) -> Result<Option<i128>, Errno> {
        let found = rustix::fs::statx(file, "", AtFlags::EMPTY_PATH, StatxFlags::BTIME)?;
        let known = found.stx_mask & StatxFlags::BTIME.bits() != 0;
        let born = found.stx_btime;
        let nanoseconds = i128::from(born.tv_sec) * 1_000_000_000 + i128::from(born.tv_nsec);
        Ok(known.then_some(nanoseconds))
    }

    fn chown(&self, file: BorrowedFd<'_>, owner: Owner) -> Result<(), Errno> {
        let (user, group) = (Uid::from_raw(owner.user), Gid::from_raw(owner.group));
        rustix::fs::fchown(file, Some(user), Some(group))
    }

    fn xattr(&self, file: BorrowedFd<'_>, name: &str, value: &mut [u8]) -> Result<usize, Errno> {
        rustix::fs::fgetxattr(file, name, value)
    }

    fn set_xattr(
        &self,
        file: BorrowedFd<'_>,
        name: &str,
        value: &[u8],
        flags: XattrFlags,
    ) -> Result<(), Errno> {
        rustix::fs::fsetxattr(file, name, value, flags)
    }

    fn remove_xattr(&self, file: BorrowedFd<'_>, name: &str) -> Result<(), Errno> {
        rustix::fs::fremovexattr(file, name)
    }

    fn lock(&self, file: BorrowedFd<'_>) -> Result<(), Errno> {
        rustix::fs::flock(file, FlockOperation::NonBlockingLockExclusive)
    }

    fn pause(&self, time: Duration) {
        std::thread::sleep(time);
    }

    fn read(&self, file: BorrowedFd<'_>) -> Result<Vec<u8>, Errno> {
        let mut bytes = Vec::new();
        let mut chunk = [0; 4096];
        loop {
            match rustix::io::read(file, &mut chunk) {
                Ok(0) => return Ok(bytes),
                Ok(_) if bytes.len() > MAX_FILE => return Err(Errno::FBIG),
                Ok(length) => bytes.extend_from_slice(&chunk[..length]),
                Err(Errno::INTR) => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn write(&self, file: BorrowedFd<'_>, mut bytes: &[u8]) -> Result<(), Errno> {
        while !bytes.is_empty() {
            match rustix::io::write(file, bytes) {
                Ok(length) => bytes = bytes.get(length..).unwrap_or_default(),
                Err(Errno::INTR) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn sync(&self, file: BorrowedFd<'_>) -> Result<(), Errno> {
        rustix::fs::fsync(file)
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<(), Errno> {
        rustix::fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> Result<(), Errno> {
        rustix::fs::unlink(path)
    }
}
