//! The system calls that neither std nor rustix offers as safe functions: the only unsafe code of the project.
#![allow(unsafe_code)]

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::os::unix::process::CommandExt;
use std::process::Command;

use rustix::process::Pid;
use rustix::thread::UnshareFlags;

/// What a cloned mount is restricted to before anything can use it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Restriction {
    /// No writes, no set-user-id programs, no device nodes.
    Folder,
    /// No changes to the node itself; reading and writing the device stays possible.
    Device,
}

/// Closes every descriptor above standard error.
///
/// Must come before anything in this process has opened a file.
pub(super) fn close_inherited() -> io::Result<()> {
    // SAFETY: called first in `main` of a single-threaded process, so nothing in it owns a descriptor above 2 yet.
    let closed = unsafe { libc::syscall(libc::SYS_close_range, 3_u32, u32::MAX, 0_u32) };
    check(closed)
}

/// Makes the standard descriptor `number` (0 or 1) another name for `source`.
pub(super) fn replace_standard(source: BorrowedFd<'_>, number: i32) -> io::Result<()> {
    // SAFETY: `source` is open for the length of the borrow; standard descriptors are owned by nobody.
    let made = unsafe { libc::dup2(source.as_raw_fd(), number) };
    check(made.into())
}

/// Leaves the namespaces named by `flags` for new ones.
pub(super) fn unshare(flags: UnshareFlags) -> io::Result<()> {
    debug_assert!(!flags.contains(UnshareFlags::FILES));
    // SAFETY: the descriptor table stays shared (no FILES), which is the one hazard of this call.
    unsafe { rustix::thread::unshare_unsafe(flags) }.map_err(io::Error::from)
}

/// Forks a single-threaded process: the child's process id in the parent, `None` in the child.
pub(super) fn fork() -> io::Result<Option<Pid>> {
    // SAFETY: only called where this process has one thread, so no lock can be held by a thread that the child lacks.
    let pid = unsafe { libc::fork() };
    check(pid.into())?;
    Ok(Pid::from_raw(pid))
}

/// Ends a forked child at once, without the exit handlers that belong to its parent.
pub(super) fn exit_now() -> ! {
    // SAFETY: ends the process and touches no memory.
    unsafe { libc::_exit(0) }
}

/// Sends SIGKILL to every other process of this process id namespace, of which this must be process 1.
pub(super) fn kill_all_others() {
    // SAFETY: touches no memory; the caller has made sure that the namespace is the sandbox's.
    unsafe { libc::kill(-1, libc::SIGKILL) };
}

/// Restricts a cloned mount and all mounts below it.
pub(super) fn restrict(tree: BorrowedFd<'_>, restriction: Restriction) -> io::Result<()> {
    let attributes = libc::mount_attr {
        attr_set: match restriction {
            Restriction::Folder => {
                libc::MOUNT_ATTR_RDONLY | libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NODEV
            }
            Restriction::Device => {
                libc::MOUNT_ATTR_RDONLY | libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NOEXEC
            }
        },
        attr_clr: 0,
        propagation: 0,
        userns_fd: 0,
    };
    // SAFETY: the path is a NUL-terminated literal and `attributes` outlives the call, with its true size.
    let set = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            tree.as_raw_fd(),
            c"".as_ptr(),
            libc::AT_EMPTY_PATH | libc::AT_RECURSIVE,
            &raw const attributes,
            size_of::<libc::mount_attr>(),
        )
    };
    check(set)
}

/// Has `prepare` run in the child between fork and exec.
///
/// `prepare` may only make system calls: no allocation, no locks.
pub(super) fn before_exec<F>(command: &mut Command, prepare: F)
where
    F: FnMut() -> io::Result<()> + Send + Sync + 'static,
{
    // SAFETY: the callers' closures make bare system calls on values captured before the fork.
    unsafe { command.pre_exec(prepare) };
}

fn check(result: libc::c_long) -> io::Result<()> {
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}
