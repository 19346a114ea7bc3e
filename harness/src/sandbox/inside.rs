//! The worker's side: from a freshly executed process to one that answers requests in its sandbox.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;
use std::process;
use std::sync::OnceLock;

use rustix::process::{
    DumpableBehavior, Pid, Resource, Rlimit, Signal, WaitOptions, WaitStatus,
    set_dumpable_behavior, set_parent_process_death_signal, setrlimit,
};
use rustix::thread::UnshareFlags;

use super::SandboxError;
use super::root::Lent;
use super::wire::{LINE_LIMIT, Notice, SetUp};
use super::{capability, sys};

/// First argument of a process that shall be a worker.
pub(super) const MARKER: &str = "--qconform-sandbox-worker";

/// What the worker that this process is can do.
#[derive(Clone, Copy, Debug)]
pub(super) struct Abilities {
    pub(super) single: bool,
    pub(super) proc: bool,
}

static ABILITIES: OnceLock<Abilities> = OnceLock::new();

/// The abilities of this worker; `None` in any process that is none.
pub(super) fn abilities() -> Option<Abilities> {
    ABILITIES.get().copied()
}

/// Turns this process into a worker if [`Worker::start`](super::Worker::start) made it; otherwise returns at once.
///
/// Must be the first statement of `main`, before any thread or file. A worker answers each request, a line without
/// its newline, with what `serve` gives, which must not contain a newline. It ends with the process when the requests
/// end; children that `serve` leaves behind are reaped after each request.
pub fn run_if_worker(serve: &mut dyn FnMut(&[u8]) -> Vec<u8>) {
    if std::env::args_os()
        .nth(1)
        .is_some_and(|first| first == MARKER)
    {
        process::exit(work(serve));
    }
}

fn work(serve: &mut dyn FnMut(&[u8]) -> Vec<u8>) -> i32 {
    let (mut requests, mut replies) = match take_pipes() {
        Ok(pipes) => pipes,
        Err(error) => {
            eprintln!("sandbox worker: {error}");
            return 1;
        }
    };
    let set_up = match set_up(&mut requests, &mut replies) {
        Ok(set_up) => set_up,
        Err(error) => {
            // Nobody is left to tell if this fails too.
            let _ = notify(&mut replies, &failure(&error));
            return 1;
        }
    };
    let answered = match set_up.probe {
        true => answer(&mut requests, &mut replies, &mut |_| {
            capability::probe(&set_up)
        }),
        false => answer(&mut requests, &mut replies, serve),
    };
    match answered {
        Ok(()) => 0,
        Err(error) => {
            eprintln!("sandbox worker: {error}");
            1
        }
    }
}

/// Takes the two pipes off the standard descriptors, so that a stray print can't end up in a reply.
fn take_pipes() -> io::Result<(BufReader<File>, File)> {
    sys::close_inherited()?;
    let requests = io::stdin().as_fd().try_clone_to_owned()?;
    let replies = io::stdout().as_fd().try_clone_to_owned()?;
    sys::replace_standard(File::open("/dev/null")?.as_fd(), 0)?;
    sys::replace_standard(io::stderr().as_fd(), 1)?;
    Ok((BufReader::new(File::from(requests)), File::from(replies)))
}

fn notify(replies: &mut File, notice: &Notice) -> io::Result<()> {
    let mut line = serde_json::to_vec(notice)?;
    line.push(b'\n');
    replies.write_all(&line)
}

fn failure(error: &SandboxError) -> Notice {
    match error {
        SandboxError::SetUp { step, source } => Notice::Failed {
            step: step.clone(),
            errno: source.raw_os_error(),
            message: source.to_string(),
        },
        other => Notice::Failed {
            step: "set-up".to_owned(),
            errno: None,
            message: other.to_string(),
        },
    }
}

/// Runs in two processes: the first waits for the second and never returns, the second is process 1 of the sandbox.
fn set_up(requests: &mut BufReader<File>, replies: &mut File) -> Result<SetUp, SandboxError> {
    let line = next_line(requests)?;
    let set_up: SetUp =
        serde_json::from_slice(&line).map_err(|error| SandboxError::at("read settings", error))?;
    let path = |bytes: &Vec<u8>| PathBuf::from(OsString::from_vec(bytes.clone()));
    let pair = |(source, inside): &(Vec<u8>, Vec<u8>)| (path(source), path(inside));
    let visible: Vec<(PathBuf, PathBuf)> = set_up.visible.iter().map(pair).collect();
    let root = set_up.root.as_ref().map(path);
    let flags = UnshareFlags::NEWUSER
        | UnshareFlags::NEWNS
        | UnshareFlags::NEWPID
        | UnshareFlags::NEWIPC
        | UnshareFlags::NEWNET;
    sys::unshare(flags).map_err(|error| SandboxError::at("unshare", error))?;
    let lent = Lent::take(&visible, root.as_deref())?;
    notify(replies, &Notice::Unshared).map_err(|error| SandboxError::at("report", error))?;
    next_line(requests)?;
    become_namespace_root(&set_up)?;
    split(replies)?;
    let proc = lent.become_root(&set_up)?;
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
    let _ = ABILITIES.set(Abilities {
        single: set_up.single,
        proc,
    });
    notify(replies, &Notice::Ready).map_err(|error| SandboxError::at("report", error))?;
    Ok(set_up)
}

fn next_line(requests: &mut BufReader<File>) -> Result<Vec<u8>, SandboxError> {
    match read_request(requests) {
        Ok(Some(line)) => Ok(line),
        Ok(None) => Err(SandboxError::at(
            "wait for the parent",
            io::ErrorKind::UnexpectedEof,
        )),
        Err(error) => Err(SandboxError::at("wait for the parent", error)),
    }
}

fn become_namespace_root(set_up: &SetUp) -> Result<(), SandboxError> {
    use rustix::process::{Gid, Uid};
    use rustix::thread::{set_thread_groups, set_thread_res_gid, set_thread_res_uid};
    // With a single id the kernel forbids setgroups altogether.
    if !set_up.single {
        set_thread_groups(&[]).map_err(|error| SandboxError::at("setgroups", error))?;
    }
    set_thread_res_gid(Gid::ROOT, Gid::ROOT, Gid::ROOT)
        .map_err(|error| SandboxError::at("setresgid", error))?;
    set_thread_res_uid(Uid::ROOT, Uid::ROOT, Uid::ROOT)
        .map_err(|error| SandboxError::at("setresuid", error))?;
    // Only now: the id change cleared it.
    die_with_parent()?;
    if rustix::process::getppid().map_or(0, |pid| pid.as_raw_nonzero().get()) != set_up.parent {
        return Err(SandboxError::at(
            "look for the parent",
            io::ErrorKind::NotFound,
        ));
    }
    let no_core = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    setrlimit(Resource::Core, no_core).map_err(|error| SandboxError::at("setrlimit", error))?;
    // The id change also hid /proc/self of this process, and of the subjects it will fork, from itself.
    set_dumpable_behavior(DumpableBehavior::Dumpable)
        .map_err(|error| SandboxError::at("prctl", error))
}

fn die_with_parent() -> Result<(), SandboxError> {
    set_parent_process_death_signal(Some(Signal::KILL))
        .map_err(|error| SandboxError::at("prctl", error))
}

/// Forks process 1 of the new process id namespace; returns in it only.
fn split(replies: &mut File) -> Result<(), SandboxError> {
    let failed = |error: io::Error| SandboxError::at("fork", error);
    let (mut alive, mut keep) = io::pipe().map_err(failed)?;
    let Some(pid) = sys::fork().map_err(failed)? else {
        drop(keep);
        die_with_parent()?;
        // The byte proves that the parent lived after the death signal was asked for.
        return alive.read_exact(&mut [0]).map_err(failed);
    };
    notify(
        replies,
        &Notice::Forked {
            pid: pid.as_raw_nonzero().get(),
        },
    )
    .map_err(failed)?;
    keep.write_all(b"!").map_err(failed)?;
    // The reply pipe must have one writer, or its end would not be noticed.
    *replies = File::open("/dev/null").map_err(failed)?;
    mirror(pid)
}

/// Waits for process 1 and ends as it did.
fn mirror(pid: Pid) -> ! {
    loop {
        match rustix::process::waitpid(Some(pid), WaitOptions::empty()) {
            Ok(Some((_, status))) => end_as(status),
            Err(rustix::io::Errno::INTR) | Ok(None) => {}
            Err(_) => process::exit(1),
        }
    }
}

fn end_as(status: WaitStatus) -> ! {
    if let Some(signal) = status.terminating_signal().and_then(Signal::from_named_raw) {
        // Twice: for SIGSEGV and SIGBUS std has a handler, which takes the first and restores the default.
        for _ in 0..2 {
            let _ = rustix::process::kill_process(rustix::process::getpid(), signal);
        }
    }
    process::exit(status.exit_status().unwrap_or(1))
}

fn answer(
    requests: &mut BufReader<File>,
    replies: &mut File,
    serve: &mut dyn FnMut(&[u8]) -> Vec<u8>,
) -> io::Result<()> {
    while let Some(request) = read_request(requests)? {
        let mut reply = serve(&request);
        if reply.contains(&b'\n') {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "a reply contains a newline",
            ));
        }
        reply.push(b'\n');
        reap();
        replies.write_all(&reply)?;
    }
    Ok(())
}

/// One request without its newline; `None` at the end.
fn read_request(requests: &mut BufReader<File>) -> io::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    let limit = LINE_LIMIT as u64 + 1;
    requests.by_ref().take(limit).read_until(b'\n', &mut line)?;
    match line.pop() {
        None => Ok(None),
        Some(b'\n') => Ok(Some(line)),
        Some(_) => Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "a request without an end",
        )),
    }
}

/// Reaps what has ended: process 1 inherits every orphan of its namespace.
fn reap() {
    while let Ok(Some(_)) = rustix::process::wait(WaitOptions::NOHANG) {}
}
