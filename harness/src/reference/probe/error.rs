//! Why an image can't be opened.

use std::io;

/// Declares the classes with the names that reports give them.
macro_rules! classes {
    ($($(#[doc = $doc:literal])+ $class:ident = $name:literal,)+) => {
        /// One class of rejection; each stands for one rule of the format or limit of QEMU's.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum RejectClass {
            $($(#[doc = $doc])+ $class,)+
        }

        impl RejectClass {
            /// Every class, in the order in which an image is examined.
            pub const ALL: &[RejectClass] = &[$(RejectClass::$class,)+];

            /// The class as reports spell it.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$class => $name,)+
                }
            }
        }
    };
}

classes! {
    /// The first four bytes aren't qcow2's.
    BadMagic = "bad-magic",
    /// The version is neither 2 nor 3.
    UnsupportedVersion = "unsupported-version",
    /// Clusters are smaller than 512 bytes or greater than 2 MiB.
    BadClusterSize = "bad-cluster-size",
    /// A version 3 header says that it is shorter than its mandatory part.
    HeaderTooShort = "header-too-short",
    /// The header says that it is longer than a cluster.
    HeaderTooLong = "header-too-long",
    /// The backing name starts outside the first cluster.
    BadBackingOffset = "bad-backing-offset",
    /// The compression type is neither deflate nor zstd.
    UnknownCompressionType = "unknown-compression-type",
    /// The compression type and its incompatible bit contradict each other.
    CompressionBit = "compression-bit",
    /// An incompatible bit is set that nobody knows.
    UnknownFeature = "unknown-feature",
    /// Clusters are too small to hold 32 subclusters.
    BadSubclusterSize = "bad-subcluster-size",
    /// Refcounts are wider than 64 bits.
    BadRefcountWidth = "bad-refcount-width",
    /// The refcount table has no clusters.
    NoRefcountTable = "no-refcount-table",
    /// The refcount table is too large.
    RefcountTableTooLarge = "refcount-table-too-large",
    /// The refcount table isn't aligned, or ends past the greatest offset.
    BadRefcountTableOffset = "bad-refcount-table-offset",
    /// There are too many internal snapshots.
    SnapshotTableTooLarge = "snapshot-table-too-large",
    /// The snapshot table isn't aligned, or ends past the greatest offset.
    BadSnapshotTableOffset = "bad-snapshot-table-offset",
    /// The active L1 table is too large.
    L1TableTooLarge = "l1-table-too-large",
    /// The active L1 table isn't aligned, or ends past the greatest offset.
    BadL1TableOffset = "bad-l1-table-offset",
    /// The virtual size needs more L1 entries than QEMU counts.
    ImageTooLarge = "image-too-large",
    /// The active L1 table doesn't cover the virtual size.
    L1TableTooSmall = "l1-table-too-small",
    /// The active L1 table lies where no file reaches.
    L1TableUnreadable = "l1-table-unreadable",
    /// The encryption method is unknown.
    UnknownEncryption = "unknown-encryption",
    /// The refcount table lies where no file reaches.
    RefcountTableUnreadable = "refcount-table-unreadable",
    /// A header extension reaches past the end of the extension area.
    ExtensionTooLarge = "extension-too-large",
    /// The name of the backing format is too long.
    BackingFormatTooLong = "backing-format-too-long",
    /// There is an encryption extension without LUKS.
    UnexpectedCryptoExtension = "unexpected-crypto-extension",
    /// The encryption extension has another length than it must have.
    BadCryptoExtension = "bad-crypto-extension",
    /// The LUKS header isn't aligned.
    BadCryptoOffset = "bad-crypto-offset",
    /// The LUKS header doesn't fit in its area, or lies where no file reaches.
    CryptoHeaderUnreadable = "crypto-header-unreadable",
    /// What the encryption extension points to isn't a LUKS header.
    NotLuks = "not-luks",
    /// The version of LUKS isn't 1.
    LuksVersion = "luks-version",
    /// A field of the LUKS header, or of one of its key slots, contradicts another.
    BadLuksHeader = "bad-luks-header",
    /// The LUKS header asks for a cipher, mode or hash that QEMU doesn't have.
    UnknownLuksCipher = "unknown-luks-cipher",
    /// The bitmaps extension has another length than it must have.
    BadBitmapsExtension = "bad-bitmaps-extension",
    /// The reserved field of the bitmaps extension isn't zero.
    BitmapsReserved = "bitmaps-reserved",
    /// The bitmaps extension says that there are more bitmaps than QEMU reads.
    TooManyBitmaps = "too-many-bitmaps",
    /// The bitmaps extension says that there are no bitmaps.
    NoBitmaps = "no-bitmaps",
    /// The bitmap directory isn't aligned.
    BadBitmapDirectoryOffset = "bad-bitmap-directory-offset",
    /// The bitmap directory is larger than QEMU reads.
    BitmapDirectoryTooLarge = "bitmap-directory-too-large",
    /// LUKS encryption has no extension that says where its header is.
    MissingCryptoExtension = "missing-crypto-extension",
    /// The backing name is too long for its place.
    BackingNameTooLong = "backing-name-too-long",
    /// The snapshot table lies where no file reaches.
    SnapshotTableUnreadable = "snapshot-table-unreadable",
    /// A snapshot has more extra data than QEMU reads.
    SnapshotExtraData = "snapshot-extra-data",
    /// The snapshot table is longer than QEMU reads.
    SnapshotTableTooLong = "snapshot-table-too-long",
    /// The bitmap directory is empty.
    EmptyBitmapDirectory = "empty-bitmap-directory",
    /// The bitmap directory lies where no file reaches.
    BitmapDirectoryUnreadable = "bitmap-directory-unreadable",
    /// An entry reaches past the end of the bitmap directory.
    BrokenBitmapDirectory = "broken-bitmap-directory",
    /// The directory has more bitmaps than the extension says.
    MoreBitmaps = "more-bitmaps",
    /// The directory has fewer bitmaps than the extension says.
    FewerBitmaps = "fewer-bitmaps",
    /// A bitmap has extra data, which nobody knows.
    BitmapExtraData = "bitmap-extra-data",
    /// An entry of the bitmap directory has a field outside its limits.
    BadBitmap = "bad-bitmap",
    /// Two bitmaps have one name.
    DuplicateBitmap = "duplicate-bitmap",
    /// A bitmap table lies where no file reaches, or an entry of it is malformed.
    BadBitmapTable = "bad-bitmap-table",
    /// A bitmap table doesn't have an entry for each cluster of bits.
    BadBitmapLength = "bad-bitmap-length",
    /// All bitmap tables together are more than anybody can load.
    TooManyBitmapEntries = "too-many-bitmap-entries",
    /// The virtual size is greater than QEMU's block layer addresses.
    DiskTooLarge = "disk-too-large",
    /// The system couldn't read the file.
    Unreadable = "unreadable",
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
