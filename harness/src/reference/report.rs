//! The shape that `chain --json` and `plan --json` share.

use serde::Serialize;

use super::chain::{Access, Origin, RemoteFile, Role};
use super::format::Format;

use super::violation::FileViolation;

/// What was found of a domain or an image; one that is refused has an error and no files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report<F> {
    /// One object for each use of each file.
    pub files: Vec<F>,
    /// What is used and is no file of this host; left out where there is nothing.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub remote: Vec<RemoteReport>,
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
            remote: Vec::new(),
            violations: Vec::new(),
            error: Some(error),
        }
    }
}

/// One use of something that is no file of this host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RemoteReport {
    /// Target of the disk.
    pub disk: Option<String>,
    /// Its place in the chain.
    pub role: Role,
    /// Its protocol, or the kind of its source.
    pub protocol: String,
    /// Its format.
    pub format: Format,
    /// `rw` or `ro`.
    pub access: Access,
    /// Layers above it.
    pub depth: u32,
    /// Who named it.
    pub source: Origin,
}

impl From<&RemoteFile> for RemoteReport {
    fn from(file: &RemoteFile) -> Self {
        Self {
            disk: file.disk.clone(),
            role: file.role,
            protocol: file.remote.to_string(),
            format: file.format,
            access: file.access,
            depth: file.depth,
            source: file.source,
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
