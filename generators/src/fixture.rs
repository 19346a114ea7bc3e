//! Turns recipes into files in a folder.

use std::ffi::OsString;
use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{self, Path, PathBuf};

use rustix::fs::{CWD, FileType, Mode, mknodat};
use thiserror::Error;

use crate::manifest::{self, Manifest, ManifestError};
use crate::marker::Marker;
use crate::qcow2::{Image, Names, write_marker};
use crate::recipe::{Content, Qcow2, Raw, Recipe, RecipeError};

/// Mode of every regular file and FIFO, whatever the umask: a fixture is the same everywhere.
const FILE_MODE: u32 = 0o644;
/// Mode of every folder, whatever the umask.
const FOLDER_MODE: u32 = 0o755;

/// One file of a fixture that was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// Its name in the recipe.
    pub name: String,
    /// Length in bytes of a regular file, 0 for everything else.
    pub size: u64,
}

/// Why a fixture could not be written.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum FixtureError {
    /// The recipe asks for something impossible.
    #[error(transparent)]
    Recipe(#[from] RecipeError),
    /// The manifest could not be made.
    #[error("cannot make the manifest")]
    Manifest(#[from] ManifestError),
    /// A fixture goes into a new or an empty folder.
    #[error("{path:?} exists and is not an empty folder")]
    Occupied {
        /// The folder that was asked for.
        path: PathBuf,
    },
    /// The system refused.
    #[error("cannot {action} {path:?}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// On which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// Writes the files of `recipe` into the existing folder `dir`, in the order of their names.
/// Nothing is overwritten. After an error, files written before it remain; see [`write_staged`].
///
/// # Errors
/// [`FixtureError::Recipe`] before anything is written, [`FixtureError::Io`] also when a name is
/// taken.
pub fn write(recipe: &Recipe, dir: &Path) -> Result<Vec<Written>, FixtureError> {
    let folder = absolute(dir)?;
    recipe.check_in(|name| expand(name, &folder))?;
    write_files(recipe, &folder, &folder)
}

/// Writes the files of `recipe` and their manifest, all or nothing: they are staged beside
/// `dir`, which must not exist or be an empty folder, and renamed into place.
///
/// # Errors
/// As [`write`], and [`FixtureError::Occupied`]. After an error nothing is left behind.
pub fn write_staged(recipe: &Recipe, dir: &Path) -> Result<Manifest, FixtureError> {
    let folder = absolute(dir)?;
    recipe.check_in(|name| expand(name, &folder))?;
    let parent = folder.parent().ok_or_else(|| FixtureError::Occupied {
        path: folder.clone(),
    })?;
    check_vacant(&folder)?;

    let stage = tempfile::Builder::new()
        .prefix(".qconform-")
        .tempdir_in(parent)
        .map_err(io_error("make a folder in", parent))?;
    write_files(recipe, stage.path(), &folder)?;
    let manifest = Manifest::of(stage.path())?;
    write_manifest(&manifest, &stage.path().join(manifest::FILE_NAME))?;
    set_mode(stage.path(), FOLDER_MODE)?;
    // An empty folder is replaced; one that was filled meanwhile makes this fail.
    fs::rename(stage.path(), &folder).map_err(io_error("rename the fixture to", &folder))?;
    // The stage has become the fixture, so it must not be removed.
    let _ = stage.keep();
    Ok(manifest)
}

/// Replaces each `{dir}` in `name` by the absolute path of the folder `dir`.
///
/// A path that is not UTF-8 is made valid here; the files that [`write`] makes hold its bytes.
#[must_use]
pub fn expand_name(name: &str, dir: &Path) -> String {
    let folder = path::absolute(dir).map_or_else(|_| dir.to_owned(), |path| normal(&path));
    String::from_utf8_lossy(&expand(name, &folder)).into_owned()
}

fn expand(name: &str, folder: &Path) -> Vec<u8> {
    let parts: Vec<&[u8]> = name.split("{dir}").map(str::as_bytes).collect();
    parts.join(folder.as_os_str().as_bytes())
}

/// `names_folder` is what `{dir}` stands for: where the fixture will be.
fn write_files(
    recipe: &Recipe,
    folder: &Path,
    names_folder: &Path,
) -> Result<Vec<Written>, FixtureError> {
    let mut written = Vec::with_capacity(recipe.files.len());
    for (name, content) in &recipe.files {
        make_parents(folder, name)?;
        let path = folder.join(name);
        let marker = || Marker::new(recipe.seed, name);
        let size = match content {
            Content::Qcow2(image) => write_qcow2(name, image, &marker(), &path, names_folder)?,
            Content::Raw(raw) => write_raw(raw, &marker(), &path)?,
            Content::Symlink(link) => make_symlink(&expand(&link.target, names_folder), &path)?,
            Content::Directory(_) => make_folder(&path)?,
            Content::Fifo(_) => make_fifo(&path)?,
        };
        written.push(Written {
            name: name.clone(),
            size,
        });
    }
    Ok(written)
}

fn write_qcow2(
    name: &str,
    image: &Qcow2,
    marker: &Marker,
    path: &Path,
    names_folder: &Path,
) -> Result<u64, FixtureError> {
    let names = Names::of(image, |name| expand(name, names_folder));
    let image = Image::new(name, image, &names)?;
    let file = create(path)?;
    image.write(&file, marker).map_err(io_error("write", path))
}

fn write_raw(raw: &Raw, marker: &Marker, path: &Path) -> Result<u64, FixtureError> {
    let file = create(path)?;
    write_raw_content(raw, marker, &file).map_err(io_error("write", path))?;
    Ok(raw.size)
}

fn write_raw_content(raw: &Raw, marker: &Marker, file: &File) -> io::Result<()> {
    file.set_len(raw.size)?;
    for cluster in &raw.populated {
        // The recipe's check has made sure that the cluster starts inside the file.
        let start = cluster * raw.cluster_size;
        let length = (raw.size - start).min(raw.cluster_size);
        write_marker(file, start, marker, start, length)?;
    }
    Ok(())
}

fn make_symlink(target: &[u8], path: &Path) -> Result<u64, FixtureError> {
    let target = OsString::from_vec(target.to_vec());
    std::os::unix::fs::symlink(target, path).map_err(io_error("make the symlink", path))?;
    Ok(0)
}

fn make_fifo(path: &Path) -> Result<u64, FixtureError> {
    mknodat(CWD, path, FileType::Fifo, Mode::from_raw_mode(FILE_MODE), 0)
        .map_err(|error| io_error("make the FIFO", path)(error.into()))?;
    set_mode(path, FILE_MODE)?;
    Ok(0)
}

/// Makes the folders above `name`, which the recipe need not list.
fn make_parents(folder: &Path, name: &str) -> Result<(), FixtureError> {
    for (end, _) in name.match_indices('/') {
        make_folder(&folder.join(&name[..end]))?;
    }
    Ok(())
}

/// A folder that is there already is kept; a symlink to one is not taken for it, since writing
/// below it would leave the fixture.
fn make_folder(path: &Path) -> Result<u64, FixtureError> {
    match DirBuilder::new().mode(FOLDER_MODE).create(path) {
        Ok(()) => set_mode(path, FOLDER_MODE)?,
        Err(_) if path.symlink_metadata().is_ok_and(|found| found.is_dir()) => {}
        Err(error) => return Err(io_error("make the folder", path)(error)),
    }
    Ok(0)
}

fn create(path: &Path) -> Result<File, FixtureError> {
    let file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(FILE_MODE)
        .open(path)
        .map_err(io_error("create", path))?;
    file.set_permissions(Permissions::from_mode(FILE_MODE))
        .map_err(io_error("set the mode of", path))?;
    Ok(file)
}

fn write_manifest(manifest: &Manifest, path: &Path) -> Result<(), FixtureError> {
    create(path)?
        .write_all(manifest.to_string().as_bytes())
        .map_err(io_error("write", path))
}

fn set_mode(path: &Path, mode: u32) -> Result<(), FixtureError> {
    fs::set_permissions(path, Permissions::from_mode(mode))
        .map_err(io_error("set the mode of", path))
}

/// The rename decides; this gives the usual mistakes a message of their own, before any work.
fn check_vacant(folder: &Path) -> Result<(), FixtureError> {
    let vacant = match fs::read_dir(folder) {
        Ok(mut entries) => entries.next().is_none(),
        Err(error) => error.kind() == io::ErrorKind::NotFound,
    };
    if vacant {
        Ok(())
    } else {
        Err(FixtureError::Occupied {
            path: folder.to_owned(),
        })
    }
}

fn absolute(dir: &Path) -> Result<PathBuf, FixtureError> {
    path::absolute(dir)
        .map(|path| normal(&path))
        .map_err(io_error("find the folder", dir))
}

/// Drops a trailing slash, so that `{dir}/name` has one slash.
fn normal(path: &Path) -> PathBuf {
    path.components().collect()
}

fn io_error(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> FixtureError {
    let path = path.to_owned();
    move |source| FixtureError::Io {
        action,
        path,
        source,
    }
}
