//! Bounded reads of big-endian numbers, and names as they stand in an image.

use std::fs::File;
use std::io::{self, Seek, SeekFrom};
use std::os::unix::fs::FileExt;

use super::redact;

/// Something that can be read at an offset.
pub trait ReadAt {
    /// Reads into `buffer` from `offset` on; short only at the end.
    ///
    /// # Errors
    ///
    /// Whatever the system says, interruptions excepted.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize>;

    /// The length in bytes.
    ///
    /// # Errors
    ///
    /// Whatever the system says.
    fn length(&self) -> io::Result<u64>;
}

impl ReadAt for File {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let mut done = 0;
        while done < buffer.len() {
            // No file reaches past i64::MAX, so what lies beyond reads as its end.
            let Some(at) = offset
                .checked_add(done as u64)
                .filter(|at| i64::try_from(*at).is_ok())
            else {
                break;
            };
            match FileExt::read_at(self, &mut buffer[done..], at) {
                Ok(0) => break,
                Ok(count) => done += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(done)
    }

    fn length(&self) -> io::Result<u64> {
        // Metadata has no length for block devices; seeking works for both.
        let mut file = self;
        file.seek(SeekFrom::End(0))
    }
}

impl ReadAt for &[u8] {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let start = usize::try_from(offset)
            .unwrap_or(self.len())
            .min(self.len());
        let count = buffer.len().min(self.len() - start);
        buffer[..count].copy_from_slice(&self[start..start + count]);
        Ok(count)
    }

    fn length(&self) -> io::Result<u64> {
        Ok(self.len() as u64)
    }
}

/// How much of an image is read first; nearly every header fits.
const FIRST_READ: usize = 1024;

/// The beginning of an image, read as far as somebody asked and never past a cap.
///
/// Bytes past the end of the file are zeros, as QEMU reads them.
pub(crate) struct Window<'a> {
    source: &'a (dyn ReadAt + 'a),
    /// What was read first, which needs no memory from the heap.
    first: [u8; FIRST_READ],
    /// Everything from the first byte on, once somebody asked for more.
    more: Vec<u8>,
    cap: usize,
}

impl<'a> Window<'a> {
    /// Reads the first bytes of `source`; nothing past `cap` will ever be read.
    pub(crate) fn new(source: &'a dyn ReadAt, cap: usize) -> io::Result<Self> {
        let mut first = [0; FIRST_READ];
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

/// The 16 bits at `offset`, zero where they would reach past the end.
pub(crate) fn be_u16(bytes: &[u8], offset: usize) -> u16 {
    u16::from_be_bytes(array(bytes, offset))
}

/// The 32 bits at `offset`, zero where they would reach past the end.
pub(crate) fn be_u32(bytes: &[u8], offset: usize) -> u32 {
    u32::from_be_bytes(array(bytes, offset))
}

/// The 64 bits at `offset`, zero where they would reach past the end.
pub(crate) fn be_u64(bytes: &[u8], offset: usize) -> u64 {
    u64::from_be_bytes(array(bytes, offset))
}

fn array<const N: usize>(bytes: &[u8], offset: usize) -> [u8; N] {
    let found = bytes.get(offset..).and_then(|rest| rest.first_chunk());
    found.copied().unwrap_or([0; N])
}

/// A file name exactly as it stands in an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name {
    /// The whole payload, NUL bytes included.
    pub raw: Vec<u8>,
}

impl Name {
    /// The name up to its first NUL byte, which is as far as QEMU and libvirt read it.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        self.raw.split(|byte| *byte == 0).next().unwrap_or_default()
    }

    /// [`Self::bytes`] made valid UTF-8, without credentials: for people to read.
    #[must_use]
    pub fn text(&self) -> String {
        let text = String::from_utf8_lossy(self.bytes());
        redact::text(&text).into_owned()
    }

    /// The whole payload in hexadecimal; of a name with credentials, the name as it is shown.
    #[must_use]
    pub fn hex(&self) -> String {
        let text = String::from_utf8_lossy(&self.raw);
        let shown = redact::text(&text);
        if shown == text {
            to_hex(&self.raw)
        } else {
            to_hex(shown.as_bytes())
        }
    }
}

/// Lowercase hexadecimal digits, two for each byte.
pub(crate) fn to_hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |nibble: u8| char::from(DIGITS[usize::from(nibble & 15)]);
    bytes
        .iter()
        .flat_map(|byte| [digit(byte >> 4), digit(*byte)])
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(b"disk.raw", b"disk.raw", "6469736b2e726177")]
    #[case(b"a\0b", b"a", "610062")]
    #[case(b"\0b", b"", "0062")]
    #[case(b"", b"", "")]
    fn a_name_ends_at_its_first_nul_and_its_hex_does_not(
        #[case] raw: &[u8],
        #[case] bytes: &[u8],
        #[case] hex: &str,
    ) {
        let name = Name { raw: raw.to_vec() };
        assert_eq!(name.bytes(), bytes);
        assert_eq!(name.hex(), hex);
    }

    #[test]
    fn a_name_that_is_not_utf_8_is_made_so() {
        let name = Name {
            raw: b"\xffx".to_vec(),
        };
        assert_eq!(name.text(), "\u{fffd}x");
    }

    #[test]
    fn a_window_reads_zeros_past_the_end_and_nothing_past_its_cap() {
        let bytes: &[u8] = &[1, 2, 3];
        let mut window = Window::new(&bytes, 8).unwrap();
        assert_eq!(window.slice(1, 4).unwrap(), &[2, 3, 0, 0]);
        assert_eq!(window.slice(6, 3).unwrap(), &[] as &[u8]);
        assert_eq!(window.slice(u64::MAX, 2).unwrap(), &[] as &[u8]);
        assert_eq!(window.u64(4).unwrap(), 0);
    }

    #[test]
    fn a_window_grows_and_keeps_what_it_has() {
        let bytes: Vec<u8> = (0..20_000_u32).map(|n| (n / 100) as u8).collect();
        let bytes = bytes.as_slice();
        let mut window = Window::new(&bytes, 30_000).unwrap();
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
