//! Digests of files, holes being zeros.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use rustix::fs::{OFlags, SeekFrom};
use sha2::{Digest, Sha256};

use super::hex;

/// Bytes are hashed in blocks of this size, those of zeros left out, so that a hole and
/// written zeros are the same and a large sparse file costs little.
const BLOCK: usize = 4096;

/// What a hole reads as.
const ZEROS: [u8; BLOCK] = [0; BLOCK];

/// Bytes read at once.
pub(super) const CHUNK: usize = 16 * BLOCK;

/// The most blocks of one file that are kept to be compared with.
const KEPT: usize = 2048;

/// The most blocks of all files together.
const KEPT_TOGETHER: usize = 2 * KEPT;

/// Digests of files by path. A block with the very bytes that it had when the file was last seen has
/// the same digest, and comparing them is many times faster than hashing them.
#[derive(Debug, Default)]
pub(super) struct Digests {
    known: HashMap<PathBuf, Known>,
    /// Blocks of all that is known.
    blocks: usize,
}

impl Digests {
    /// The digest in hex of a file of this length. `chunk` is [`CHUNK`] bytes that may be overwritten.
    pub(super) fn of(&mut self, path: &Path, length: u64, chunk: &mut [u8]) -> io::Result<String> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NOATIME | OFlags::CLOEXEC;
        let file = File::from(rustix::fs::open(path, flags, rustix::fs::Mode::empty())?);
        if self.blocks > KEPT_TOGETHER - KEPT {
            *self = Digests::default();
        }
        let known = match self.known.get_mut(path) {
            Some(known) => known,
            None => self.known.entry(path.to_owned()).or_default(),
        };
        let before = known.blocks.len();
        let digest = known.look(&file, length, chunk);
        self.blocks = self.blocks - before + known.blocks.len();
        digest
    }
}

/// What a file was when it was last seen.
#[derive(Debug, Default)]
struct Known {
    blocks: Vec<Block>,
    /// Of these blocks; empty if there were more.
    digest: String,
}

/// A block that isn't zeros.
#[derive(Debug)]
struct Block {
    at: u64,
    bytes: Box<[u8]>,
    digest: [u8; 32],
}

impl Known {
    /// The digest of a file: of the offset and the digest of each block that isn't zeros.
    fn look(&mut self, file: &File, length: u64, chunk: &mut [u8]) -> io::Result<String> {
        let before = std::mem::take(&mut self.digest);
        let mut is_same = !before.is_empty();
        let mut large = None;
        let mut count = 0;
        each_block(file, length, chunk, &mut |at, block| {
            if count == KEPT {
                fold(large.get_or_insert_default(), &self.blocks);
                self.blocks.clear();
                count = 0;
            }
            is_same &= self.put(count, at, block);
            count += 1;
        })?;
        is_same &= count == self.blocks.len();
        self.blocks.truncate(count);
        if is_same {
            self.digest = before;
            return Ok(self.digest.clone());
        }
        let is_large = large.is_some();
        let mut hash = large.unwrap_or_default();
        fold(&mut hash, &self.blocks);
        let digest = hex(&hash.finalize());
        if is_large {
            self.blocks.clear();
        } else {
            self.digest.clone_from(&digest);
        }
        Ok(digest)
    }

    /// Puts a block in its place; whether it was there before.
    fn put(&mut self, number: usize, at: u64, bytes: &[u8]) -> bool {
        let place = self.blocks.get_mut(number);
        if let Some(known) = &place
            && known.at == at
            && *known.bytes == *bytes
        {
            return true;
        }
        let block = Block {
            at,
            bytes: bytes.into(),
            digest: Sha256::digest(bytes).into(),
        };
        match place {
            Some(place) => *place = block,
            None => self.blocks.push(block),
        }
        false
    }
}

fn fold(hash: &mut Sha256, blocks: &[Block]) {
    for block in blocks {
        hash.update(block.at.to_be_bytes());
        hash.update(block.digest);
    }
}

/// Calls `take` with each block of a file that isn't zeros, and its offset.
fn each_block(
    file: &File,
    length: u64,
    chunk: &mut [u8],
    take: &mut dyn FnMut(u64, &[u8]),
) -> io::Result<()> {
    let mut at = 0;
    while at < length
        && let Some(start) = seek(file, SeekFrom::Data(at))?
    {
        let hole = seek(file, SeekFrom::Hole(start))?.unwrap_or(length);
        // Whole blocks, wherever the file system lets data begin and end.
        let end = hole.next_multiple_of(BLOCK as u64).min(length.max(hole));
        at = start - start % BLOCK as u64;
        while at < end {
            let wanted = chunk
                .len()
                .min(usize::try_from(end - at).unwrap_or(usize::MAX));
            let count = fill(file, &mut chunk[..wanted], at)?;
            for (number, block) in chunk[..count].chunks(BLOCK).enumerate() {
                if *block != ZEROS[..block.len()] {
                    take(at + (number * BLOCK) as u64, block);
                }
            }
            at += count as u64;
            if count < wanted {
                // It became shorter.
                return Ok(());
            }
        }
    }
    Ok(())
}

/// Where data or a hole begins; `None` behind the last data.
fn seek(file: &File, to: SeekFrom) -> io::Result<Option<u64>> {
    match rustix::fs::seek(file, to) {
        Ok(offset) => Ok(Some(offset)),
        Err(rustix::io::Errno::NXIO) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Reads up to the end of the chunk or of the file.
fn fill(file: &File, chunk: &mut [u8], at: u64) -> io::Result<usize> {
    let mut filled = 0;
    while filled < chunk.len() {
        match file.read_at(&mut chunk[filled..], at + filled as u64)? {
            0 => break,
            count => filled += count,
        }
    }
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    /// A file of this length with bytes written at some offsets.
    fn sparse(length: u64, writes: &[(u64, &[u8])]) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        file.as_file().set_len(length).unwrap();
        for (at, bytes) in writes {
            file.as_file().write_all_at(bytes, *at).unwrap();
        }
        file
    }

    fn of(digests: &mut Digests, file: &tempfile::NamedTempFile) -> String {
        let length = file.as_file().metadata().unwrap().len();
        digests
            .of(file.path(), length, &mut vec![0; CHUNK])
            .unwrap()
    }

    fn hash(file: &tempfile::NamedTempFile) -> String {
        of(&mut Digests::default(), file)
    }

    #[rstest]
    #[case::more_than_a_chunk(1 << 20, 900_000)]
    #[case::less_than_a_chunk(32_768, 20_480)]
    fn a_hole_and_written_zeros_are_the_same(#[case] length: u64, #[case] last: u64) {
        let hole = sparse(length, &[(0, b"a"), (last, b"b")]);
        let zeros = sparse(length, &[(0, b"a"), (last / 2, &[0; 9000]), (last, b"b")]);
        assert_eq!(hash(&hole), hash(&zeros));
    }

    #[rstest]
    #[case::another_byte(0, b"b")]
    #[case::another_offset_in_the_block(1, b"a")]
    #[case::another_block(4096, b"a")]
    #[case::another_chunk(1 << 18, b"a")]
    #[case::the_last_byte((1 << 20) - 1, b"a")]
    fn another_content_has_another_digest(#[case] at: u64, #[case] bytes: &[u8; 1]) {
        let one = sparse(1 << 20, &[(0, b"a")]);
        let moved = sparse(1 << 20, &[(at, bytes)]);
        assert_ne!(hash(&one), hash(&moved));
        let more = sparse(1 << 20, &[(0, b"a"), (1 << 19, b"c"), (at, bytes)]);
        assert_ne!(hash(&one), hash(&more));
    }

    #[test]
    fn a_file_that_is_too_large_to_be_kept_has_a_digest_all_the_same() {
        let large = vec![7; 3 * KEPT * BLOCK + 5];
        let file = sparse(0, &[(0, &large)]);
        let mut other = large.clone();
        other[2 * KEPT * BLOCK] = 8;
        assert_ne!(hash(&file), hash(&sparse(0, &[(0, &other)])));
        assert_eq!(hash(&file), hash(&sparse(0, &[(0, &large)])));
    }

    #[test]
    fn a_large_file_of_which_only_the_end_stays_is_another() {
        let end = (KEPT * BLOCK) as u64;
        let file = sparse(0, &[(0, &vec![7; KEPT * BLOCK]), (end, b"end")]);
        let mut digests = Digests::default();
        let before = of(&mut digests, &file);
        let zeros = vec![0; KEPT * BLOCK];
        file.as_file().write_all_at(&zeros, 0).unwrap();
        let after = of(&mut digests, &file);
        assert_ne!(after, before);
        assert_eq!(after, hash(&file));
        assert_eq!(after, of(&mut digests, &file));
    }

    #[test]
    fn what_is_kept_stays_within_its_limit_and_changes_no_digest() {
        let mut digests = Digests::default();
        let files: Vec<_> = (0..4).map(|_| sparse(0, &[])).collect();
        for (number, file) in (1_u8..).zip(&files) {
            // Of another length each time, so that what is replaced must be taken off.
            for round in 1..=3 {
                let bytes = vec![number * round; (KEPT - usize::from(round)) * BLOCK];
                file.as_file().set_len(0).unwrap();
                file.as_file().write_all_at(&bytes, 0).unwrap();
                let digest = of(&mut digests, file);
                assert_eq!(digest, hash(file), "{round}");
                assert!(digests.blocks <= KEPT_TOGETHER);
                let kept = digests.known.values().map(|known| known.blocks.len());
                assert_eq!(digests.blocks, kept.sum::<usize>());
            }
        }
    }

    proptest! {
        #[test]
        fn a_change_of_a_file_that_was_seen_before_is_seen(at in 0..70_000_u64, byte in 1..=255_u8) {
            let file = sparse(70_000, &[(0, b"a"), (50_000, &[7; 9_000])]);
            let mut digests = Digests::default();
            let before = of(&mut digests, &file);
            prop_assert_eq!(&of(&mut digests, &file), &before);
            let mut old = [0];
            file.as_file().read_at(&mut old, at).unwrap();
            file.as_file().write_all_at(&[old[0] ^ byte], at).unwrap();
            let after = of(&mut digests, &file);
            prop_assert_ne!(&after, &before);
            prop_assert_eq!(after, hash(&file));
        }

        #[test]
        fn what_was_seen_before_changes_no_digest(
            looks in proptest::collection::vec(
                proptest::collection::vec((0..12_u64, 0..4_u8), 0..6), 1..5),
        ) {
            let mut digests = Digests::default();
            let file = sparse(0, &[]);
            for writes in looks {
                file.as_file().set_len(0).unwrap();
                file.as_file().set_len(50_000).unwrap();
                for (block, byte) in writes {
                    file.as_file().write_all_at(&[byte; BLOCK], block * BLOCK as u64).unwrap();
                }
                prop_assert_eq!(of(&mut digests, &file), hash(&file));
            }
        }

        #[test]
        fn any_changed_byte_is_seen(at in 0..300_000_u64, from in 0..300_000_u64) {
            let one = sparse(300_000, &[(from, &[7; 20_000])]);
            let before = hash(&one);
            let mut byte = [0];
            one.as_file().read_at(&mut byte, at).unwrap();
            one.as_file().write_all_at(&[byte[0] ^ 1], at).unwrap();
            prop_assert_ne!(hash(&one), before);
        }
    }
}
