//! Bounded reads of a file that is not trusted.

use std::cell::Cell;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};

use rustix::fs::SeekFrom;
use rustix::io::Errno;

use super::CaptureError;

/// Most bytes that are read from one image. Tables are read twice, so this is enough for those of
/// 2 TiB of guest data in clusters of 64 KiB.
const READ_BYTES_MAX: u64 = 512 << 20;

/// An image's file.
pub(super) struct Source<'a> {
    file: &'a File,
    length: u64,
    room: u64,
    /// Bytes that may still be read.
    left: Cell<u64>,
}

impl<'a> Source<'a> {
    pub(super) fn new(file: &'a File) -> Result<Source<'a>, CaptureError> {
        let metadata = file.metadata().map_err(io_error("find the length", 0))?;
        Ok(Source {
            file,
            length: metadata.len(),
            room: metadata.blocks().saturating_mul(512),
            left: Cell::new(READ_BYTES_MAX),
        })
    }

    /// In bytes.
    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// How much room the file takes on disk, in bytes.
    pub(super) fn room(&self) -> u64 {
        self.room
    }

    /// The part of a table that lies inside the file.
    pub(super) fn inside(&self, at: u64, length: u64) -> Range<u64> {
        at.min(self.length)..at.saturating_add(length).min(self.length)
    }

    /// Bytes from `at` on; zeros behind the end. The caller has limited the length.
    pub(super) fn read(&self, at: u64, length: usize) -> Result<Vec<u8>, CaptureError> {
        let mut bytes = vec![0; length];
        let mut next = at;
        let end = at.saturating_add(length as u64);
        while let Some(part) = self.next_data(next, end)? {
            self.spend(&part)?;
            // Inside the buffer, so both fit.
            let buffer = &mut bytes[(part.start - at) as usize..(part.end - at) as usize];
            read_fully(self.file, buffer, part.start).map_err(io_error("read", part.start))?;
            next = part.end;
        }
        Ok(bytes)
    }

    /// The first part of `at..end` that is no hole.
    pub(super) fn next_data(&self, at: u64, end: u64) -> Result<Option<Range<u64>>, CaptureError> {
        let end = end.min(self.length);
        if at >= end {
            return Ok(None);
        }
        let seek = |from| match rustix::fs::seek(self.file, from) {
            Ok(offset) => Ok(Some(offset)),
            Err(Errno::NXIO) => Ok(None),
            Err(error) => Err(io_error("look for data", at)(error.into())),
        };
        let Some(start) = seek(SeekFrom::Data(at))?.filter(|start| *start < end) else {
            return Ok(None);
        };
        let stop = seek(SeekFrom::Hole(start))?.unwrap_or(end);
        // A file that shrinks meanwhile must not keep a loop from going on.
        Ok(Some(start..stop.clamp(start + 1, end)))
    }

    fn spend(&self, part: &Range<u64>) -> Result<(), CaptureError> {
        let left = self.left.get().checked_sub(part.end - part.start);
        self.left.set(left.ok_or(CaptureError::TooLarge {
            what: "bytes to read",
            limit: READ_BYTES_MAX,
            at: part.start,
        })?);
        Ok(())
    }
}

/// Bytes behind the end stay as they are.
fn read_fully(file: &File, buffer: &mut [u8], at: u64) -> io::Result<()> {
    let mut done = 0;
    while done < buffer.len() {
        match file.read_at(&mut buffer[done..], at + done as u64) {
            Ok(0) => break,
            Ok(count) => done += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

pub(super) fn io_error(action: &'static str, at: u64) -> impl FnOnce(io::Error) -> CaptureError {
    move |source| CaptureError::Io { action, at, source }
}

/// Numbers of 64 bits that are not zero, each with its place from 0.
pub(super) fn numbers(bytes: &[u8]) -> impl Iterator<Item = (u64, u64)> {
    let (words, _) = bytes.as_chunks::<8>();
    (0..)
        .zip(words)
        .map(|(index, word)| (index, u64::from_be_bytes(*word)))
        .filter(|(_, value)| *value != 0)
}
