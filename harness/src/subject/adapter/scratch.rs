//! The writable places of an adapter's worker, emptied between cases.

use std::fs;
use std::io;
use std::os::unix::fs::lchown;
use std::path::Path;

use super::READER;

/// Where an adapter can write beside its state folder.
const PLACES: [&str; 2] = ["/tmp", "/run"];

/// Removes everything that earlier cases left. Files of a process that goes on are gone, too.
pub(super) fn clear() -> io::Result<()> {
    for place in PLACES.iter().filter(|place| Path::new(place).is_dir()) {
        for entry in fs::read_dir(place)? {
            remove(&entry?.path())?;
        }
    }
    Ok(())
}

fn remove(path: &Path) -> io::Result<()> {
    match path.symlink_metadata()?.is_dir() {
        true => fs::remove_dir_all(path),
        false => fs::remove_file(path),
    }
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
