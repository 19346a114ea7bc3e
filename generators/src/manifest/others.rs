//! What is in a folder besides regular files and folders.

use std::collections::BTreeMap;
use std::fs::FileType;
use std::io;
use std::os::unix::fs::FileTypeExt as _;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::file_name;

/// By name.
pub(super) type Others = BTreeMap<String, Other>;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub(super) enum Other {
    /// A symlink, and the text of where it points.
    Symlink {
        target: String,
    },
    Fifo,
    /// A socket or a device: no fixture has one.
    #[serde(rename = "other")]
    Unexpected,
}

#[derive(Serialize, Deserialize)]
struct Line {
    name: String,
    #[serde(flatten)]
    other: Other,
}

impl Other {
    /// What is at `path`, which is neither a regular file nor a folder.
    pub(super) fn of(path: &Path, kind: FileType) -> io::Result<Other> {
        Ok(if kind.is_symlink() {
            let target = file_name::path_text(&path.read_link()?);
            Other::Symlink { target }
        } else if kind.is_fifo() {
            Other::Fifo
        } else {
            Other::Unexpected
        })
    }
}

/// The list, a line each, sorted by name.
pub(super) fn to_bytes(others: &Others) -> Vec<u8> {
    let mut list = Vec::new();
    for (name, other) in others {
        let (name, other) = (name.clone(), other.clone());
        // Strings go into memory: there is nothing to fail.
        let _infallible = serde_json::to_writer(&mut list, &Line { name, other });
        list.push(b'\n');
    }
    list
}

pub(super) fn parse(list: &[u8]) -> serde_json::Result<Others> {
    let lines = serde_json::Deserializer::from_slice(list).into_iter::<Line>();
    lines
        .map(|line| line.map(|line| (line.name, line.other)))
        .collect()
}
