//! Runs a program as a subject: a non-root id in a user namespace narrower than the worker's, with limits.

use std::ffi::OsString;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, PidfdFlags, WaitOptions, pidfd_open};

use super::fence::Fence;
use super::inside::abilities;
use super::streams::{After, Outcome, Streams, Turn};
use super::wire::moment;
use super::{SandboxError, sys};

/// A program to run inside a worker, with no privilege over anything there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Confined {
    /// Path inside the sandbox; a bare name is looked for on the PATH in `env`.
    pub program: PathBuf,
    /// Its arguments, without the program's name.
    pub args: Vec<OsString>,
    /// Working folder.
    pub dir: PathBuf,
    /// The whole environment.
    pub env: Vec<(String, String)>,
    /// What it reads from standard input.
    pub stdin: Vec<u8>,
    /// User id, as the worker names it, not 0. Where a single id exists it stands for that one: files that the subject
    /// makes are the worker's own. If `/proc` is missing too, the subject even sees itself as 0, without any privilege.
    pub uid: u32,
    /// Group id, likewise.
    pub gid: u32,
    /// Runs as the worker's root with all of its ids and what changing owners and labels takes, in a mount namespace
    /// of its own; `uid` and `gid` don't count then.
    pub labels: bool,
    /// What it may use.
    pub limits: Limits,
}

/// What a subject may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// From its start until it is killed.
    pub time: Duration,
    /// Bytes of address space for each process; [`u64::MAX`] for programs that set much of it aside without using it.
    pub address_space: u64,
    /// Bytes of memory of its own for each process.
    pub memory: u64,
    /// Bytes kept of standard output and of standard error, each; one more and it is killed.
    pub output: usize,
    /// Processes and threads alive at once.
    pub processes: u64,
    /// Bytes of the largest file that it may write.
    pub file_size: u64,
}

/// How a subject ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// By itself, with this exit code.
    Exited(i32),
    /// By this signal.
    Signalled(i32),
    /// Killed when its time was up.
    TimedOut,
    /// Killed when it wrote more than allowed.
    TooMuchOutput,
}

/// A finished subject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finished {
    /// How it ended.
    pub how: How,
    /// Its standard output, up to the limit.
    pub stdout: Vec<u8>,
    /// Its standard error, up to the limit.
    pub stderr: Vec<u8>,
}

impl Confined {
    /// Runs the program to its end. Afterwards no process but the worker is left in the sandbox, whoever started it.
    ///
    /// # Errors
    ///
    /// [`SandboxError::NotInWorker`] outside a worker, [`SandboxError::Subject`] when the program can't be started or
    /// shall run as root, [`SandboxError::SetUp`] when its namespace can't be made.
    pub fn run(&self) -> Result<Finished, SandboxError> {
        let finished = self.start().and_then(|child| self.attend(child));
        // Also after an error: the child may have been started.
        clear_out();
        finished
    }

    pub(super) fn failed(&self, source: impl Into<io::Error>) -> SandboxError {
        SandboxError::Subject {
            program: self.program.clone(),
            source: source.into(),
        }
    }

    pub(super) fn start(&self) -> Result<Child, SandboxError> {
        let abilities = abilities().ok_or(SandboxError::NotInWorker)?;
        if !self.labels && (self.uid == 0 || self.gid == 0) {
            return Err(self.failed(io::Error::new(
                io::ErrorKind::InvalidInput,
                "a subject never runs as root",
            )));
        }
        let mut fence = Fence::new(self, abilities)?;
        let mut command = Command::new(&self.program);
        command.args(&self.args).current_dir(&self.dir).env_clear();
        command.envs(self.env.iter().map(|(name, value)| (name, value)));
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        sys::before_exec(&mut command, move || fence.close());
        command.spawn().map_err(|error| self.failed(error))
    }

    fn attend(&self, mut child: Child) -> Result<Finished, SandboxError> {
        let until = moment(self.limits.time);
        let mut streams =
            Streams::of(&mut child, self.limits.output).map_err(|error| self.failed(error))?;
        let handle = pidfd_open(Pid::from_child(&child), PidfdFlags::empty())
            .map_err(|error| self.failed(error))?;
        let mut input = self.stdin.as_slice();
        let outcome = loop {
            match streams
                .turn(&handle, &mut input, until, After::Close)
                .map_err(|error| self.failed(error))?
            {
                Turn::Again => {}
                Turn::Over(outcome) => break outcome,
            }
        };
        kill_others();
        let status = child.wait().map_err(|error| self.failed(error))?;
        // With every writer dead the pipes end; what they still hold counts.
        streams.drain().map_err(|error| self.failed(error))?;
        let how = match outcome {
            Outcome::Ended if streams.overflowed() => How::TooMuchOutput,
            Outcome::Ended => how(status),
            Outcome::TimedOut => How::TimedOut,
            Outcome::TooMuchOutput => How::TooMuchOutput,
        };
        Ok(Finished {
            how,
            stdout: streams.out.kept,
            stderr: streams.err.kept,
        })
    }
}

fn how(status: ExitStatus) -> How {
    match status.code() {
        Some(code) => How::Exited(code),
        None => How::Signalled(status.signal().unwrap_or_default()),
    }
}

/// Kills every process of the sandbox but this one, process 1, which the kernel spares.
pub(super) fn kill_others() {
    if is_worker() {
        sys::kill_all_others();
    }
}

/// Kills and reaps them. Elsewhere it does nothing: children of whoever uses this library are not ours to wait for.
pub(super) fn clear_out() {
    if is_worker() {
        sys::kill_all_others();
        while rustix::process::wait(WaitOptions::empty()).is_ok() {}
    }
}

fn is_worker() -> bool {
    rustix::process::getpid().is_init() && abilities().is_some()
}
