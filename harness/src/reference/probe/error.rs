//! Why an image can't be opened.

use std::io;

/// One class of rejection; each stands for one rule of the qcow2 header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RejectClass {
    /// The first four bytes aren't qcow2's.
    BadMagic,
    /// The version is neither 2 nor 3.
    UnsupportedVersion,
    /// Clusters are smaller than 512 bytes or greater than 2 MiB.
    BadClusterSize,
    /// A version 3 header says that it is shorter than its mandatory part.
    HeaderTooShort,
    /// The header says that it is longer than a cluster.
    HeaderTooLong,
    /// The backing name starts outside the first cluster.
    BadBackingOffset,
    /// The compression type is neither deflate nor zstd.
    UnknownCompressionType,
    /// The compression type and its incompatible bit contradict each other.
    CompressionBit,
    /// An incompatible bit is set that nobody knows.
    UnknownFeature,
    /// Clusters are too small to hold 32 subclusters.
    BadSubclusterSize,
    /// Refcounts are wider than 64 bits.
    BadRefcountWidth,
    /// The refcount table has no clusters.
    NoRefcountTable,
    /// The refcount table is too large.
    RefcountTableTooLarge,
    /// The refcount table isn't aligned, or ends past the greatest offset.
    BadRefcountTableOffset,
    /// There are too many internal snapshots.
    SnapshotTableTooLarge,
    /// The snapshot table isn't aligned, or ends past the greatest offset.
    BadSnapshotTableOffset,
    /// An entry of the snapshot table is malformed.
    BadSnapshotTable,
    /// The active L1 table is too large.
    L1TableTooLarge,
    /// The active L1 table isn't aligned, or ends past the greatest offset.
    BadL1TableOffset,
    /// The virtual size is greater than an L1 table can map, or than QEMU can address.
    ImageTooLarge,
    /// The active L1 table doesn't cover the virtual size.
    L1TableTooSmall,
    /// The encryption method is unknown.
    UnknownEncryption,
    /// A header extension reaches past the end of the extension area.
    ExtensionTooLarge,
    /// The name of the backing format is too long.
    BackingFormatTooLong,
    /// The encryption extension is out of place or malformed.
    BadCryptoExtension,
    /// What the encryption extension points to isn't a LUKS header.
    BadCryptoHeader,
    /// The bitmaps extension is malformed.
    BadBitmapsExtension,
    /// The backing name is too long for its place.
    BackingNameTooLong,
    /// The system couldn't read the file.
    Unreadable,
}

impl RejectClass {
    /// The class as reports spell it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::BadMagic => "bad-magic",
            Self::UnsupportedVersion => "unsupported-version",
            Self::BadClusterSize => "bad-cluster-size",
            Self::HeaderTooShort => "header-too-short",
            Self::HeaderTooLong => "header-too-long",
            Self::BadBackingOffset => "bad-backing-offset",
            Self::UnknownCompressionType => "unknown-compression-type",
            Self::CompressionBit => "compression-bit",
            Self::UnknownFeature => "unknown-feature",
            Self::BadSubclusterSize => "bad-subcluster-size",
            Self::BadRefcountWidth => "bad-refcount-width",
            Self::NoRefcountTable => "no-refcount-table",
            Self::RefcountTableTooLarge => "refcount-table-too-large",
            Self::BadRefcountTableOffset => "bad-refcount-table-offset",
            Self::SnapshotTableTooLarge => "snapshot-table-too-large",
            Self::BadSnapshotTableOffset => "bad-snapshot-table-offset",
            Self::BadSnapshotTable => "bad-snapshot-table",
            Self::L1TableTooLarge => "l1-table-too-large",
            Self::BadL1TableOffset => "bad-l1-table-offset",
            Self::ImageTooLarge => "image-too-large",
            Self::L1TableTooSmall => "l1-table-too-small",
            Self::UnknownEncryption => "unknown-encryption",
            Self::ExtensionTooLarge => "extension-too-large",
            Self::BackingFormatTooLong => "backing-format-too-long",
            Self::BadCryptoExtension => "bad-crypto-extension",
            Self::BadCryptoHeader => "bad-crypto-header",
            Self::BadBitmapsExtension => "bad-bitmaps-extension",
            Self::BackingNameTooLong => "backing-name-too-long",
            Self::Unreadable => "unreadable",
        }
    }
}

/// A rejected image.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message} (at byte {offset})")]
pub struct ProbeError {
    /// Which rule the image breaks.
    pub class: RejectClass,
    /// What was found, a lowercase fragment.
    pub message: String,
    /// Where in the image, in bytes.
    pub offset: u64,
}

impl ProbeError {
    pub(crate) fn new(class: RejectClass, offset: u64, message: impl Into<String>) -> Self {
        let message = message.into();
        Self {
            class,
            message,
            offset,
        }
    }
}

impl From<io::Error> for ProbeError {
    fn from(error: io::Error) -> Self {
        Self::new(RejectClass::Unreadable, 0, error.to_string())
    }
}
