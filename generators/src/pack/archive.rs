//! A pack as one file.

use std::collections::BTreeMap;
use std::fs::{File, Metadata};
use std::io::{self, Write};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use tar::{Builder, EntryType, Header, HeaderMode};
use walkdir::WalkDir;

use super::{Annotations, PackError, write_into};
use crate::corpus::Entry;
use crate::manifest::Manifest;

/// Level of compression: the images are text and zeros, and higher ones gain little.
const LEVEL: i32 = 9;

/// Writes `entries` as a tar archive compressed with zstd, all or nothing. The file must not
/// exist. Owners, times and the order of names are the same everywhere.
///
/// # Errors
/// As [`super::write`].
pub fn write_archive(
    entries: impl IntoIterator<Item = Entry>,
    annotate: &mut dyn FnMut(&Entry, &Path) -> Annotations,
    path: &Path,
) -> Result<Manifest, PackError> {
    let parent = match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    let stage = tempfile::Builder::new()
        .prefix(".qconform-")
        .tempdir_in(parent)
        .map_err(PackError::Archive)?;
    let folder = stage.path().join("pack");
    std::fs::create_dir(&folder).map_err(PackError::Archive)?;
    let manifest = write_into(entries, annotate, &folder)?;
    let archive = tempfile::Builder::new()
        .permissions(readable())
        .tempfile_in(stage.path())
        .map_err(PackError::Archive)?;
    pack(&folder, archive.as_file()).map_err(PackError::Archive)?;
    archive
        .persist_noclobber(path)
        .map_err(|error| PackError::Archive(error.error))?;
    Ok(manifest)
}

/// Archives are shared; the umask still applies.
fn readable() -> std::fs::Permissions {
    std::os::unix::fs::PermissionsExt::from_mode(0o666)
}

fn pack(folder: &Path, archive: &File) -> io::Result<()> {
    let mut builder = Builder::new(zstd::Encoder::new(archive, LEVEL)?);
    builder.mode(HeaderMode::Deterministic);
    builder.follow_symlinks(false);
    // Whether a file has holes depends on the file system.
    builder.sparse(false);
    let mut links = BTreeMap::new();
    for entry in WalkDir::new(folder).min_depth(1).sort_by_file_name() {
        let entry = entry?;
        let name = entry
            .path()
            .strip_prefix(folder)
            .map_err(io::Error::other)?;
        append(
            &mut builder,
            entry.path(),
            name,
            &entry.metadata()?,
            &mut links,
        )
        .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", name.display())))?;
    }
    builder.into_inner()?.finish()?.flush()
}

/// `links` has the first name of each file that has several.
fn append(
    builder: &mut Builder<impl Write>,
    path: &Path,
    name: &Path,
    found: &Metadata,
    links: &mut BTreeMap<u64, PathBuf>,
) -> io::Result<()> {
    let mut header = Header::new_gnu();
    header.set_metadata_in_mode(found, HeaderMode::Deterministic);
    header.set_size(0);
    if found.file_type().is_fifo() {
        header.set_entry_type(EntryType::Fifo);
        return builder.append_data(&mut header, name, io::empty());
    }
    if !found.is_file() || found.nlink() == 1 {
        return builder.append_path_with_name(path, name);
    }
    let Some(first) = links.get(&found.ino()) else {
        links.insert(found.ino(), name.to_owned());
        return builder.append_path_with_name(path, name);
    };
    header.set_entry_type(EntryType::Link);
    builder.append_link(&mut header, name, first)
}
