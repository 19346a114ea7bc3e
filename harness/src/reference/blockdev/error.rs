//! Why a graph can't be described.

/// There is no node for a part of a chain.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BlockdevError {
    /// QEMU has no driver for the format, or this system doesn't know its options.
    #[error("disk {disk}: there is no node for images of format {format}")]
    UnsupportedFormat {
        /// The disk's target.
        disk: String,
        /// The format.
        format: &'static str,
    },
    /// The source isn't a file, a block device or a declared NBD export.
    #[error("disk {disk}: there is no node for a source of kind {protocol}")]
    UnsupportedSource {
        /// The disk's target.
        disk: String,
        /// Its protocol, or the kind of source.
        protocol: String,
    },
    /// The XML declares a layer below an image that can't have one.
    #[error("disk {disk}: images of format {format} have no backing images")]
    UnexpectedBacking {
        /// The disk's target.
        disk: String,
        /// The format.
        format: &'static str,
    },
    /// QEMU takes JSON, which has no other strings.
    #[error("file name is not utf-8")]
    NotUtf8 {
        /// The path, made valid UTF-8.
        path: String,
    },
}

impl BlockdevError {
    /// The class as reports spell it.
    #[must_use]
    pub fn class(&self) -> &'static str {
        match self {
            Self::UnsupportedFormat { .. } => "unsupported-format",
            Self::UnsupportedSource { .. } => "unsupported-source",
            Self::UnexpectedBacking { .. } => "unexpected-backing",
            Self::NotUtf8 { .. } => "name-not-utf-8",
        }
    }

    pub(super) fn path(&self) -> Option<&str> {
        match self {
            Self::NotUtf8 { path } => Some(path),
            Self::UnsupportedFormat { .. }
            | Self::UnsupportedSource { .. }
            | Self::UnexpectedBacking { .. } => None,
        }
    }
}
