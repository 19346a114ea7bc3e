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
}
