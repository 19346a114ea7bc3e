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
    /// The disk has something that needs nodes or options which this system doesn't know.
    #[error("disk {disk}: {option} is not described")]
    UnsupportedOption {
        /// The disk's target.
        disk: String,
        /// Its name in the XML, or in the header.
        option: &'static str,
    },
    /// An image is encrypted, and the XML names no secret that opens it.
    #[error("disk {disk}: no secret is declared for the encrypted image at depth {depth}")]
    MissingSecret {
        /// The disk's target.
        disk: String,
        /// Layers above the image.
        depth: u32,
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
            Self::UnsupportedOption { .. } => "unsupported-option",
            Self::MissingSecret { .. } => "missing-secret",
            Self::UnexpectedBacking { .. } => "unexpected-backing",
            Self::NotUtf8 { .. } => "name-not-utf-8",
        }
    }

    pub(super) fn path(&self) -> Option<&str> {
        match self {
            Self::NotUtf8 { path } => Some(path),
            _ => None,
        }
    }
}
