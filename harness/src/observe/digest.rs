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

/// The most bytes of one file that are kept to be compared with.
const KEPT: usize = 256 << 10;

/// The most bytes of all files together.
const KEPT_TOGETHER: usize = 8 << 20;

/// Digests of files by path. A file with the very bytes that it had when it was last seen has the
/// same digest, and comparing them is many times faster than hashing them.
#[derive(Debug, Default)]
pub(super) struct Digests {
    /// What was hashed, and the digest.
    known: HashMap<PathBuf, (Vec<u8>, String)>,
    /// Bytes of what was hashed, together.
    size: usize,
}

impl Digests {
    /// The digest in hex of a file of this length. `chunk` is [`CHUNK`] bytes that may be overwritten.
    pub(super) fn of(&mut self, path: &Path, length: u64, chunk: &mut [u8]) -> io::Result<String> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NOATIME | OFlags::CLOEXEC;
        let file = File::from(rustix::fs::open(path, flags, rustix::fs::Mode::empty())?);
        if let Some((known, digest)) = self.known.get(path)
            && is_still(known, &file, length, chunk)?
        {
            return Ok(digest.clone());
        }
        let mut content = Content::default();
        each_block(&file, length, chunk, &mut |at, block| {
            content.take(at, block);
            true
        })?;
        Ok(match content.hash {
            Some(hash) => hex(&hash.chain_update(&content.bytes).finalize()),
            None => self.hashed(path, content.bytes),
        })
    }

    fn hashed(&mut self, path: &Path, bytes: Vec<u8>) -> String {
        let digest = hex(&Sha256::digest(&bytes));
        self.size += bytes.len();
        if self.size > KEPT_TOGETHER {
            self.known.clear();
            self.size = bytes.len();
        }
        let before = self.known.insert(path.to_owned(), (bytes, digest.clone()));
        self.size -= before.map_or(0, |(bytes, _)| bytes.len());
        digest
    }
}

/// Whether a file holds what was hashed of it before.
fn is_still(known: &[u8], file: &File, length: u64, chunk: &mut [u8]) -> io::Result<bool> {
    let mut rest = known;
    let mut next = |at: u64, block: &[u8]| {
        let after = rest
            .strip_prefix(&at.to_be_bytes())
            .and_then(|rest| rest.strip_prefix(block));
        rest = after.unwrap_or_default();
        after.is_some()
    };
    let is_same = each_block(file, length, chunk, &mut next)?;
    Ok(is_same && rest.is_empty())
}

/// Calls `take` with each block of a file that isn't zeros, and its offset, until it returns false;
/// whether it never did.
fn each_block(
    file: &File,
    length: u64,
    chunk: &mut [u8],
    take: &mut dyn FnMut(u64, &[u8]) -> bool,
) -> io::Result<bool> {
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
                let is_zero = *block == ZEROS[..block.len()];
                if !is_zero && !take(at + (number * BLOCK) as u64, block) {
                    return Ok(false);
                }
            }
            at += count as u64;
            if count < wanted {
                // It became shorter.
                return Ok(true);
            }
        }
    }
    Ok(true)
}

/// What is hashed of a file: each block that isn't zeros, behind its offset.
#[derive(Default)]
struct Content {
    bytes: Vec<u8>,
    /// Of what came before `bytes`, once there was too much to keep.
    hash: Option<Sha256>,
}

impl Content {
    fn take(&mut self, at: u64, block: &[u8]) {
        self.bytes.extend_from_slice(&at.to_be_bytes());
        self.bytes.extend_from_slice(block);
        if self.bytes.len() > KEPT {
            let hash = self.hash.get_or_insert_default();
            hash.update(&self.bytes);
            self.bytes.clear();
        }
    }
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
        let large = vec![7; 3 * KEPT + 5];
        let file = sparse(0, &[(0, &large)]);
        let mut other = large.clone();
        other[2 * KEPT] = 8;
        assert_ne!(hash(&file), hash(&sparse(0, &[(0, &other)])));
        assert_eq!(hash(&file), hash(&sparse(0, &[(0, &large)])));
    }

    #[test]
    fn what_is_kept_stays_within_its_limit_and_changes_no_digest() {
        let mut digests = Digests::default();
        let files: Vec<_> = (0..60).map(|_| sparse(0, &[])).collect();
        for round in 1..=3 {
            for (number, file) in (1_u8..).zip(&files) {
                // Of another length each time, so that what is replaced must be taken off.
                let bytes = vec![number * round; KEPT - 4096 * usize::from(round)];
                file.as_file().set_len(0).unwrap();
                file.as_file().write_all_at(&bytes, 0).unwrap();
                let digest = of(&mut digests, file);
                assert_eq!(digest, hash(file), "{round}");
                assert!(digests.size <= KEPT_TOGETHER);
                let kept = digests.known.values().map(|(bytes, _)| bytes.len());
                assert_eq!(digests.size, kept.sum::<usize>());
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
