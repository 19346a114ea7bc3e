//! A program that stays: started like any other subject, then asked line by line.

use std::process::Child;
use std::time::{Duration, Instant};

use rustix::process::{Pid, PidfdFlags, WaitOptions, WaitStatus, pidfd_open};

use super::SandboxError;
use super::confined::{Confined, clear_out, kill_others};
use super::streams::{After, Outcome, Streams, Turn};
use super::wire::moment;

/// How long orphans of the program stay unreaped while it is being waited for. Some programs wait for a child until
/// process 1 has reaped it.
const REAP_EVERY: Duration = Duration::from_millis(10);

/// Bytes of standard error that a message quotes.
const QUOTED: usize = 600;

/// A running program in a worker. There is one at a time: when it ends, nothing but the worker is left.
#[derive(Debug)]
pub struct Companion {
    child: Child,
    streams: Streams,
    handle: std::os::fd::OwnedFd,
    status: Option<WaitStatus>,
}

/// Why a program gave no answer. It is gone then, with everything that it had started.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Lost {
    /// Its time was up.
    #[error("no answer in {0:?}")]
    TimedOut(Duration),
    /// It ended.
    #[error("it ended without an answer ({how}){stderr}")]
    Ended {
        /// Exit status or signal.
        how: String,
        /// What it last wrote to standard error, with a colon in front.
        stderr: String,
    },
    /// It closed its standard output and goes on.
    #[error("it closed its standard output")]
    Closed,
    /// It wrote more than allowed.
    #[error("too much output")]
    TooMuchOutput,
    /// It wrote more than one line.
    #[error("more than one line for one question")]
    MoreThanAsked,
    /// The sandbox failed.
    #[error("the sandbox failed: {0}")]
    Sandbox(String),
}

impl Companion {
    /// Starts a program that reads lines from its standard input. `stdin` and the time in `limits` don't count.
    ///
    /// # Errors
    ///
    /// As [`Confined::run`].
    pub fn start(confined: &Confined) -> Result<Self, SandboxError> {
        let started = confined.start().and_then(|mut child| {
            let failed = |error: std::io::Error| confined.failed(error);
            let streams = Streams::of(&mut child, confined.limits.output).map_err(failed)?;
            let handle = pidfd_open(Pid::from_child(&child), PidfdFlags::empty())
                .map_err(|error| failed(error.into()))?;
            Ok((child, streams, handle))
        });
        match started {
            Ok((child, streams, handle)) => Ok(Self {
                child,
                streams,
                handle,
                status: None,
            }),
            Err(error) => {
                clear_out();
                Err(error)
            }
        }
    }

    /// Whether it can be asked: it is alive and has written nothing that nobody asked for.
    pub fn is_ready(&mut self) -> bool {
        self.reap();
        let silent = self.streams.drain().is_ok() && self.streams.out.kept.is_empty();
        silent && self.status.is_none() && !self.streams.out.closed()
    }

    /// Sends one line and waits for one line.
    ///
    /// # Errors
    ///
    /// Any [`Lost`] has ended the program.
    pub fn ask(&mut self, line: &[u8], time: Duration) -> Result<Vec<u8>, Lost> {
        let answer = self.converse(line, time);
        if answer.is_err() {
            clear_out();
        }
        answer
    }

    fn converse(&mut self, line: &[u8], time: Duration) -> Result<Vec<u8>, Lost> {
        let until = moment(time);
        let request = [line, b"\n"].concat();
        let mut input = request.as_slice();
        self.streams.err.kept.clear();
        loop {
            if let Some(answer) = self.streams.out.line() {
                return match self.streams.out.kept.is_empty() {
                    true => Ok(answer),
                    false => Err(Lost::MoreThanAsked),
                };
            }
            if self.streams.out.closed() {
                return Err(self.ended_or(Lost::Closed));
            }
            match self.turn(&mut input, until)? {
                Outcome::Ended => return self.last_words(),
                Outcome::TooMuchOutput => return Err(Lost::TooMuchOutput),
                Outcome::TimedOut if until.is_some_and(|until| Instant::now() >= until) => {
                    return Err(Lost::TimedOut(time));
                }
                Outcome::TimedOut => self.reap(),
            }
        }
    }

    /// Goes on until there is something to look at.
    fn turn(&mut self, input: &mut &[u8], until: Option<Instant>) -> Result<Outcome, Lost> {
        let soon = Instant::now() + REAP_EVERY;
        let until = until.map_or(soon, |until| until.min(soon));
        let turn = self
            .streams
            .turn(&self.handle, input, Some(until), After::Keep)
            .map_err(|error| Lost::Sandbox(error.to_string()))?;
        Ok(match turn {
            // As if the short time were up: the loop looks for a line and the true end of time.
            Turn::Again => Outcome::TimedOut,
            Turn::Over(outcome) => outcome,
        })
    }

    /// What is left of a program that has ended: it may have answered before.
    fn last_words(&mut self) -> Result<Vec<u8>, Lost> {
        kill_others();
        self.streams
            .drain()
            .map_err(|error| Lost::Sandbox(error.to_string()))?;
        match self.streams.out.line() {
            Some(answer) => Ok(answer),
            None => Err(self.ended_or(Lost::Closed)),
        }
    }

    fn ended_or(&mut self, other: Lost) -> Lost {
        // A program closes its output a moment before it ends.
        let until = Instant::now() + 5 * REAP_EVERY;
        while self.status.is_none() && Instant::now() < until {
            self.reap();
            std::thread::sleep(Duration::from_millis(1));
        }
        let Some(status) = self.status else {
            return other;
        };
        let _ = self.streams.drain();
        Lost::Ended {
            how: describe(status),
            stderr: quote(&self.streams.err.kept),
        }
    }

    /// Reaps whatever has ended: process 1 inherits every orphan.
    fn reap(&mut self) {
        let own = Pid::from_child(&self.child);
        while let Ok(Some((pid, status))) = rustix::process::wait(WaitOptions::NOHANG) {
            if pid == own {
                self.status = Some(status);
            }
        }
    }
}

impl Drop for Companion {
    fn drop(&mut self) {
        clear_out();
    }
}

fn describe(status: WaitStatus) -> String {
    match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => format!("exit status {code}"),
        (None, Some(signal)) => format!("signal {signal}"),
        (None, None) => "unknown".to_owned(),
    }
}

/// The end of what a program wrote to standard error, in one line.
fn quote(stderr: &[u8]) -> String {
    let start = stderr.len().saturating_sub(QUOTED);
    let text = String::from_utf8_lossy(stderr.get(start..).unwrap_or_default());
    let lines: Vec<&str> = text
        .lines()
        .filter(|line| !line.trim().is_empty())
        .collect();
    match lines.as_slice() {
        [] => String::new(),
        lines => format!(": {}", lines.join(" | ")),
    }
}
