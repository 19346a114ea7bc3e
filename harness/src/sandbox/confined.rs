//! Runs a program as a subject: a non-root id in a user namespace narrower than the worker's, with limits.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags};
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::io::Errno;
use rustix::process::{
    Gid, Pid, PidfdFlags, Resource, Rlimit, Uid, WaitOptions, pidfd_open, setrlimit,
};
use rustix::thread::{
    CapabilitiesSecureBits, CapabilitySet, CapabilitySets, LinkNameSpaceType, UnshareFlags,
    move_into_link_name_space,
};

use super::id_map::write_proc;
use super::inside::{Abilities, abilities};
use super::wire::{moment, wait_for};
use super::{SandboxError, sys};

/// Open files that a subject may have.
const FILES: u64 = 1024;

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
    /// User id, as the worker names it, not 0. Where one id only exists, files it makes belong to that one.
    pub uid: u32,
    /// Group id, likewise.
    pub gid: u32,
    /// What it may use.
    pub limits: Limits,
}

/// What a subject may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// From its start until it is killed.
    pub time: Duration,
    /// Bytes of address space for each process.
    pub address_space: u64,
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
        let abilities = abilities().ok_or(SandboxError::NotInWorker)?;
        if self.uid == 0 || self.gid == 0 {
            return Err(self.failed(io::Error::new(
                io::ErrorKind::InvalidInput,
                "a subject never runs as root",
            )));
        }
        let finished = self.start(abilities).and_then(|child| self.attend(child));
        // Also after an error: the child may have been started.
        clear_out();
        finished
    }

    fn failed(&self, source: impl Into<io::Error>) -> SandboxError {
        SandboxError::Subject {
            program: self.program.clone(),
            source: source.into(),
        }
    }

    fn start(&self, abilities: Abilities) -> Result<Child, SandboxError> {
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
                .turn(&handle, &mut input, until)
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
fn kill_others() {
    if rustix::process::getpid().is_init() && abilities().is_some() {
        sys::kill_all_others();
    }
}

fn clear_out() {
    kill_others();
    while rustix::process::wait(WaitOptions::empty()).is_ok() {}
}

enum Turn {
    Again,
    Over(Outcome),
}

enum Outcome {
    Ended,
    TimedOut,
    TooMuchOutput,
}

/// The three standard streams of a subject, seen from outside.
struct Streams {
    input: Option<OwnedFd>,
    out: Capture,
    err: Capture,
}

impl Streams {
    fn of(child: &mut Child, limit: usize) -> io::Result<Self> {
        let input = child.stdin.take().map(OwnedFd::from);
        let out = child.stdout.take().map(OwnedFd::from);
        let err = child.stderr.take().map(OwnedFd::from);
        for pipe in [&input, &out, &err].into_iter().flatten() {
            fcntl_setfl(pipe, fcntl_getfl(pipe)? | OFlags::NONBLOCK)?;
        }
        Ok(Self {
            input,
            out: Capture::new(out, limit),
            err: Capture::new(err, limit),
        })
    }

    fn overflowed(&self) -> bool {
        self.out.overflowed || self.err.overflowed
    }

    /// Waits for one thing to happen and handles it.
    fn turn(
        &mut self,
        process: &OwnedFd,
        input: &mut &[u8],
        until: Option<Instant>,
    ) -> io::Result<Turn> {
        if input.is_empty() {
            self.input = None;
        }
        let mut fds = vec![PollFd::new(process, PollFlags::IN)];
        fds.extend(
            self.input
                .iter()
                .map(|pipe| PollFd::new(pipe, PollFlags::OUT)),
        );
        fds.extend([&self.out, &self.err].into_iter().filter_map(|capture| {
            capture
                .pipe
                .as_ref()
                .map(|pipe| PollFd::new(pipe, PollFlags::IN))
        }));
        if !wait_for(&mut fds, until)? {
            return Ok(Turn::Over(Outcome::TimedOut));
        }
        let ended = fds.first().is_some_and(|fd| !fd.revents().is_empty());
        self.feed(input)?;
        self.out.take_one()?;
        self.err.take_one()?;
        if self.overflowed() {
            return Ok(Turn::Over(Outcome::TooMuchOutput));
        }
        // A subject that writes without pause keeps the poll above from ever timing out.
        let late = until.is_some_and(|until| Instant::now() >= until);
        Ok(match (ended, late) {
            (true, _) => Turn::Over(Outcome::Ended),
            (false, true) => Turn::Over(Outcome::TimedOut),
            (false, false) => Turn::Again,
        })
    }

    fn feed(&mut self, input: &mut &[u8]) -> io::Result<()> {
        let Some(pipe) = &self.input else {
            return Ok(());
        };
        match rustix::io::write(pipe, input) {
            Ok(count) => *input = input.get(count..).unwrap_or_default(),
            Err(Errno::AGAIN | Errno::INTR) => {}
            // A subject need not read what it is given.
            Err(Errno::PIPE) => self.input = None,
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    fn drain(&mut self) -> io::Result<()> {
        for capture in [&mut self.out, &mut self.err] {
            while capture.pipe.is_some() && !capture.overflowed && capture.take_one()? {}
        }
        Ok(())
    }
}

/// What came out of one stream.
struct Capture {
    pipe: Option<OwnedFd>,
    kept: Vec<u8>,
    limit: usize,
    overflowed: bool,
}

impl Capture {
    fn new(pipe: Option<OwnedFd>, limit: usize) -> Self {
        Self {
            pipe,
            kept: Vec::new(),
            limit,
            overflowed: false,
        }
    }

    /// Takes what is there, at most one chunk; false when nothing is.
    fn take_one(&mut self) -> io::Result<bool> {
        let Some(pipe) = &self.pipe else {
            return Ok(false);
        };
        let mut chunk = [0; 16 << 10];
        match rustix::io::read(pipe, &mut chunk) {
            Ok(0) => self.pipe = None,
            Ok(count) => {
                let room = self.limit.saturating_sub(self.kept.len());
                self.overflowed |= count > room;
                self.kept
                    .extend_from_slice(chunk.get(..count.min(room)).unwrap_or_default());
                return Ok(true);
            }
            Err(Errno::INTR) => return Ok(true),
            Err(Errno::AGAIN) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(false)
    }
}

/// Everything that a forked child gives up before it becomes the subject. Made before the fork: afterwards only
/// system calls are allowed.
struct Fence {
    /// The narrower user namespace; none where `/proc` is missing, which is needed to write its maps.
    namespace: Option<OwnedFd>,
    /// None where the worker's only id is kept.
    ids: Option<(Uid, Gid)>,
    limits: [(Resource, u64); 5],
}

impl Fence {
    fn new(subject: &Confined, abilities: Abilities) -> Result<Self, SandboxError> {
        let ids = (Uid::from_raw(subject.uid), Gid::from_raw(subject.gid));
        let namespace = if abilities.proc {
            Some(narrower(subject, abilities.single)?)
        } else {
            None
        };
        let limits = [
            (Resource::As, subject.limits.address_space),
            (Resource::Nproc, subject.limits.processes),
            (Resource::Fsize, subject.limits.file_size),
            (Resource::Core, 0),
            (Resource::Nofile, FILES),
        ];
        let ids = (namespace.is_some() || !abilities.single).then_some(ids);
        Ok(Self {
            namespace,
            ids,
            limits,
        })
    }

    fn close(&mut self) -> io::Result<()> {
        rustix::process::setsid()?;
        if let Some(namespace) = &self.namespace {
            move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::User))?;
        }
        // While the privilege for it is still there: exec must not give root, if it is that, anything back.
        rustix::thread::set_capabilities_secure_bits(
            CapabilitiesSecureBits::NO_ROOT | CapabilitiesSecureBits::NO_ROOT_LOCKED,
        )?;
        if let Some((uid, gid)) = self.ids {
            rustix::thread::set_thread_res_gid(gid, gid, gid)?;
            rustix::thread::set_thread_res_uid(uid, uid, uid)?;
        }
        let none = CapabilitySet::empty();
        rustix::thread::set_capabilities(
            None,
            CapabilitySets {
                effective: none,
                permitted: none,
                inheritable: none,
            },
        )?;
        rustix::thread::set_no_new_privs(true)?;
        for (resource, limit) in self.limits {
            setrlimit(
                resource,
                Rlimit {
                    current: Some(limit),
                    maximum: Some(limit),
                },
            )?;
        }
        Ok(())
    }
}

/// Makes a user namespace that maps nothing but the subject's ids.
///
/// A process of its own has to make it, because only one outside may write the maps.
fn narrower(subject: &Confined, single: bool) -> Result<OwnedFd, SandboxError> {
    let failed = |error: io::Error| SandboxError::at("make the subject's namespace", error);
    let (mut told, mut tell) = io::pipe().map_err(failed)?;
    let (mut wait, release) = io::pipe().map_err(failed)?;
    let Some(maker) = sys::fork().map_err(failed)? else {
        drop(release);
        let errno = sys::unshare(UnshareFlags::NEWUSER)
            .map_or_else(|error| error.raw_os_error(), |()| Some(0));
        let _ = tell.write_all(&errno.unwrap_or(libc::EIO).to_ne_bytes());
        let _ = wait.read(&mut [0]);
        sys::exit_now();
    };
    drop((tell, wait));
    let namespace = read_errno(&mut told).map_err(failed).and_then(|()| {
        let pid = maker.as_raw_nonzero().get().unsigned_abs();
        let outer = |id: u32| if single { 0 } else { id };
        write_proc(
            pid,
            "uid_map",
            &format!("{} {} 1", subject.uid, outer(subject.uid)),
        )?;
        write_proc(
            pid,
            "gid_map",
            &format!("{} {} 1", subject.gid, outer(subject.gid)),
        )?;
        File::open(format!("/proc/{pid}/ns/user")).map_err(failed)
    });
    drop(release);
    rustix::process::waitpid(Some(maker), WaitOptions::empty())
        .map_err(|error| failed(error.into()))?;
    namespace.map(OwnedFd::from)
}

fn read_errno(told: &mut io::PipeReader) -> io::Result<()> {
    let mut errno = [0; 4];
    told.read_exact(&mut errno)?;
    match i32::from_ne_bytes(errno) {
        0 => Ok(()),
        errno => Err(io::Error::from_raw_os_error(errno)),
    }
}
