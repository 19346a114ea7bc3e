//! The shape that `chain --json` and `plan --json` share.

use serde::Serialize;

use super::violation::FileViolation;

/// What was found of a domain or an image; one that is refused has an error and no files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report<F> {
    /// One object for each use of each file.
    pub files: Vec<F>,
    /// What is odd and accepted.
    pub violations: Vec<FileViolation>,
    /// Why it is refused.
    pub error: Option<ErrorReport>,
}

impl<F> Report<F> {
    /// A report that has nothing but an error.
    #[must_use]
    pub fn refused(error: ErrorReport) -> Self {
        Self {
            files: Vec::new(),
            violations: Vec::new(),
            error: Some(error),
        }
    }
}

/// Why something is refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ErrorReport {
    /// The class.
    pub class: &'static str,
    /// A lowercase fragment.
    pub message: String,
    /// The file that it is about, if it is about one.
    pub path: Option<String>,
    /// Where in that file, in bytes.
    pub offset: Option<u64>,
}
