//! Opening files that somebody else named, without ever hanging on one.

use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

/// A file can't be used as an image, whatever its contents.
#[derive(Debug, thiserror::Error)]
#[error("{}: {reason}", path.display())]
pub struct OpenError {
    /// The file, as given.
    pub path: PathBuf,
    /// Why not.
    pub reason: OpenReason,
}

/// Why a file can't be used as an image.
#[derive(Debug, thiserror::Error)]
pub enum OpenReason {
    /// There is no such file.
    #[error("no such file")]
    Missing,
    /// A folder, FIFO, socket or character device.
    #[error("is a {0}, not a regular file")]
    Special(&'static str),
    /// The system refused, or the file can't be read.
    #[error(transparent)]
    Io(io::Error),
}

impl OpenError {
    pub(crate) fn io(path: &Path, error: io::Error) -> Self {
        let reason = if error.kind() == io::ErrorKind::NotFound {
            OpenReason::Missing
        } else {
            OpenReason::Io(error)
        };
        let path = path.to_owned();
        Self { path, reason }
    }

    /// Whether it is a matter of privileges.
    pub(crate) fn is_refusal(&self) -> bool {
        let denied = io::ErrorKind::PermissionDenied;
        matches!(&self.reason, OpenReason::Io(error) if error.kind() == denied)
    }

    fn special(path: &Path, kind: &'static str) -> Self {
        Self {
            path: path.to_owned(),
            reason: OpenReason::Special(kind),
        }
    }
}

/// Opens a regular file or a block device for reading.
///
/// # Errors
///
/// [`OpenError`] where there is no such file, where it is of another kind, or where the system
/// refuses. A FIFO is refused, not waited for.
pub fn open_image(path: &Path) -> Result<File, OpenError> {
    // Asking first keeps the open away from device nodes, whose open may do things; asking the
    // descriptor again closes the gap between the two calls.
    let before = std::fs::metadata(path).map_err(|error| OpenError::io(path, error))?;
    require_image(path, &before)?;
    let file = File::options()
        .read(true)
        .custom_flags(OFlags::NONBLOCK.bits().cast_signed())
        .open(path)
        .map_err(|error| OpenError::io(path, error))?;
    let opened = file
        .metadata()
        .map_err(|error| OpenError::io(path, error))?;
    require_image(path, &opened)?;
    Ok(file)
}

fn require_image(path: &Path, metadata: &Metadata) -> Result<(), OpenError> {
    match special_kind(metadata) {
        Some("block device") | None => Ok(()),
        Some(kind) => Err(OpenError::special(path, kind)),
    }
}

/// What a file is if it isn't a regular one.
pub(crate) fn special_kind(metadata: &Metadata) -> Option<&'static str> {
    let kind = metadata.file_type();
    match kind {
        _ if kind.is_file() => None,
        _ if kind.is_dir() => Some("directory"),
        _ if kind.is_fifo() => Some("fifo"),
        _ if kind.is_socket() => Some("socket"),
        _ if kind.is_char_device() => Some("character device"),
        _ if kind.is_block_device() => Some("block device"),
        _ => Some("special file"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use rustix::fs::{FileType, Mode, mknodat};

    #[test]
    fn a_missing_file_is_told_apart_from_a_refused_one() {
        let error = open_image(Path::new("/nonexistent/image")).unwrap_err();
        assert!(matches!(error.reason, OpenReason::Missing));
    }

    #[rstest]
    #[case("/", "directory")]
    #[case("/dev/null", "character device")]
    fn a_special_file_is_refused(#[case] path: &str, #[case] kind: &str) {
        let error = open_image(Path::new(path)).unwrap_err();
        assert!(matches!(error.reason, OpenReason::Special(found) if found == kind));
    }

    #[test]
    fn a_fifo_is_refused_without_waiting_for_a_writer() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("fifo");
        mknodat(rustix::fs::CWD, &path, FileType::Fifo, Mode::RUSR, 0).unwrap();
        let error = open_image(&path).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("{}: is a fifo, not a regular file", path.display())
        );
    }
}
