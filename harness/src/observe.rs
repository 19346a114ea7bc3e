//! What can be seen of a fixture from outside: owner, mode, label, attributes, bytes.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt, FileTypeExt, MetadataExt};
use std::path::Path;

use qconform_generators::file_name;
use qconform_scenarios::file::Owner;
use rustix::fs::{OFlags, SeekFrom, XattrFlags};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

mod watch;

pub use watch::{Touch, Watch};

/// Name of the extended attribute that holds a SELinux label.
pub const SELINUX: &str = "security.selinux";

/// State of every file below a folder, by relative name, which is text as [`file_name`] says.
pub type Snapshot = BTreeMap<String, FileState>;

/// State of one file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileState {
    /// `file`, `folder`, `symlink`, `fifo` or `other`.
    pub kind: String,
    /// Who owns it.
    pub owner: Owner,
    /// Permission bits.
    pub mode: u32,
    /// Length in bytes.
    pub size: u64,
    /// SELinux label, without its trailing NUL.
    pub label: Option<String>,
    /// Foreign extended attributes, values in hex.
    pub xattrs: BTreeMap<String, String>,
    /// The subject's records: names of extended attributes.
    pub records: Vec<String>,
    /// SHA-256 of its bytes in hex, holes being zeros; empty for what isn't a file.
    pub sha256: String,
}

/// Looks at every file below `dir`. `records` are the beginnings of attribute names in
/// which the subject keeps records.
pub fn snapshot(dir: &Path, records: &[String]) -> io::Result<Snapshot> {
    let mut states = Snapshot::new();
    let mut scratch = vec![0; CHUNK];
    for entry in walkdir::WalkDir::new(dir).min_depth(1).follow_links(false) {
        let entry = entry?;
        let name = entry.path().strip_prefix(dir).unwrap_or(entry.path());
        let state = state(entry.path(), records, &mut scratch).map_err(|error| {
            io::Error::new(error.kind(), format!("{}: {error}", entry.path().display()))
        })?;
        states.insert(file_name::path_text(name), state);
    }
    Ok(states)
}

/// `scratch` is [`CHUNK`] bytes that may be overwritten: clearing such a buffer for each file and
/// attribute took a third of a run.
fn state(path: &Path, records: &[String], scratch: &mut [u8]) -> io::Result<FileState> {
    let metadata = path.symlink_metadata()?;
    let kind = kind(metadata.file_type());
    let mut state = FileState {
        kind: kind.to_owned(),
        owner: Owner {
            uid: metadata.uid(),
            gid: metadata.gid(),
        },
        mode: metadata.mode() & 0o7777,
        size: if kind == "file" { metadata.len() } else { 0 },
        label: None,
        xattrs: BTreeMap::new(),
        records: Vec::new(),
        sha256: String::new(),
    };
    attributes(path, records, &mut state, scratch)?;
    if kind == "file" {
        state.sha256 = digest(path, scratch)?;
    }
    Ok(state)
}

fn kind(file_type: std::fs::FileType) -> &'static str {
    if file_type.is_file() {
        "file"
    } else if file_type.is_dir() {
        "folder"
    } else if file_type.is_symlink() {
        "symlink"
    } else if file_type.is_fifo() {
        "fifo"
    } else {
        "other"
    }
}

/// Sorts a file's extended attributes into label, records and the rest.
fn attributes(
    path: &Path,
    records: &[String],
    state: &mut FileState,
    value: &mut [u8],
) -> io::Result<()> {
    let mut names = [0; NAMES];
    let length = match rustix::fs::llistxattr(path, &mut names) {
        Ok(length) => length,
        Err(rustix::io::Errno::NOTSUP) => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    for name in names[..length]
        .split(|byte| *byte == 0)
        .filter(|name| !name.is_empty())
    {
        let name = String::from_utf8_lossy(name).into_owned();
        let length = rustix::fs::lgetxattr(path, name.as_str(), &mut *value)?;
        let value = &value[..length];
        if name == SELINUX {
            let text = String::from_utf8_lossy(value);
            state.label = Some(text.trim_end_matches('\0').to_owned());
        } else if records.iter().any(|prefix| name.starts_with(prefix)) {
            state.records.push(name);
        } else {
            state.xattrs.insert(name, hex(value));
        }
    }
    state.records.sort_unstable();
    Ok(())
}

/// Sets an extended attribute of a fixture's file.
pub fn set_attribute(path: &Path, name: &str, value: &[u8]) -> io::Result<()> {
    Ok(rustix::fs::lsetxattr(
        path,
        name,
        value,
        XattrFlags::empty(),
    )?)
}

/// Bytes are hashed in blocks of this size, those of zeros left out, so that a hole and
/// written zeros are the same and a large sparse file costs little.
const BLOCK: usize = 4096;

/// What a hole reads as.
const ZEROS: [u8; BLOCK] = [0; BLOCK];

/// Bytes read at once; also the longest value of an attribute that Linux has.
const CHUNK: usize = 16 * BLOCK;

/// Room for the names of a file's attributes.
const NAMES: usize = 4096;

fn digest(path: &Path, chunk: &mut [u8]) -> io::Result<String> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NOATIME | OFlags::CLOEXEC;
    let file = File::from(rustix::fs::open(path, flags, rustix::fs::Mode::empty())?);
    let mut hash = Sha256::new();
    let mut end = 0;
    while let Some(start) = seek(&file, SeekFrom::Data(end))? {
        end = seek(&file, SeekFrom::Hole(start))?.unwrap_or(u64::MAX);
        let mut at = start - start % BLOCK as u64;
        while at < end {
            let length = fill(&file, chunk, at)?;
            for (number, block) in chunk[..length].chunks(BLOCK).enumerate() {
                if *block != ZEROS[..block.len()] {
                    hash.update((at + (number * BLOCK) as u64).to_be_bytes());
                    hash.update(block);
                }
            }
            // What was read behind a hole is hashed, and must not be once more.
            at += length as u64;
            if length < chunk.len() {
                break;
            }
        }
        end = end.max(at);
    }
    Ok(hex(&hash.finalize()))
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

/// Bytes in lowercase hex.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes
        .iter()
        .flat_map(|byte| {
            [
                DIGITS[usize::from(byte >> 4)],
                DIGITS[usize::from(byte & 15)],
            ]
        })
        .map(char::from)
        .collect()
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

    fn hash(file: &tempfile::NamedTempFile) -> String {
        digest(file.path(), &mut vec![0; CHUNK]).unwrap()
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

    proptest! {
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
