//! The beginning of an image, read as far as somebody asks.

use std::io;

use super::bytes::ReadAt;

/// How much of an image is read first; nearly every header fits.
pub(crate) const FIRST_READ: usize = 1024;

/// The beginning of an image, read as far as somebody asked and never past a cap.
///
/// Bytes past the end of the file are zeros, as QEMU reads them.
pub(crate) struct Window<'a> {
    source: &'a (dyn ReadAt + 'a),
    /// What was read first, on the caller's stack: it is a good part of a header's cost to move.
    first: &'a [u8; FIRST_READ],
    /// Everything from the first byte on, once somebody asked for more.
    more: Vec<u8>,
    cap: usize,
}

impl<'a> Window<'a> {
    /// Reads the first bytes of `source` into `first`, which holds zeros; nothing past `cap`
    /// will ever be read.
    pub(crate) fn new(
        source: &'a dyn ReadAt,
        cap: usize,
        first: &'a mut [u8; FIRST_READ],
    ) -> io::Result<Self> {
        source.read_at(0, &mut first[..cap.min(FIRST_READ)])?;
        Ok(Self {
            source,
            first,
            more: Vec::new(),
            cap,
        })
    }

    /// The bytes from `offset` on; empty where they would reach past the cap.
    pub(crate) fn slice(&mut self, offset: u64, length: u64) -> io::Result<&[u8]> {
        let end = offset.saturating_add(length);
        if end > self.cap as u64 {
            return Ok(&[]);
        }
        // Both are at most the cap now.
        let range = offset as usize..end as usize;
        if range.end <= FIRST_READ {
            return Ok(&self.first[range]);
        }
        if range.end > self.more.len() {
            self.grow(range.end)?;
        }
        Ok(&self.more[range])
    }

    pub(crate) fn u32(&mut self, offset: u64) -> io::Result<u32> {
        self.array(offset).map(u32::from_be_bytes)
    }

    pub(crate) fn u64(&mut self, offset: u64) -> io::Result<u64> {
        self.array(offset).map(u64::from_be_bytes)
    }

    fn array<const N: usize>(&mut self, offset: u64) -> io::Result<[u8; N]> {
        let bytes = self.slice(offset, N as u64)?;
        Ok(bytes.try_into().unwrap_or([0; N]))
    }

    /// Doubling keeps the number of reads small when an area holds many extensions.
    fn grow(&mut self, needed: usize) -> io::Result<()> {
        if self.more.is_empty() {
            self.more.extend(self.first);
        }
        let have = self.more.len();
        self.more.resize(needed.max(have * 2).min(self.cap), 0);
        self.source.read_at(have as u64, &mut self.more[have..])?;
        Ok(())
    }
}

impl std::fmt::Debug for Window<'_> {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let read = self.more.len().max(FIRST_READ);
        out.debug_struct("Window")
            .field("read", &read)
            .field("cap", &self.cap)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_reads_zeros_past_the_end_and_nothing_past_its_cap() {
        let bytes: &[u8] = &[1, 2, 3];
        let mut first = [0; FIRST_READ];
        let mut window = Window::new(&bytes, 8, &mut first).unwrap();
        assert_eq!(window.slice(1, 4).unwrap(), &[2, 3, 0, 0]);
        assert_eq!(window.slice(6, 3).unwrap(), &[] as &[u8]);
        assert_eq!(window.slice(u64::MAX, 2).unwrap(), &[] as &[u8]);
        assert_eq!(window.u64(4).unwrap(), 0);
    }

    #[test]
    fn a_window_grows_and_keeps_what_it_has() {
        let bytes: Vec<u8> = (0..20_000_u32).map(|n| (n / 100) as u8).collect();
        let bytes = bytes.as_slice();
        let mut first = [0; FIRST_READ];
        let mut window = Window::new(&bytes, 30_000, &mut first).unwrap();
        for (offset, length) in [
            (4000, 200),
            (0, 8),
            (12_345, 7000),
            (19_990, 20),
            (29_999, 1),
        ] {
            let end = (offset + length).min(20_000);
            let mut expected = bytes[offset.min(end)..end].to_vec();
            expected.resize(length, 0);
            assert_eq!(
                window.slice(offset as u64, length as u64).unwrap(),
                expected
            );
        }
    }
}
