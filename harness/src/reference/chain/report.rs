//! What `chain --json` reports.

use serde::Serialize;

use super::{Access, Chain, ChainError, ChainFile, Origin, Role};
use crate::reference::domain::DomainError;
use crate::reference::format::Format;
use crate::reference::redact;
use crate::reference::report::{ErrorReport, RemoteReport, Report};

/// A chain in the shape of `chain --json`.
pub type ChainReport = Report<ChainFileReport>;

/// One use of one file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ChainFileReport {
    /// Target of the disk, null for a chain that starts at an image.
    pub disk: Option<String>,
    /// Its place in the chain.
    pub role: Role,
    /// Where it is, made valid UTF-8.
    pub path: String,
    /// Its format.
    pub format: Format,
    /// `rw` or `ro`.
    pub access: Access,
    /// Layers above it.
    pub depth: u32,
    /// Who named it.
    pub source: Origin,
    /// The header's own name, if the domain declares another file.
    pub overridden: Option<NameReport>,
}

/// A name from a header.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NameReport {
    /// Up to the first NUL, made valid UTF-8.
    pub name: String,
    /// The whole payload in hexadecimal.
    pub name_hex: String,
}

impl From<&ChainError> for ErrorReport {
    fn from(error: &ChainError) -> Self {
        Self {
            class: error.class.as_str(),
            message: error.message.clone(),
            path: Some(redact::path(&error.path)),
            offset: error.offset,
        }
    }
}

impl From<&DomainError> for ErrorReport {
    fn from(error: &DomainError) -> Self {
        Self {
            class: error.fault.as_str(),
            message: redact::line(&error.to_string()),
            path: None,
            offset: None,
        }
    }
}

impl From<ChainError> for ErrorReport {
    fn from(error: ChainError) -> Self {
        Self::from(&error)
    }
}

impl From<DomainError> for ErrorReport {
    fn from(error: DomainError) -> Self {
        Self::from(&error)
    }
}

impl From<&Result<Chain, ChainError>> for ChainReport {
    fn from(result: &Result<Chain, ChainError>) -> Self {
        match result {
            Ok(chain) => Self {
                files: chain.files.iter().map(ChainFileReport::from).collect(),
                remote: chain.remote.iter().map(RemoteReport::from).collect(),
                violations: chain.violations.clone(),
                error: None,
            },
            Err(error) => Self::refused(error.into()),
        }
    }
}

impl From<&ChainFile> for ChainFileReport {
    fn from(file: &ChainFile) -> Self {
        Self {
            disk: file.disk.clone(),
            role: file.role,
            path: redact::path(&file.path),
            format: file.format,
            access: file.access,
            depth: file.depth,
            source: file.source,
            overridden: file.overridden.as_ref().map(|name| NameReport {
                name: name.text(),
                name_hex: name.hex(),
            }),
        }
    }
}
