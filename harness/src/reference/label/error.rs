//! Why labels couldn't be set or given back.

use std::path::{Path, PathBuf};

/// A failure at one file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {message}", path.display())]
pub struct ApplyError {
    /// Why.
    pub class: ApplyClass,
    /// The file.
    pub path: PathBuf,
    /// What happened, a lowercase fragment.
    pub message: String,
    /// What could not be given back afterwards; empty where a failed start left no trace.
    pub left_behind: Vec<String>,
}

/// One class of failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ApplyClass {
    /// The path means another file than the plan's.
    Changed,
    /// There is no such file.
    Missing,
    /// Another domain uses the file and needs another owner or label.
    InUse,
    /// Another relabeller holds the file for too long.
    Busy,
    /// The owner or label can't be read or set.
    Refused,
    /// Changing the owner would drop set-id bits or file capabilities.
    Privileges,
    /// The file's owner, or the one that it would get, doesn't exist in this user namespace.
    UnmappedId,
    /// The file would be written, and its file system can't be.
    ReadOnly,
    /// A record can't be read or written.
    Record,
}

impl ApplyClass {
    /// The class as reports spell it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Changed => "changed",
            Self::Missing => "missing",
            Self::InUse => "in-use",
            Self::Busy => "busy",
            Self::Refused => "refused",
            Self::Privileges => "privileged-file",
            Self::UnmappedId => "unmapped-id",
            Self::ReadOnly => "read-only-file-system",
            Self::Record => "record",
        }
    }
}

impl ApplyError {
    pub(super) fn new(class: ApplyClass, path: &Path, message: impl Into<String>) -> Self {
        Self {
            class,
            path: path.to_owned(),
            message: message.into(),
            left_behind: Vec::new(),
        }
    }
}
