//! The parent's side: starts a worker, calls it, and ends it.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use super::inside::MARKER;
use super::unavailable::explain;
use super::wire::{LineError, Notice, SetUp, moment, receive_line, send_line};
use super::{SandboxError, Settings};

/// A worker is ready within milliseconds; this long means that something hangs.
const READY_WITHIN: Duration = Duration::from_secs(20);

/// Why a call got no reply. The worker is dead then.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CallError {
    /// The deadline passed.
    #[error("the worker did not answer in time")]
    TimedOut,
    /// The worker ended.
    #[error("the worker died: {how}")]
    Died {
        /// The signal or exit code.
        how: String,
    },
    /// The pipe failed, or a request contains a newline.
    #[error("the worker can't be reached: {0}")]
    Broken(#[source] io::Error),
    /// The reply is longer than 16 MiB.
    #[error("the worker's reply is too long")]
    TooLong,
}

/// One worker process. It lives as long as this value, and no longer than the thread that started it.
#[derive(Debug)]
pub struct Worker {
    process: Process,
    requests: OwnedFd,
    replies: OwnedFd,
    /// What arrived behind the last line.
    pending: Vec<u8>,
}

impl Worker {
    /// Starts a worker and waits until its sandbox is complete.
    ///
    /// The kernel ends the worker with the *thread* that called this, so that nothing outlives a killed parent.
    ///
    /// # Errors
    ///
    /// [`SandboxError::Unavailable`] with the likely cause when the machine has no user namespaces for us, otherwise
    /// [`SandboxError::SetUp`] with the step that failed or [`SandboxError::NotReady`].
    pub fn start(settings: &Settings) -> Result<Self, SandboxError> {
        Self::start_as(settings, false)
    }

    /// Starts a worker that answers any request with its capabilities.
    pub(super) fn start_probe(settings: &Settings) -> Result<Self, SandboxError> {
        Self::start_as(settings, true)
    }

    fn start_as(settings: &Settings, probe: bool) -> Result<Self, SandboxError> {
        settings.id_map.refuse_host_root()?;
        let mut worker =
            Self::spawn().map_err(|error| SandboxError::at("start the worker", error))?;
        worker.hand_shake(settings, probe).map_err(explain)?;
        Ok(worker)
    }

    fn spawn() -> io::Result<Self> {
        let mut command = Command::new("/proc/self/exe");
        command
            .arg0("qconform")
            .arg(MARKER)
            .env_clear()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        // A group of its own: an interrupt from the terminal is for the parent to handle.
        command.process_group(0);
        if let Some(path) = std::env::var_os("PATH") {
            command.env("PATH", path);
        }
        let mut child = command.spawn()?;
        let pipes = child.stdin.take().zip(child.stdout.take());
        let process = Process { child, init: None };
        let (requests, replies) = pipes.ok_or_else(|| io::Error::other("no pipes"))?;
        let (requests, replies) = (OwnedFd::from(requests), OwnedFd::from(replies));
        for pipe in [&requests, &replies] {
            fcntl_setfl(pipe, fcntl_getfl(pipe)? | OFlags::NONBLOCK)?;
        }
        Ok(Self {
            process,
            requests,
            replies,
            pending: Vec::new(),
        })
    }

    fn hand_shake(&mut self, settings: &Settings, probe: bool) -> Result<(), SandboxError> {
        let until = moment(READY_WITHIN);
        let bytes = |path: &Path| path.as_os_str().as_bytes().to_vec();
        let same = settings.visible.iter().map(|path| (path, path));
        let placed = settings.placed.iter().map(|(source, path)| (source, path));
        let set_up = SetUp {
            parent: rustix::process::getpid().as_raw_nonzero().get(),
            single: settings.id_map.is_single(),
            probe,
            tmpfs_bytes: settings.tmpfs_bytes,
            tmpfs_inodes: settings.tmpfs_inodes,
            visible: same
                .chain(placed)
                .map(|(source, path)| (bytes(source), bytes(path)))
                .collect(),
            root: settings.root.as_deref().map(bytes),
        };
        let line = serde_json::to_vec(&set_up)
            .map_err(|error| SandboxError::at("send settings", error))?;
        self.tell(&line, until)?;
        loop {
            match self.notice(until)? {
                Notice::Unshared => {
                    settings.id_map.write(self.process.child.id())?;
                    self.tell(b"go", until)?;
                }
                Notice::Forked { pid } => self.process.watch(pid)?,
                Notice::Ready => return Ok(()),
                Notice::Failed {
                    step,
                    errno,
                    message,
                } => {
                    let source = errno
                        .map_or_else(|| io::Error::other(message), io::Error::from_raw_os_error);
                    return Err(SandboxError::SetUp { step, source });
                }
            }
        }
    }

    fn tell(&mut self, line: &[u8], until: Option<Instant>) -> Result<(), SandboxError> {
        send_line(&self.requests, line, until).map_err(|error| self.not_ready(error))
    }

    fn notice(&mut self, until: Option<Instant>) -> Result<Notice, SandboxError> {
        let line = receive_line(&self.replies, &mut self.pending, until)
            .map_err(|error| self.not_ready(error))?;
        serde_json::from_slice(&line).map_err(|error| SandboxError::NotReady {
            how: error.to_string(),
        })
    }

    fn not_ready(&mut self, error: LineError) -> SandboxError {
        SandboxError::NotReady {
            how: self.process.fail(error).to_string(),
        }
    }

    /// Sends one request, a line without its newline, and waits for the reply.
    ///
    /// # Errors
    ///
    /// Any [`CallError`] leaves the worker dead: the caller starts another.
    pub fn call(&mut self, request: &[u8], deadline: Duration) -> Result<Vec<u8>, CallError> {
        let until = moment(deadline);
        if request.contains(&b'\n') {
            let error = io::Error::new(io::ErrorKind::InvalidInput, "a request contains a newline");
            return Err(self.process.fail(LineError::Io(error)));
        }
        send_line(&self.requests, request, until)
            .and_then(|()| receive_line(&self.replies, &mut self.pending, until))
            .map_err(|error| self.process.fail(error))
    }

    /// Process id of the worker as this process sees it.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.process
            .init
            .as_ref()
            .map_or_else(|| self.process.child.id(), |(pid, _)| *pid)
    }
}

/// The processes behind a worker: the child, which waits, and process 1 of the sandbox, which works.
#[derive(Debug)]
struct Process {
    child: Child,
    /// Process 1: its id and a handle to it.
    init: Option<(u32, OwnedFd)>,
}

impl Process {
    fn watch(&mut self, pid: i32) -> Result<(), SandboxError> {
        let failed = |error: io::Error| SandboxError::at("pidfd_open", error);
        let init = Pid::from_raw(pid).ok_or_else(|| failed(io::ErrorKind::InvalidData.into()))?;
        let handle = pidfd_open(init, PidfdFlags::empty()).map_err(|error| failed(error.into()))?;
        self.init = Some((pid.unsigned_abs(), handle));
        Ok(())
    }

    /// Ends the worker and everything in it; how it ended.
    ///
    /// Process 1 goes first: the kernel ends it only after all processes of its namespace, and the child only waits
    /// for it, so that nothing is left when this returns.
    fn end(&mut self) -> io::Result<ExitStatus> {
        match &self.init {
            Some((_, handle)) => pidfd_send_signal(handle, Signal::KILL).or_else(gone_is_fine)?,
            None => self.child.kill()?,
        }
        self.child.wait()
    }

    fn fail(&mut self, error: LineError) -> CallError {
        let ended = self.end();
        match error {
            LineError::TimedOut => CallError::TimedOut,
            LineError::TooLong => CallError::TooLong,
            LineError::Io(error) => CallError::Broken(error),
            LineError::Closed => match ended {
                Ok(status) => CallError::Died {
                    how: describe(status),
                },
                Err(error) => CallError::Broken(error),
            },
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // The status of a worker that is not needed any more tells nothing.
        let _ = self.end();
    }
}

fn gone_is_fine(error: rustix::io::Errno) -> Result<(), rustix::io::Errno> {
    if error == rustix::io::Errno::SRCH {
        Ok(())
    } else {
        Err(error)
    }
}

fn describe(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit code {code}"),
        (None, Some(signal)) => format!("signal {signal}"),
        (None, None) => status.to_string(),
    }
}
