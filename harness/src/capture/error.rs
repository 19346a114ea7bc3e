//! Why nothing was captured.

use std::io;
use std::path::PathBuf;

use qconform_generators::capture;
use thiserror::Error;

use crate::reference::domain::DomainError;
use crate::reference::file::OpenError;

/// A case that can't be written down.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CaptureError {
    /// A file that has to be read can't be.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// A path leads nowhere.
    #[error("{}: {source}", path.display())]
    Path {
        /// The path, as given.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// An image's metadata can't be written down.
    #[error("{}: {source}", path.display())]
    Image {
        /// The image.
        path: PathBuf,
        /// Why not.
        source: capture::CaptureError,
    },
    /// The state of a file can't be read.
    #[error("{}: can't read its {what}: {source}", path.display())]
    State {
        /// The file.
        path: PathBuf,
        /// What of it.
        what: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// A chain of too many files.
    #[error("{}: the chain has more than {limit} files", path.display())]
    TooLong {
        /// The file that is one too many.
        path: PathBuf,
        /// How many there may be.
        limit: usize,
    },
    /// The text would be longer than what `generate` and `run` read.
    #[error("the recipe would have {size} bytes, the limit is {limit}")]
    TooLarge {
        /// Its length in bytes.
        size: usize,
        /// The longest that is read, in bytes.
        limit: usize,
    },
    /// The XML is no domain.
    #[error(transparent)]
    Domain(#[from] DomainError),
    /// The domain uses no file of this machine.
    #[error("the domain has no disk that is a file")]
    NoFiles,
    /// What was written can't be read back: a mistake in this program or a name nobody thought of.
    #[error("the case can't be expressed: {message}")]
    Inexpressible {
        /// Why not.
        message: String,
    },
}
