//! What can be seen of a fixture from outside: owner, mode, label, attributes, bytes.

use std::collections::BTreeMap;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;
use std::sync::Arc;

use qconform_generators::file_name;
use qconform_scenarios::file::Owner;
use rustix::fs::XattrFlags;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

mod digest;
mod watch;

use digest::{CHUNK, Digests};
pub use watch::{Touch, Watch};

/// Name of the extended attribute that holds a SELinux label.
pub const SELINUX: &str = "security.selinux";

/// State of every file below a folder, by relative name, which is text as [`file_name`] says.
///
/// Most files stay as they are from one look to the next, so that snapshots share them.
pub type Snapshot = BTreeMap<Arc<str>, Arc<FileState>>;

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
    /// SHA-256 in hex of its bytes, holes being zeros, or of where a symlink leads; empty for
    /// everything else.
    pub sha256: String,
}

/// Looks at fixtures, one after the other.
///
/// Made once for a worker: clearing a buffer for each file took a good part of a run, and most files
/// are as they were when they were last seen.
#[derive(Debug)]
pub struct Observer {
    /// [`CHUNK`] bytes that may be overwritten.
    scratch: Vec<u8>,
    digests: Digests,
}

impl Default for Observer {
    fn default() -> Self {
        Observer {
            scratch: vec![0; CHUNK],
            digests: Digests::default(),
        }
    }
}

impl Observer {
    /// Looks at every file below `dir`. `records` are the beginnings of attribute names in
    /// which the subject keeps records.
    pub fn snapshot(&mut self, dir: &Path, records: &[String]) -> io::Result<Snapshot> {
        let mut states = Snapshot::new();
        for entry in walkdir::WalkDir::new(dir).min_depth(1).follow_links(false) {
            let entry = entry?;
            let name = entry.path().strip_prefix(dir).unwrap_or(entry.path());
            let state = self.state(entry.path(), records).map_err(|error| {
                io::Error::new(error.kind(), format!("{}: {error}", entry.path().display()))
            })?;
            states.insert(file_name::path_text(name).into(), Arc::new(state));
        }
        Ok(states)
    }

    fn state(&mut self, path: &Path, records: &[String]) -> io::Result<FileState> {
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
        state.sha256 = match kind {
            "file" => self.digests.of(path, metadata.len(), &mut self.scratch)?,
            "symlink" => hex(&Sha256::digest(path.read_link()?.as_os_str().as_bytes())),
            _ => String::new(),
        };
        Ok(state)
    }
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

/// Room for the names of a file's attributes.
const NAMES: usize = 4096;

/// Room for the value of an attribute. Nearly every one fits, and the kernel allocates and clears
/// as many bytes as it is offered.
const VALUE: usize = 256;

/// The longest value of an attribute that Linux has.
const LONGEST_VALUE: usize = 64 << 10;

/// Sorts a file's extended attributes into label, records and the rest.
fn attributes(path: &Path, records: &[String], state: &mut FileState) -> io::Result<()> {
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
        let value = attribute(path, &name)?;
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

fn attribute(path: &Path, name: &str) -> io::Result<Vec<u8>> {
    let mut value = vec![0; VALUE];
    let length = match rustix::fs::lgetxattr(path, name, &mut value) {
        Err(rustix::io::Errno::RANGE) => {
            value.resize(LONGEST_VALUE, 0);
            rustix::fs::lgetxattr(path, name, &mut value)?
        }
        length => length?,
    };
    value.truncate(length);
    Ok(value)
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
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_symlink_that_leads_elsewhere_is_seen() {
        let dir = tempfile::tempdir().unwrap();
        let link = dir.path().join("link");
        let look = |target: &str| {
            symlink(target, &link).unwrap();
            let seen = Observer::default().snapshot(dir.path(), &[]).unwrap();
            fs::remove_file(&link).unwrap();
            seen
        };
        let before = look("one-file");
        assert_eq!(before["link"].kind, "symlink");
        assert_eq!(before, look("one-file"));
        assert_ne!(before, look("another1"));
    }
}
