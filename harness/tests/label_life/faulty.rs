//! System calls of which one goes wrong.

use std::cell::Cell;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::Path;
use std::time::Duration;

use qconform::reference::label::{Kernel, Owner, System};
use rustix::fs::{OFlags, Stat, XattrFlags};
use rustix::io::Errno;

/// What happens at the one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The relabeller ends before the call.
    KillBefore,
    /// The relabeller ends right after the call.
    KillAfter,
    /// The call fails.
    Error(Errno),
}

/// How a relabeller ends.
pub(crate) type End = fn();

/// An unwinding stands for a kill: none of the relabeller's cleaning up runs, because it has none
/// that runs on unwinding, and the kernel closes its files.
pub(crate) fn unwind() {
    std::panic::resume_unwind(Box::new("killed"));
}

/// A real kill.
pub(crate) fn kill() {
    let own = rustix::process::getpid();
    rustix::process::kill_process(own, rustix::process::Signal::KILL).unwrap();
}

/// The kernel, but for one call.
#[derive(Debug)]
pub(crate) struct Faulty {
    calls: Cell<u32>,
    at: u32,
    fault: Fault,
    end: End,
}

impl Faulty {
    pub(crate) fn new(at: u32, fault: Fault, end: End) -> Self {
        Self {
            calls: Cell::new(0),
            at,
            fault,
            end,
        }
    }

    /// As the kernel, counting.
    pub(crate) fn counting() -> Self {
        Self::new(u32::MAX, Fault::KillBefore, unwind)
    }

    pub(crate) fn calls(&self) -> u32 {
        self.calls.get()
    }

    fn call<T>(&self, call: impl FnOnce() -> Result<T, Errno>) -> Result<T, Errno> {
        let number = self.calls.replace(self.calls.get() + 1);
        if number != self.at {
            return call();
        }
        match self.fault {
            Fault::Error(error) => Err(error),
            Fault::KillBefore => {
                (self.end)();
                unreachable!("the relabeller was killed")
            }
            Fault::KillAfter => {
                let result = call();
                (self.end)();
                result
            }
        }
    }
}

impl System for Faulty {
    fn open(&self, path: &Path, flags: OFlags) -> Result<OwnedFd, Errno> {
        self.call(|| Kernel.open(path, flags))
    }

    fn stat(&self, file: BorrowedFd<'_>) -> Result<Stat, Errno> {
        self.call(|| Kernel.stat(file))
    }

    fn born(&self, file: BorrowedFd<'_>) -> Result<Option<i128>, Errno> {
        self.call(|| Kernel.born(file))
    }

    fn chown(&self, file: BorrowedFd<'_>, owner: Owner) -> Result<(), Errno> {
        self.call(|| Kernel.chown(file, owner))
    }

    fn xattr(&self, file: BorrowedFd<'_>, name: &str, value: &mut [u8]) -> Result<usize, Errno> {
        self.call(|| Kernel.xattr(file, name, value))
    }

    fn set_xattr(
        &self,
        file: BorrowedFd<'_>,
        name: &str,
        value: &[u8],
        flags: XattrFlags,
    ) -> Result<(), Errno> {
        self.call(|| Kernel.set_xattr(file, name, value, flags))
    }

    fn remove_xattr(&self, file: BorrowedFd<'_>, name: &str) -> Result<(), Errno> {
        self.call(|| Kernel.remove_xattr(file, name))
    }

    fn lock(&self, file: BorrowedFd<'_>) -> Result<(), Errno> {
        self.call(|| Kernel.lock(file))
    }

    fn pause(&self, time: Duration) {
        Kernel.pause(time);
    }

    fn read(&self, file: BorrowedFd<'_>) -> Result<Vec<u8>, Errno> {
        self.call(|| Kernel.read(file))
    }

    fn write(&self, file: BorrowedFd<'_>, bytes: &[u8]) -> Result<(), Errno> {
        self.call(|| Kernel.write(file, bytes))
    }

    fn sync(&self, file: BorrowedFd<'_>) -> Result<(), Errno> {
        self.call(|| Kernel.sync(file))
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<(), Errno> {
        self.call(|| Kernel.rename(from, to))
    }

    fn remove(&self, path: &Path) -> Result<(), Errno> {
        self.call(|| Kernel.remove(path))
    }
}
