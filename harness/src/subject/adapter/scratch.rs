//! The writable places of an adapter's worker, emptied between cases.

use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, lchown};
use std::path::Path;

use walkdir::WalkDir;

use super::READER;

/// Where an adapter can write beside its state folder.
const PLACES: [&str; 2] = ["/tmp", "/run"];

/// Removes everything that earlier cases left. Files of a process that goes on are gone, too.
pub(super) fn clear() -> io::Result<()> {
    for place in PLACES.iter().filter(|place| Path::new(place).is_dir()) {
        empty(Path::new(place))?;
    }
    Ok(())
}

/// Empties a folder, but for what is mounted in it: an adapter may be started from there.
fn empty(place: &Path) -> io::Result<()> {
    let device = place.symlink_metadata()?.dev();
    let entries = WalkDir::new(place)
        .min_depth(1)
        .contents_first(true)
        .same_file_system(true);
    for entry in entries {
        let entry = entry?;
        let metadata = entry.path().symlink_metadata()?;
        if metadata.dev() != device {
            continue;
        }
        let removed = match metadata.is_dir() {
            true => fs::remove_dir(entry.path()),
            false => fs::remove_file(entry.path()),
        };
        match removed {
            // A folder on the way to what is mounted.
            Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => {}
            removed => removed?,
        }
    }
    Ok(())
}

/// Makes a folder that the adapter can write.
pub(super) fn make(path: &Path, labels: bool) -> io::Result<()> {
    fs::create_dir(path)?;
    if labels {
        return Ok(());
    }
    match lchown(path, Some(READER), Some(READER)) {
        // With one id only, the worker's own is also the adapter's.
        Err(error) if error.raw_os_error() == Some(libc::EINVAL) => Ok(()),
        made => made,
    }
}
