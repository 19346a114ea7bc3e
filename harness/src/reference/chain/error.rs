//! Why a chain is refused.

use std::path::{Path, PathBuf};

use crate::reference::file::{OpenError, OpenReason};
use crate::reference::inspection::ProbeFailure;
use crate::reference::probe::RejectClass;

/// A chain that must not be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {message}", path.display())]
pub struct ChainError {
    /// Why.
    pub class: ChainClass,
    /// The file that it is about.
    pub path: PathBuf,
    /// Where in that file, in bytes, if a header is at fault.
    pub offset: Option<u64>,
    /// What was found, a lowercase fragment.
    pub message: String,
}

/// One class of refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ChainClass {
    /// An image's header can't be accepted.
    Header(RejectClass),
    /// A file doesn't exist.
    MissingFile,
    /// A file can't be examined or read.
    UnreadableFile,
    /// A file is neither regular nor, where that is allowed, a block device.
    SpecialFile,
    /// A name that QEMU reads literally and libvirt would interpret.
    AmbiguousName,
    /// A header names a file with no name at all.
    EmptyName,
    /// The image uses a data file that nobody names.
    DataFileWithoutName,
    /// A data store is declared for an image that uses no data file.
    UnusedDataStore,
    /// An image whose format nobody declared names another file.
    UndeclaredFormat,
    /// The format could name further files and isn't read here.
    UnsupportedFormat,
    /// Encryption is declared for an image whose header has none, or another.
    EncryptionMismatch,
    /// A data file is the image that names it.
    SelfReference,
    /// A backing chain comes back to one of its own images.
    Loop,
    /// There are more layers than anybody needs.
    TooDeep,
    /// One file is used in two ways that need different labels.
    ConflictingRoles,
    /// The caller's policy forbids it.
    Policy,
    /// A file changed while it was examined.
    Changed,
}

impl ChainClass {
    /// The class as reports spell it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Header(class) => class.as_str(),
            Self::MissingFile => "missing-file",
            Self::UnreadableFile => "unreadable-file",
            Self::SpecialFile => "special-file",
            Self::AmbiguousName => "ambiguous-name",
            Self::EmptyName => "empty-name",
            Self::DataFileWithoutName => "data-file-without-name",
            Self::UnusedDataStore => "unused-data-store",
            Self::UndeclaredFormat => "undeclared-format",
            Self::UnsupportedFormat => "unsupported-format",
            Self::EncryptionMismatch => "encryption-mismatch",
            Self::SelfReference => "self-reference",
            Self::Loop => "loop",
            Self::TooDeep => "too-deep",
            Self::ConflictingRoles => "conflicting-roles",
            Self::Policy => "policy",
            Self::Changed => "changed",
        }
    }
}

impl ChainError {
    pub(crate) fn new(class: ChainClass, path: &Path, message: impl Into<String>) -> Self {
        Self {
            class,
            path: path.to_owned(),
            offset: None,
            message: message.into(),
        }
    }

    pub(super) fn of_probe(path: &Path, failure: ProbeFailure) -> Self {
        match failure {
            ProbeFailure::Open(error) => error.into(),
            ProbeFailure::Probe(error) => Self {
                offset: Some(error.offset),
                ..Self::new(ChainClass::Header(error.class), path, error.message)
            },
        }
    }
}

impl From<OpenError> for ChainError {
    fn from(error: OpenError) -> Self {
        let class = match error.reason {
            OpenReason::Missing => ChainClass::MissingFile,
            OpenReason::Special(_) => ChainClass::SpecialFile,
            OpenReason::Io(_) => ChainClass::UnreadableFile,
        };
        Self::new(class, &error.path, error.reason.to_string())
    }
}
