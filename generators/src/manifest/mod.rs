//! The SHA-256 manifest of a fixture, in the format of `sha256sum`.
//!
//! Regular files only: a symlink or a FIFO has no content of its own to vouch for, and opening
//! one would leave the folder or hang.

mod text;

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};
use thiserror::Error;
use walkdir::WalkDir;

/// Name of the manifest in a fixture's folder. The file itself is not listed in it.
pub const FILE_NAME: &str = "MANIFEST.sha256";

/// A manifest longer than this in bytes is not read.
const LENGTH_MAX: u64 = 64 << 20;

type Hash = [u8; 32];

/// Names, relative to a folder, and the SHA-256 of each file, sorted by name.
///
/// [`fmt::Display`] gives the text that `sha256sum -c` accepts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Manifest {
    files: BTreeMap<String, Hash>,
}

/// One way in which a folder is not what its manifest says.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Difference {
    /// Listed, but not there as a regular file.
    Missing(String),
    /// There, with other bytes.
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
    /// A manifest is text, so a name that is not UTF-8 has no place in it.
    #[error("the name of {path:?} is not UTF-8")]
    NotUtf8 {
        /// The file.
        path: PathBuf,
    },
    /// A line that is not `HASH  NAME`.
    #[error("line {number}: {problem}")]
    Line {
        /// Counted from 1.
        number: usize,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// More text than any fixture's manifest has.
    #[error("{path:?} is longer than {LENGTH_MAX} bytes")]
    TooLong {
        /// The manifest.
        path: PathBuf,
    },
}

impl Manifest {
    /// Hashes every regular file under `dir`. Links are not followed.
    ///
    /// # Errors
    /// [`ManifestError::Read`] and [`ManifestError::NotUtf8`].
    pub fn of(dir: &Path) -> Result<Manifest, ManifestError> {
        let mut files = BTreeMap::new();
        for entry in WalkDir::new(dir).min_depth(1) {
            let entry = entry.map_err(|error| walk_error(dir, error))?;
            if !entry.file_type().is_file() {
                continue;
            }
            let name = relative_name(dir, entry.path())?;
            if name != FILE_NAME {
                files.insert(name, hash_file(entry.path())?);
            }
        }
        Ok(Manifest { files })
    }

    /// Reads the manifest that lies in `dir`.
    ///
    /// # Errors
    /// As [`Manifest::parse`]; [`ManifestError::Read`] without a readable UTF-8 file;
    /// [`ManifestError::TooLong`].
    pub fn load(dir: &Path) -> Result<Manifest, ManifestError> {
        let path = dir.join(FILE_NAME);
        let read = |source| ManifestError::Read {
            path: path.clone(),
            source,
        };
        let mut text = String::new();
        let file = File::open(&path).map_err(read)?;
        file.take(LENGTH_MAX + 1)
            .read_to_string(&mut text)
            .map_err(read)?;
        if text.len() as u64 > LENGTH_MAX {
            return Err(ManifestError::TooLong { path });
        }
        Manifest::parse(&text)
    }

    /// Understands what [`fmt::Display`] writes, and `sha256sum --binary`'s asterisk.
    ///
    /// # Errors
    /// [`ManifestError::Line`] for the first line that is no entry or repeats a name.
    pub fn parse(text: &str) -> Result<Manifest, ManifestError> {
        let mut files = BTreeMap::new();
        for (index, line) in text.split_terminator('\n').enumerate() {
            let at = |problem| ManifestError::Line {
                number: index + 1,
                problem,
            };
            let (name, hash) = text::parse_line(line).map_err(at)?;
            if files.insert(name, hash).is_some() {
                return Err(at("a name for the second time"));
            }
        }
        Ok(Manifest { files })
    }

    /// Compares `dir` with the manifest, both ways; an empty answer means that they agree.
    ///
    /// Only files found under `dir` are opened, never a name from the manifest, so a manifest
    /// from elsewhere cannot make this read outside the folder.
    ///
    /// # Errors
    /// As [`Manifest::of`].
    pub fn verify(&self, dir: &Path) -> Result<Vec<Difference>, ManifestError> {
        let found = Manifest::of(dir)?.files;
        let mut differences = Vec::new();
        for (name, hash) in &self.files {
            match found.get(name) {
                None => differences.push(Difference::Missing(name.clone())),
                Some(other) if other != hash => differences.push(Difference::Changed(name.clone())),
                Some(_) => {}
            }
        }
        let extra = found
            .into_keys()
            .filter(|name| !self.files.contains_key(name));
        differences.extend(extra.map(Difference::Extra));
        Ok(differences)
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

impl fmt::Display for Manifest {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, hash) in &self.files {
            text::write_line(out, name, hash)?;
        }
        Ok(())
    }
}

fn relative_name(dir: &Path, path: &Path) -> Result<String, ManifestError> {
    path.strip_prefix(dir)
        .ok()
        .and_then(Path::to_str)
        .map(str::to_owned)
        .ok_or_else(|| ManifestError::NotUtf8 {
            path: path.to_owned(),
        })
}

fn walk_error(dir: &Path, error: walkdir::Error) -> ManifestError {
    let path = error.path().unwrap_or(dir).to_owned();
    ManifestError::Read {
        path,
        source: error.into(),
    }
}

fn hash_file(path: &Path) -> Result<Hash, ManifestError> {
    let read = |source| ManifestError::Read {
        path: path.to_owned(),
        source,
    };
    let mut file = File::open(path).map_err(read)?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 64 << 10];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok(hash.finalize().into()),
            Ok(length) => hash.update(&buffer[..length]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(read(error)),
        }
    }
}
