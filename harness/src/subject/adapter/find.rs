//! Finds the adapter that a subject's name on the command line means.

use std::env;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::command::{self, CommandError};
use super::launch::Launch;
use super::manifest::{self, Manifest, ManifestError};
use super::shipped::{self, Shipped};

/// Longest manifest that is read, in bytes.
const MANIFEST_LIMIT: u64 = 1 << 20;

/// An adapter that can be started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The subject's name in reports: that of an installed adapter, or the path as it was given.
    pub name: String,
    /// How it is started.
    pub launch: Launch,
}

/// Why there is no adapter.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FindError {
    /// The name means nothing.
    #[error("there is no subject `{name}`")]
    Unknown {
        /// The name.
        name: String,
        /// What there is.
        known: String,
    },
    /// It is known, but not installed.
    #[error("adapter `{name}` is not installed")]
    NotInstalled {
        /// Its name.
        name: String,
    },
    /// A file can't be read.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The manifest is faulty.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// A `command:` that can't be one.
    #[error(transparent)]
    Command(#[from] CommandError),
    /// There is no folder for installed adapters.
    #[error("neither QCONFORM_CACHE nor XDG_CACHE_HOME nor HOME names an absolute folder")]
    NoCache,
}

/// The folder for what is installed: `QCONFORM_CACHE`, or `qconform` in the user's cache folder.
///
/// # Errors
///
/// [`FindError::NoCache`] where no variable names one.
pub fn cache() -> Result<PathBuf, FindError> {
    let folder = |name: &str| {
        env::var_os(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    folder("QCONFORM_CACHE")
        .or_else(|| folder("XDG_CACHE_HOME").map(|path| path.join("qconform")))
        .or_else(|| folder("HOME").map(|path| path.join(".cache/qconform")))
        .ok_or(FindError::NoCache)
}

/// Where an adapter is installed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The adapter's own files and those that adapters share, a folder each.
    pub files: PathBuf,
    /// What was installed for it.
    pub install: PathBuf,
}

/// The folder of everything that is installed for an adapter.
///
/// # Errors
///
/// [`FindError::NoCache`].
pub fn base(name: &str) -> Result<PathBuf, FindError> {
    Ok(cache()?.join("adapters").join(name))
}

/// Where the adapter of this name is or would be installed.
///
/// # Errors
///
/// [`FindError::NoCache`].
pub fn place(name: &str) -> Result<Place, FindError> {
    let base = base(name)?;
    Ok(Place {
        files: base.join("files"),
        install: base.join("install"),
    })
}

/// Names of the shipped adapters that are installed.
///
/// # Errors
///
/// [`FindError`] where the adapters can't be read.
pub fn installed_names() -> Result<Vec<String>, FindError> {
    let mut names = Vec::new();
    for name in shipped::all()?.iter().flat_map(Shipped::names) {
        if folder_of(&name)?.join(manifest::FILE).is_file() {
            names.push(name);
        }
    }
    Ok(names)
}

/// The folder of an installed adapter's own files, beside that of what adapters share.
fn folder_of(name: &str) -> Result<PathBuf, FindError> {
    let folder = name.split_once('@').map_or(name, |(folder, _)| folder);
    Ok(place(name)?.files.join(folder))
}

/// The adapter that `given` means: `adapter:NAME` or `NAME` for an installed one, `adapter:PATH`
/// for a folder with a manifest or for a program, `command:LINE` for a program that speaks no protocol.
/// A path has a slash in it.
///
/// # Errors
///
/// [`FindError`] with what is wrong.
pub fn find(given: &str) -> Result<Found, FindError> {
    let target = given.strip_prefix("adapter:").unwrap_or(given);
    if let Some(text) = given.strip_prefix("command:") {
        let launch = command::parse(text)?;
        let name = given.to_owned();
        return Ok(Found { name, launch });
    }
    if target.contains('/') {
        return at_path(given, target);
    }
    installed(target)
}

fn installed(name: &str) -> Result<Found, FindError> {
    shipped::named(name)?;
    let folder = folder_of(name)?;
    let file = folder.join(manifest::FILE);
    if !file.is_file() {
        return Err(FindError::NotInstalled {
            name: name.to_owned(),
        });
    }
    let manifest = read(&file)?;
    Ok(Found {
        name: name.to_owned(),
        launch: Launch::of(&manifest, variant(name), &folder, &place(name)?.install),
    })
}

/// The variant in an adapter's name; empty without one.
fn variant(name: &str) -> &str {
    name.split_once('@').map_or("", |(_, variant)| variant)
}

fn at_path(given: &str, target: &str) -> Result<Found, FindError> {
    let failed = |source| FindError::File {
        path: target.into(),
        source,
    };
    let path = fs::canonicalize(target).map_err(failed)?;
    let launch = if path.is_dir() {
        let manifest = read(&path.join(manifest::FILE))?;
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        Launch::of(&manifest, variant(&name), &path, &place(&name)?.install)
    } else {
        Launch::bare(&path)
    };
    Ok(Found {
        name: given.to_owned(),
        launch,
    })
}

/// Reads a manifest.
///
/// # Errors
///
/// [`FindError::File`] and [`FindError::Manifest`].
pub fn read(file: &Path) -> Result<Manifest, FindError> {
    let failed = |source| FindError::File {
        path: file.to_owned(),
        source,
    };
    let mut text = String::new();
    let opened = fs::File::open(file).map_err(failed)?;
    io::Read::read_to_string(&mut io::Read::take(opened, MANIFEST_LIMIT), &mut text)
        .map_err(failed)?;
    Ok(Manifest::parse(file, &text)?)
}
