//! What can be seen of a fixture from outside: owner, mode, label, attributes, bytes.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use qconform_scenarios::file::Owner;
use rustix::fs::{OFlags, XattrFlags};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

mod watch;

pub use watch::{Touch, Watch};

/// Name of the extended attribute that holds a SELinux label.
pub const SELINUX: &str = "security.selinux";

/// State of every file below a folder, by relative name.
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
    for entry in walkdir::WalkDir::new(dir).min_depth(1).follow_links(false) {
        let entry = entry?;
        let name = entry.path().strip_prefix(dir).unwrap_or(entry.path());
        let state = state(entry.path(), records).map_err(|error| {
            io::Error::new(error.kind(), format!("{}: {error}", entry.path().display()))
        })?;
        states.insert(name.to_string_lossy().into_owned(), state);
    }
    Ok(states)
}

fn state(path: &Path, records: &[String]) -> io::Result<FileState> {
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
    attributes(path, records, &mut state)?;
    if kind == "file" {
        state.sha256 = digest(path)?;
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
fn attributes(path: &Path, records: &[String], state: &mut FileState) -> io::Result<()> {
    let mut names = vec![0; 4096];
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
        let mut value = vec![0; 65536];
        let length = rustix::fs::lgetxattr(path, name.as_str(), &mut value)?;
        value.truncate(length);
        if name == SELINUX {
            let text = String::from_utf8_lossy(&value);
            state.label = Some(text.trim_end_matches('\0').to_owned());
        } else if records.iter().any(|prefix| name.starts_with(prefix)) {
            state.records.push(name);
        } else {
            state.xattrs.insert(name, hex(&value));
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
const BLOCK: u64 = 4096;

fn digest(path: &Path) -> io::Result<String> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NOATIME | OFlags::CLOEXEC;
    let mut file = File::from(rustix::fs::open(path, flags, rustix::fs::Mode::empty())?);
    let mut hash = Sha256::new();
    let mut block = [0; BLOCK as usize];
    let mut at = 0;
    while let Some(data) = next_data(&file, at)? {
        at = data - data % BLOCK;
        file.seek(SeekFrom::Start(at))?;
        let length = fill(&mut file, &mut block)?;
        if length == 0 {
            break;
        }
        if block[..length].iter().any(|byte| *byte != 0) {
            hash.update(at.to_be_bytes());
            hash.update(&block[..length]);
        }
        at += BLOCK;
    }
    Ok(hex(&hash.finalize()))
}

/// The first offset from `at` on that holds data; `None` at the end.
fn next_data(file: &File, at: u64) -> io::Result<Option<u64>> {
    match rustix::fs::seek(file, rustix::fs::SeekFrom::Data(at)) {
        Ok(offset) => Ok(Some(offset)),
        Err(rustix::io::Errno::NXIO) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn fill(file: &mut File, block: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < block.len() {
        match file.read(&mut block[filled..])? {
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
