//! The standard streams of a subject: fed, read and capped without a thread.

use std::io;
use std::os::fd::OwnedFd;
use std::process::Child;
use std::time::Instant;

use rustix::event::{PollFd, PollFlags};
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::io::Errno;

use super::wire::wait_for;

pub(super) enum Turn {
    Again,
    Over(Outcome),
}

pub(super) enum Outcome {
    Ended,
    TimedOut,
    TooMuchOutput,
}

/// What becomes of the input once all of it is written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum After {
    /// It ends.
    Close,
    /// More may follow.
    Keep,
}

/// The three standard streams of a subject, seen from outside.
#[derive(Debug)]
pub(super) struct Streams {
    input: Option<OwnedFd>,
    pub(super) out: Capture,
    pub(super) err: Capture,
}

impl Streams {
    pub(super) fn of(child: &mut Child, limit: usize) -> io::Result<Self> {
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

    pub(super) fn overflowed(&self) -> bool {
        self.out.overflowed || self.err.overflowed
    }

    /// Waits for one thing to happen and handles it.
    pub(super) fn turn(
        &mut self,
        process: &OwnedFd,
        input: &mut &[u8],
        until: Option<Instant>,
        after: After,
    ) -> io::Result<Turn> {
        if input.is_empty() && after == After::Close {
            self.input = None;
        }
        let mut fds = vec![PollFd::new(process, PollFlags::IN)];
        // Where nothing is left to write, a pipe with room would wake the poll at once.
        fds.extend(
            self.input
                .iter()
                .filter(|_| !input.is_empty())
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

    pub(super) fn drain(&mut self) -> io::Result<()> {
        for capture in [&mut self.out, &mut self.err] {
            while capture.pipe.is_some() && !capture.overflowed && capture.take_one()? {}
        }
        Ok(())
    }
}

/// What came out of one stream.
#[derive(Debug)]
pub(super) struct Capture {
    pipe: Option<OwnedFd>,
    pub(super) kept: Vec<u8>,
    limit: usize,
    overflowed: bool,
    /// Where the search for the end of a line goes on.
    searched: usize,
}

impl Capture {
    fn new(pipe: Option<OwnedFd>, limit: usize) -> Self {
        Self {
            pipe,
            kept: Vec::new(),
            limit,
            overflowed: false,
            searched: 0,
        }
    }

    /// The first whole line that was kept, without its end.
    pub(super) fn line(&mut self) -> Option<Vec<u8>> {
        let new = self.kept.get(self.searched..).unwrap_or_default();
        let Some(end) = new.iter().position(|byte| *byte == b'\n') else {
            self.searched = self.kept.len();
            return None;
        };
        let rest = self.kept.split_off(self.searched + end + 1);
        self.searched = 0;
        let mut line = std::mem::replace(&mut self.kept, rest);
        line.pop();
        Some(line)
    }

    /// Whether the other side has closed the stream.
    pub(super) fn closed(&self) -> bool {
        self.pipe.is_none()
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
