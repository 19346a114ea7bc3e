//! Why a file can't be captured.

use std::io;

use thiserror::Error;

/// A file whose metadata can't be written down. The caller knows which file it is.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CaptureError {
    /// The system refused.
    #[error("cannot {action} at byte {at}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// Where in the file, in bytes.
        at: u64,
        /// What the system said.
        source: io::Error,
    },
    /// There is more than a recipe should hold.
    #[error("{what} go over the limit of {limit} at byte {at}")]
    TooLarge {
        /// What there is too much of, with its unit.
        what: &'static str,
        /// How much there may be.
        limit: u64,
        /// Where it was noticed, in bytes.
        at: u64,
    },
}
