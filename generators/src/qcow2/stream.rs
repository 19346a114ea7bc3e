//! Writes small pieces in large ones: memory does not grow with the image.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

use crate::marker::Marker;

/// What one write takes at most, whatever the cluster size.
const CHUNK: usize = 64 << 10;

/// Joins entries that follow each other in the file into one write.
pub(super) struct Stream<'a> {
    file: &'a File,
    start: u64,
    bytes: Vec<u8>,
}

impl<'a> Stream<'a> {
    pub(super) fn new(file: &'a File) -> Stream<'a> {
        Stream {
            file,
            start: 0,
            bytes: Vec::new(),
        }
    }

    pub(super) fn put(&mut self, at: u64, value: &[u8]) -> io::Result<()> {
        if at != self.start + self.bytes.len() as u64 || self.bytes.len() + value.len() > CHUNK {
            self.flush()?;
            self.start = at;
        }
        self.bytes.extend_from_slice(value);
        Ok(())
    }

    /// Puts `count` values of `N` bytes that follow each other.
    pub(super) fn put_all<const N: usize>(
        &mut self,
        at: u64,
        count: u64,
        value: impl Fn(u64) -> [u8; N],
    ) -> io::Result<()> {
        let mut done = 0;
        while done < count {
            // The first one decides whether a new piece begins.
            self.put(at + done * N as u64, &value(done))?;
            done += 1;
            let room = ((CHUNK - self.bytes.len()) / N) as u64;
            let more = room.min(count - done);
            let start = self.bytes.len();
            self.bytes.resize(start + more as usize * N, 0);
            let (places, _) = self.bytes[start..].as_chunks_mut::<N>();
            for (index, place) in (done..).zip(places) {
                *place = value(index);
            }
            done += more;
        }
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.write_all_at(&self.bytes, self.start)?;
        self.bytes.clear();
        Ok(())
    }

    /// Dropping a stream loses what it holds, so each one ends here.
    pub(super) fn finish(mut self) -> io::Result<()> {
        self.flush()
    }
}

/// Writes `length` bytes of `marker`, those from `start` on, to offset `at` of the file.
pub(crate) fn write_marker(
    file: &File,
    at: u64,
    marker: &Marker,
    start: u64,
    length: u64,
) -> io::Result<()> {
    let mut buffer = [0; CHUNK];
    let mut done = 0;
    while done < length {
        let piece = usize::try_from(length - done).unwrap_or(CHUNK).min(CHUNK);
        marker.fill(start + done, &mut buffer[..piece]);
        file.write_all_at(&buffer[..piece], at + done)?;
        done += piece as u64;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_holds_one_chunk_at_most_and_keeps_gaps() {
        let file = tempfile::tempfile().unwrap();
        let mut stream = Stream::new(&file);
        let mut expected = Vec::new();
        for index in 0..100_000_u64 {
            // A gap of 8 bytes every 10000 entries.
            let at = index * 8 + index / 10_000 * 8;
            stream.put(at, &index.to_be_bytes()).unwrap();
            assert!(stream.bytes.len() <= CHUNK);
            expected.resize(usize::try_from(at).unwrap(), 0);
            expected.extend_from_slice(&index.to_be_bytes());
        }
        stream.finish().unwrap();
        let mut found = vec![0; expected.len()];
        file.read_exact_at(&mut found, 0).unwrap();
        assert!(found == expected);
        assert_eq!(file.metadata().unwrap().len(), expected.len() as u64);
    }
}
