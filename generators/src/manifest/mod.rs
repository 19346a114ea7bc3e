//! The manifest of a folder: the SHA-256 of each regular file, in the format of `sha256sum`.
//!
//! A symlink or a FIFO has no content of its own to vouch for, and opening one would leave the
//! folder or hang. They are listed in a file of their own, [`OTHERS`], which the manifest vouches
//! for in turn.

mod others;
mod text;

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use sha2::{Digest as _, Sha256};
use thiserror::Error;
use walkdir::WalkDir;

use crate::file_name;

use others::{Other, Others};

/// Name of the manifest in a fixture's folder. The file itself is not listed in it.
pub const FILE_NAME: &str = "MANIFEST.sha256";

/// Name of the list of what is no regular file: a JSON object a line, with `name`, `kind`
/// (`symlink`, `fifo`, `other`) and, for a symlink, `target`. A folder without any has no list.
pub const OTHERS: &str = "OTHERS.jsonl";

/// A manifest longer than this in bytes is not read.
const LENGTH_MAX: u64 = 64 << 20;

type Hash = [u8; 32];

/// What is in a folder: the SHA-256 of each regular file, and what else there is; folders
/// aside. Names are relative, sorted, and text as [`crate::file_name`] says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Manifest {
    files: BTreeMap<String, Hash>,
    others: Others,
}

/// A name's content.
#[derive(PartialEq)]
enum Seen<'a> {
    File(&'a Hash),
    Other(&'a Other),
}

/// One way in which a folder is not what its manifest says.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Difference {
    /// Listed, but not there.
    Missing(String),
    /// There, with other bytes, as a symlink that points elsewhere, or as another kind of file.
    Changed(String),
    /// There, but not listed.
    Extra(String),
}

/// Why a manifest could not be made or understood.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ManifestError {
    /// A file or folder could not be read.
    #[error("cannot read {path:?}")]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A line that is not `HASH  NAME`.
    #[error("line {number}: {problem}")]
    Line {
        /// Counted from 1.
        number: usize,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// [`OTHERS`] is not what this crate writes.
    #[error("{OTHERS}")]
    Others(#[source] serde_json::Error),
    /// More text than any fixture's manifest has.
    #[error("{path:?} is longer than {LENGTH_MAX} bytes")]
    TooLong {
        /// The manifest.
        path: PathBuf,
    },
}

impl Manifest {
    /// Hashes every regular file under `dir` and notes every other. Links are not followed.
    ///
    /// # Errors
    /// [`ManifestError::Read`].
    pub fn of(dir: &Path) -> Result<Manifest, ManifestError> {
        let mut found = Manifest::default();
        for entry in WalkDir::new(dir).min_depth(1) {
            let entry = entry.map_err(|error| walk_error(dir, error))?;
            let path = entry.path();
            let name = file_name::path_text(path.strip_prefix(dir).unwrap_or(path));
            if entry.file_type().is_file() {
                if name != FILE_NAME {
                    found.files.insert(name, hash_file(path)?);
                }
            } else if !entry.file_type().is_dir() {
                let other = Other::of(path, entry.file_type()).map_err(read_error(path))?;
                found.others.insert(name, other);
            }
        }
        Ok(found)
    }

    /// Reads the manifest that lies in `dir`.
    ///
    /// # Errors
    /// As [`Manifest::parse`]; [`ManifestError::Read`] without a readable file;
    /// [`ManifestError::TooLong`].
    pub fn load(dir: &Path) -> Result<Manifest, ManifestError> {
        let mut manifest = Manifest::parse(&read(&dir.join(FILE_NAME))?)?;
        if manifest.files.contains_key(OTHERS) {
            let list = read(&dir.join(OTHERS))?;
            manifest.others = others::parse(&list).map_err(ManifestError::Others)?;
        }
        Ok(manifest)
    }

    /// Adds what is no regular file: gives the bytes of [`OTHERS`], if there is a need for it,
    /// and lists them.
    pub(crate) fn list_others(&mut self) -> Option<Vec<u8>> {
        if self.others.is_empty() {
            return None;
        }
        let list = others::to_bytes(&self.others);
        self.files
            .insert(OTHERS.to_owned(), Sha256::digest(&list).into());
        Some(list)
    }

    /// Understands what [`Manifest::to_bytes`] writes, and `sha256sum --binary`'s asterisk.
    ///
    /// # Errors
    /// [`ManifestError::Line`] for the first line that is no entry or repeats a name.
    pub fn parse(text: &[u8]) -> Result<Manifest, ManifestError> {
        let mut files = BTreeMap::new();
        let text = text.strip_suffix(b"\n").unwrap_or(text);
        let lines = text.split(|byte| *byte == b'\n');
        for (index, line) in lines.enumerate().filter(|_| !text.is_empty()) {
            let at = |problem| ManifestError::Line {
                number: index + 1,
                problem,
            };
            let (name, hash) = text::parse_line(line).map_err(at)?;
            if files.insert(name, hash).is_some() {
                return Err(at("a name for the second time"));
            }
        }
        let others = Others::new();
        Ok(Manifest { files, others })
    }

    /// Compares `dir` with the manifest, both ways; an empty answer means that they agree.
    ///
    /// Only files found under `dir` are opened, never a name from the manifest, so a manifest
    /// from elsewhere cannot make this read outside the folder.
    ///
    /// # Errors
    /// As [`Manifest::of`].
    pub fn verify(&self, dir: &Path) -> Result<Vec<Difference>, ManifestError> {
        let found = Manifest::of(dir)?;
        let (listed, found) = (self.seen(), found.seen());
        let mut differences = Vec::new();
        for (name, wanted) in &listed {
            match found.get(name) {
                None => differences.push(Difference::Missing((*name).to_owned())),
                Some(other) if other != wanted => {
                    differences.push(Difference::Changed((*name).to_owned()));
                }
                Some(_) => {}
            }
        }
        let extra = found.keys().filter(|name| !listed.contains_key(*name));
        differences.extend(extra.map(|name| Difference::Extra((*name).to_owned())));
        Ok(differences)
    }

    fn seen(&self) -> BTreeMap<&str, Seen<'_>> {
        let files = self.files.iter();
        let files = files.map(|(name, hash)| (name.as_str(), Seen::File(hash)));
        let others = self.others.iter();
        let others = others.map(|(name, other)| (name.as_str(), Seen::Other(other)));
        files.chain(others).collect()
    }

    /// What `sha256sum -c` accepts.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let lines = self.files.iter();
        lines
            .flat_map(|(name, hash)| text::line(name, hash))
            .collect()
    }

    /// The SHA-256 of the file with this name.
    #[must_use]
    pub fn hash(&self, name: &str) -> Option<[u8; 32]> {
        self.files.get(name).copied()
    }

    /// The names, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.files.keys().map(String::as_str)
    }
}

/// A list of this folder, bounded, and nothing but a regular file.
fn read(path: &Path) -> Result<Vec<u8>, ManifestError> {
    let mut bytes = Vec::new();
    let mut options = OpenOptions::new();
    let nonblocking = OFlags::NONBLOCK | OFlags::NOFOLLOW;
    options.read(true).custom_flags(nonblocking.bits() as i32);
    let file = options.open(path).map_err(read_error(path))?;
    if !file.metadata().map_err(read_error(path))?.is_file() {
        let problem = io::Error::other("it is no regular file");
        return Err(read_error(path)(problem));
    }
    file.take(LENGTH_MAX + 1)
        .read_to_end(&mut bytes)
        .map_err(read_error(path))?;
    if bytes.len() as u64 > LENGTH_MAX {
        let path = path.to_owned();
        return Err(ManifestError::TooLong { path });
    }
    Ok(bytes)
}

fn read_error(path: &Path) -> impl Fn(io::Error) -> ManifestError {
    move |source| ManifestError::Read {
        path: path.to_owned(),
        source,
    }
}

fn walk_error(dir: &Path, error: walkdir::Error) -> ManifestError {
    let path = error.path().unwrap_or(dir).to_owned();
    ManifestError::Read {
        path,
        source: error.into(),
    }
}

fn hash_file(path: &Path) -> Result<Hash, ManifestError> {
    let mut file = File::open(path).map_err(read_error(path))?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 64 << 10];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok(hash.finalize().into()),
            Ok(length) => hash.update(&buffer[..length]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(read_error(path)(error)),
        }
    }
}
