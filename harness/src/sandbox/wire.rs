//! Lines over pipes: how the two sides of a worker talk during set-up and afterwards.

use std::io;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use rustix::buffer::spare_capacity;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

/// Longest line that either side accepts, in bytes.
pub(super) const LINE_LIMIT: usize = 16 << 20;

/// Bytes that a pipe holds, as Linux makes it.
const PIPE: usize = 64 << 10;

/// What the parent tells a worker that has just been executed.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
pub(super) struct SetUp {
    /// Process id of the parent, to notice that it ended before the death signal was asked for.
    pub(super) parent: i32,
    /// Only one id is mapped, and the supplementary groups can't be dropped.
    pub(super) single: bool,
    /// Answers with the capabilities instead of calling the program's own function.
    pub(super) probe: bool,
    pub(super) tmpfs_bytes: u64,
    pub(super) tmpfs_inodes: u64,
    /// Extra host paths, each with its path inside; bytes, because a path need not be UTF-8.
    pub(super) visible: Vec<(Vec<u8>, Vec<u8>)>,
    /// The folder that takes the place of the host's system.
    pub(super) root: Option<Vec<u8>>,
}

/// What a worker reports while it sets itself up.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
pub(super) enum Notice {
    /// The namespaces exist; the id maps can be written.
    Unshared,
    /// Process 1 of the process id namespace, as the parent sees it.
    Forked { pid: i32 },
    /// Everything is in place.
    Ready,
    /// A step failed, with the error number where it had one.
    Failed {
        step: String,
        errno: Option<i32>,
        message: String,
    },
}

/// Why a line did not arrive or could not be sent.
#[derive(Debug)]
pub(super) enum LineError {
    TimedOut,
    Closed,
    TooLong,
    Io(io::Error),
}

/// The moment when `wait` is over; `None` when that is too far away to be told.
pub(super) fn moment(wait: Duration) -> Option<Instant> {
    Instant::now().checked_add(wait)
}

/// Waits until one of `fds` is ready; false when `until` came first.
pub(super) fn wait_for(fds: &mut [PollFd<'_>], until: Option<Instant>) -> io::Result<bool> {
    loop {
        let left = until.map(|at| at.saturating_duration_since(Instant::now()));
        let timeout = left.and_then(|left| Timespec::try_from(left).ok());
        match poll(fds, timeout.as_ref()) {
            Ok(0) => return Ok(false),
            Ok(_) => return Ok(true),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Sends `line` and a newline over a non-blocking pipe, in one piece: whoever waits for the line
/// is woken once.
pub(super) fn send_line(
    pipe: impl AsFd,
    line: &[u8],
    until: Option<Instant>,
) -> Result<(), LineError> {
    send_all(&pipe, &[line, b"\n"].concat(), until)
}

fn send_all(pipe: &impl AsFd, mut bytes: &[u8], until: Option<Instant>) -> Result<(), LineError> {
    while !bytes.is_empty() {
        match rustix::io::write(pipe, bytes) {
            Ok(sent) => bytes = bytes.get(sent..).unwrap_or_default(),
            Err(Errno::AGAIN) => await_ready(pipe, PollFlags::OUT, until)?,
            Err(Errno::INTR) => {}
            Err(Errno::PIPE) => return Err(LineError::Closed),
            Err(error) => return Err(LineError::Io(error.into())),
        }
    }
    Ok(())
}

/// Receives one line, without its newline, from a non-blocking pipe.
///
/// `pending` holds what arrived behind the last line. Memory grows with what arrives, up to [`LINE_LIMIT`].
pub(super) fn receive_line(
    pipe: impl AsFd,
    pending: &mut Vec<u8>,
    until: Option<Instant>,
) -> Result<Vec<u8>, LineError> {
    let mut seen = 0;
    loop {
        if let Some(end) = memchr::memchr(b'\n', &pending[seen..]) {
            let rest = pending.split_off(seen + end + 1);
            let mut line = std::mem::replace(pending, rest);
            line.pop();
            return Ok(line);
        }
        seen = pending.len();
        if seen > LINE_LIMIT {
            return Err(LineError::TooLong);
        }
        pending.reserve(PIPE);
        match rustix::io::read(&pipe, spare_capacity(pending)) {
            Ok(0) => return Err(LineError::Closed),
            Ok(_) | Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => await_ready(&pipe, PollFlags::IN, until)?,
            Err(error) => return Err(LineError::Io(error.into())),
        }
    }
}

fn await_ready(pipe: &impl AsFd, what: PollFlags, until: Option<Instant>) -> Result<(), LineError> {
    let mut fds = [PollFd::new(pipe, what)];
    match wait_for(&mut fds, until) {
        Ok(true) => Ok(()),
        Ok(false) => Err(LineError::TimedOut),
        Err(error) => Err(LineError::Io(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::pipe::{PipeFlags, pipe_with};

    #[test]
    fn lines_that_arrive_together_are_told_apart() {
        let (reader, writer) = pipe_with(PipeFlags::NONBLOCK).unwrap();
        send_line(&writer, b"one", None).unwrap();
        send_line(&writer, b"", None).unwrap();
        send_line(&writer, b"three", None).unwrap();
        let mut pending = Vec::new();
        let lines: Vec<_> = (0..3)
            .map(|_| receive_line(&reader, &mut pending, None).unwrap())
            .collect();
        assert_eq!(lines, [&b"one"[..], b"", b"three"]);
    }

    #[test]
    fn half_a_line_is_not_a_line() {
        let (reader, writer) = pipe_with(PipeFlags::NONBLOCK).unwrap();
        rustix::io::write(&writer, b"half").unwrap();
        let mut pending = Vec::new();
        let until = moment(Duration::from_millis(20));
        assert!(matches!(
            receive_line(&reader, &mut pending, until),
            Err(LineError::TimedOut)
        ));
        drop(writer);
        assert!(matches!(
            receive_line(&reader, &mut pending, None),
            Err(LineError::Closed)
        ));
    }

    #[test]
    fn a_line_without_end_is_given_up_at_the_limit() {
        let (reader, writer) = pipe_with(PipeFlags::NONBLOCK).unwrap();
        let mut pending = vec![b'x'; LINE_LIMIT];
        rustix::io::write(&writer, b"xx").unwrap();
        assert!(matches!(
            receive_line(&reader, &mut pending, None),
            Err(LineError::TooLong)
        ));
    }
}
