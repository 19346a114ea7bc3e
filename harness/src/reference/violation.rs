//! Oddities that are reported instead of being passed over in silence.

use serde::{Deserialize, Serialize};

use super::redact;

/// One deviation of an image from the qcow2 specification that doesn't stop it from opening.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Violation {
    /// Id of the requirement that isn't met, `header.` and a few words.
    pub requirement: &'static str,
    /// What was found, a lowercase fragment.
    pub message: String,
    /// Where in the image, in bytes.
    pub offset: u64,
}

/// A violation with the file that it was found in, for results that cover several files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileViolation {
    /// Id of the requirement that isn't met.
    pub requirement: String,
    /// What was found, a lowercase fragment.
    pub message: String,
    /// The file, made valid UTF-8.
    pub path: String,
    /// Where in the file, in bytes; absent where the file as a whole is meant.
    pub offset: Option<u64>,
}

impl FileViolation {
    /// A violation of a file as a whole.
    pub(crate) fn of_file(requirement: &str, path: &std::path::Path, message: String) -> Self {
        Self {
            requirement: requirement.to_owned(),
            message,
            path: redact::path(path),
            offset: None,
        }
    }
}
