//! The byte pattern that tells files and offsets apart.
//!
//! Every 64-byte block of a populated cluster is a line of text that names the file it belongs
//! to and its own offset, so a wrong byte says by itself where it came from:
//!
//! ```text
//! qconform 3f69230f87783e01 0000000000005000 ....................
//! ```

use sha2::{Digest as _, Sha256};

/// Length of one block in bytes.
pub const BLOCK: usize = 64;

const PREFIX: &[u8] = b"qconform ";
const DIGITS: usize = 16;
const FILE_AT: usize = PREFIX.len();
const OFFSET_AT: usize = FILE_AT + DIGITS + 1;
const PADDING_AT: usize = OFFSET_AT + DIGITS + 1;

/// The pattern of one file: a pure function of seed, file name and offset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Marker {
    template: [u8; BLOCK],
}

impl Marker {
    /// The marker of `file`, the name that the file has in its recipe.
    #[must_use]
    pub fn new(seed: u64, file: &str) -> Marker {
        let mut template = [b' '; BLOCK];
        template[..PREFIX.len()].copy_from_slice(PREFIX);
        write_hex(
            file_number(seed, file),
            &mut template[FILE_AT..FILE_AT + DIGITS],
        );
        template[PADDING_AT..BLOCK - 1].fill(b'.');
        template[BLOCK - 1] = b'\n';
        Marker { template }
    }

    /// Fills `out` with the bytes that the file holds from `offset` on. Neither the offset nor
    /// the length needs to be a multiple of a block.
    pub fn fill(&self, offset: u64, out: &mut [u8]) {
        let inside = offset % BLOCK as u64;
        let mut start = offset - inside;
        // At most 63, so the conversion keeps its value.
        let mut skip = inside as usize;
        let mut rest = out;
        while !rest.is_empty() {
            let block = self.block(start);
            let length = rest.len().min(BLOCK - skip);
            let (now, later) = rest.split_at_mut(length);
            now.copy_from_slice(&block[skip..skip + length]);
            rest = later;
            skip = 0;
            // Only a buffer that runs over the end of the 64-bit range wraps.
            start = start.wrapping_add(BLOCK as u64);
        }
    }

    /// The `length` bytes that the file holds from `offset` on.
    #[must_use]
    pub fn bytes(&self, offset: u64, length: usize) -> Vec<u8> {
        let mut out = vec![0; length];
        self.fill(offset, &mut out);
        out
    }

    fn block(&self, offset: u64) -> [u8; BLOCK] {
        let mut block = self.template;
        write_hex(offset, &mut block[OFFSET_AT..OFFSET_AT + DIGITS]);
        block
    }
}

/// The first eight bytes of a SHA-256, so that markers agree on every machine and release.
fn file_number(seed: u64, file: &str) -> u64 {
    let mut hash = Sha256::new();
    hash.update(seed.to_be_bytes());
    hash.update(file.as_bytes());
    hash.finalize()
        .iter()
        .take(8)
        .fold(0, |number, byte| number << 8 | u64::from(*byte))
}

fn write_hex(value: u64, out: &mut [u8]) {
    let mut rest = value;
    for digit in out.iter_mut().rev() {
        *digit = b"0123456789abcdef"[(rest & 0xf) as usize];
        rest >>= 4;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    #[test]
    fn a_block_is_a_line_that_names_its_file_and_offset() {
        // printf '\0\0\0\0\0\0\0\0disk.raw' | sha256sum
        let expected = "qconform 3f69230f87783e01 0000000000005040 ....................\n";
        let line = Marker::new(0, "disk.raw").bytes(0x5040, BLOCK);
        assert_eq!(String::from_utf8(line).unwrap(), expected);
    }

    #[rstest]
    #[case::another_file(0, "other.raw")]
    #[case::another_seed(1, "disk.raw")]
    #[case::an_empty_name(0, "")]
    fn another_file_or_seed_gives_other_bytes_in_every_block(
        #[case] seed: u64,
        #[case] file: &str,
    ) {
        let one = Marker::new(0, "disk.raw").bytes(0, 4096);
        let two = Marker::new(seed, file).bytes(0, 4096);
        for (left, right) in one.chunks(BLOCK).zip(two.chunks(BLOCK)) {
            assert_ne!(left, right);
        }
    }

    #[test]
    fn the_last_offsets_do_not_overflow() {
        let bytes = Marker::new(0, "a").bytes(u64::MAX, 65);
        assert_eq!(bytes[0], b'\n');
        assert_eq!(&bytes[1..10], PREFIX);
    }

    proptest! {
        #[test]
        fn a_piece_equals_the_same_place_in_the_whole(start in 0_usize..300, length in 0_usize..300) {
            let marker = Marker::new(7, "disk.qcow2");
            let whole = marker.bytes(0, 600);
            prop_assert_eq!(marker.bytes(start as u64, length), &whole[start..start + length]);
        }
    }
}
