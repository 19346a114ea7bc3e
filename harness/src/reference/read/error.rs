//! Why guest bytes can't be read.

use std::io;
use std::path::PathBuf;

use crate::reference::chain::ChainError;
use crate::reference::inspection::ProbeFailure;

/// Guest bytes can't be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The image's chain can't be used.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// A file of the chain can't be opened any more.
    #[error("{}: {failure}", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// What happened.
        failure: ProbeFailure,
    },
    /// The system couldn't read a file.
    #[error("{}: byte {offset}: {error}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Where in the file, in bytes.
        offset: u64,
        /// What the system said.
        error: io::Error,
    },
    /// The range reaches past the end of the virtual disk.
    #[error("{length} bytes at {offset} reach past the end of a disk of {size} bytes")]
    PastEnd {
        /// First guest byte.
        offset: u64,
        /// Number of bytes.
        length: u64,
        /// Virtual size in bytes.
        size: u64,
    },
    /// The range is longer than anybody should read at once.
    #[error("{0} bytes are too many for one read")]
    TooLong(u64),
    /// The image uses something that this reader doesn't have.
    #[error("{}: byte {offset}: {feature} is not supported", path.display())]
    Unsupported {
        /// The image.
        path: PathBuf,
        /// Where in the image, in bytes.
        offset: u64,
        /// What it uses.
        feature: &'static str,
    },
    /// The image's metadata is wrong.
    #[error("{}: byte {offset}: {message}", path.display())]
    Corrupt {
        /// The image.
        path: PathBuf,
        /// Where in the image, in bytes.
        offset: u64,
        /// What was found, a lowercase fragment.
        message: String,
    },
}

impl ReadError {
    /// The class as reports spell it.
    #[must_use]
    pub fn class(&self) -> &'static str {
        match self {
            Self::Chain(error) => error.class.as_str(),
            Self::Open { .. } | Self::Io { .. } => "unreadable-file",
            Self::PastEnd { .. } => "past-end",
            Self::TooLong(_) => "too-long",
            Self::Unsupported { .. } => "unsupported",
            Self::Corrupt { .. } => "corrupt",
        }
    }
}
