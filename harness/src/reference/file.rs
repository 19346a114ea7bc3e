//! Opening files that somebody else named, without ever hanging on one.

use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FileType, OFlags, fstat};

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
/// The path is the caller's own. One that a header names is looked at before, see
/// [`super::chain`], because opening a device node may do things.
///
/// # Errors
///
/// [`OpenError`] where there is no such file, where it is of another kind, or where the system
/// refuses. A FIFO is refused, not waited for.
pub fn open_image(path: &Path) -> Result<File, OpenError> {
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = File::options()
        .read(true)
        .custom_flags(flags.bits().cast_signed())
        .open(path)
        .map_err(|error| not_opened(path, error))?;
    // What was opened is asked, not the path, which may mean another file by now.
    let opened = fstat(&file).map_err(|error| OpenError::io(path, error.into()))?;
    match FileType::from_raw_mode(opened.st_mode) {
        FileType::RegularFile | FileType::BlockDevice => Ok(file),
        kind => Err(OpenError::special(path, name_of(kind))),
    }
}

/// Sockets and some device nodes can't be opened, and the system's reason doesn't say why.
fn not_opened(path: &Path, error: io::Error) -> OpenError {
    let kind = std::fs::metadata(path).ok();
    match kind.as_ref().and_then(special_kind) {
        Some("block device") | None => OpenError::io(path, error),
        Some(kind) => OpenError::special(path, kind),
    }
}

/// What a file is if it isn't a regular one.
pub(crate) fn special_kind(metadata: &Metadata) -> Option<&'static str> {
    match FileType::from_raw_mode(metadata.mode()) {
        FileType::RegularFile => None,
        kind => Some(name_of(kind)),
    }
}

fn name_of(kind: FileType) -> &'static str {
    match kind {
        FileType::Directory => "directory",
        FileType::Fifo => "fifo",
        FileType::Socket => "socket",
        FileType::CharacterDevice => "character device",
        FileType::BlockDevice => "block device",
        _ => "special file",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use rustix::fs::{Mode, mknodat};
    use std::os::unix::net::UnixListener;

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
    fn a_socket_is_refused_for_what_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("socket");
        let _listener = UnixListener::bind(&path).unwrap();
        let error = open_image(&path).unwrap_err();
        assert!(matches!(error.reason, OpenReason::Special("socket")));
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
