//! What `blockdev --json` reports.

use serde::Serialize;

use super::{BlockdevError, DiskGraph};
use crate::reference::report::ErrorReport;
use crate::reference::violation::FileViolation;

/// A graph in the shape of `blockdev --json`; one that is refused has an error and no disks.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct BlockdevReport {
    /// The nodes of every disk that has a source.
    pub disks: Vec<DiskGraph>,
    /// What is odd and accepted.
    pub violations: Vec<FileViolation>,
    /// Why it is refused.
    pub error: Option<ErrorReport>,
}

impl From<BlockdevError> for ErrorReport {
    fn from(error: BlockdevError) -> Self {
        Self {
            class: error.class(),
            message: error.to_string(),
            path: error.path().map(str::to_owned),
            offset: None,
        }
    }
}
