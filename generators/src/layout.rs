//! On-disk constants of qcow2: offsets, magics, feature bits and limits.
//!
//! Constants only, so that a reader can share them with this crate's writers and still be an
//! independent check of them. All integers on disk are big endian. Each module names the
//! chapter of the qcow2 specification (`docs/interop/qcow2.rst` in QEMU) that it stands for.

/// The first four bytes of an image: `QFI` and 0xfb. Specification: Header.
pub const MAGIC: u32 = 0x5146_49fb;

/// Offsets of the header's fields in bytes from the start of the file, with the length of each.
/// Specification: Header.
pub mod header {
    /// `u32`, [`super::MAGIC`].
    pub const MAGIC: usize = 0;
    /// `u32`, 2 or 3.
    pub const VERSION: usize = 4;
    /// `u64`, where the backing name starts in the file; 0 means no backing image.
    pub const BACKING_OFFSET: usize = 8;
    /// `u32`, length of the backing name in bytes; the name has no terminator.
    pub const BACKING_LENGTH: usize = 16;
    /// `u32`, the cluster size as a power of two.
    pub const CLUSTER_BITS: usize = 20;
    /// `u64`, virtual size in bytes.
    pub const SIZE: usize = 24;
    /// `u32`, 0 none, 1 AES, 2 LUKS.
    pub const CRYPT_METHOD: usize = 32;
    /// `u32`, number of entries in the active L1 table.
    pub const L1_SIZE: usize = 36;
    /// `u64`, offset of the active L1 table, cluster aligned.
    pub const L1_TABLE_OFFSET: usize = 40;
    /// `u64`, offset of the refcount table, cluster aligned.
    pub const REFCOUNT_TABLE_OFFSET: usize = 48;
    /// `u32`, number of clusters that the refcount table takes.
    pub const REFCOUNT_TABLE_CLUSTERS: usize = 56;
    /// `u32`, number of internal snapshots.
    pub const SNAPSHOT_COUNT: usize = 60;
    /// `u64`, offset of the snapshot table, cluster aligned.
    pub const SNAPSHOTS_OFFSET: usize = 64;
    /// `u64`, incompatible feature bits; version 3 only, like every field below.
    pub const INCOMPATIBLE_FEATURES: usize = 72;
    /// `u64`, compatible feature bits.
    pub const COMPATIBLE_FEATURES: usize = 80;
    /// `u64`, autoclear feature bits.
    pub const AUTOCLEAR_FEATURES: usize = 88;
    /// `u32`, width of a refcount in bits as a power of two; version 2 means 4.
    pub const REFCOUNT_ORDER: usize = 96;
    /// `u32`, length of the header in bytes; version 2 means [`LENGTH_V2`].
    pub const HEADER_LENGTH: usize = 100;
    /// `u8`, 0 deflate, 1 zstd; a field only if the header is longer than 104 bytes.
    pub const COMPRESSION_TYPE: usize = 104;

    /// Length of a version 2 header, which is also where its extensions start.
    pub const LENGTH_V2: usize = 72;
    /// Length of the shortest version 3 header.
    pub const LENGTH_V3_MIN: usize = 104;
    /// Length of a version 3 header with the compression type, as QEMU writes it.
    pub const LENGTH_V3: usize = 112;
}

/// Incompatible feature bits as masks: a reader that does not know one must refuse the image.
/// Specification: Header, incompatible_features.
pub mod incompatible {
    /// Bit 0: refcounts may be inconsistent.
    pub const DIRTY: u64 = 1 << 0;
    /// Bit 1: a structure may be corrupt, writing is refused.
    pub const CORRUPT: u64 = 1 << 1;
    /// Bit 2: guest clusters live in an external data file.
    pub const DATA_FILE: u64 = 1 << 2;
    /// Bit 3: the compression type is not deflate.
    pub const COMPRESSION_TYPE: u64 = 1 << 3;
    /// Bit 4: L2 entries are 16 bytes long and describe subclusters.
    pub const EXTENDED_L2: u64 = 1 << 4;
}

/// Compatible feature bits as masks: unknown ones can be ignored.
/// Specification: Header, compatible_features.
pub mod compatible {
    /// Bit 0: refcount updates may be postponed.
    pub const LAZY_REFCOUNTS: u64 = 1 << 0;
}

/// Autoclear feature bits as masks: a writer clears those that it does not know.
/// Specification: Header, autoclear_features.
pub mod autoclear {
    /// Bit 0: the bitmaps extension is consistent.
    pub const BITMAPS: u64 = 1 << 0;
    /// Bit 1: the data file alone is a valid raw image of the guest's disk.
    pub const DATA_FILE_RAW: u64 = 1 << 1;
}

/// Header extensions: `u32` type, `u32` length, data, padding to a multiple of 8 bytes.
/// Specification: Header extensions.
pub mod extension {
    /// Bytes of type and length in front of an extension's data.
    pub const HEAD_LENGTH: usize = 8;
    /// Data is padded to a multiple of this many bytes.
    pub const ALIGNMENT: usize = 8;
    /// Ends the extension area.
    pub const END: u32 = 0;
    /// Name of the backing image's format.
    pub const BACKING_FORMAT: u32 = 0xe279_2aca;
    /// Name of the external data file, `DATA` in ASCII.
    pub const DATA_FILE: u32 = 0x4441_5441;
    /// Names of feature bits, for messages about unknown ones.
    pub const FEATURE_NAMES: u32 = 0x6803_f857;
    /// Where the LUKS header is.
    pub const CRYPTO: u32 = 0x0537_be77;
    /// Where the bitmap directory is.
    pub const BITMAPS: u32 = 0x2385_2875;
}

/// Entries of the L1, L2 and refcount tables.
/// Specification: Cluster mapping; Host cluster management.
pub mod entry {
    /// Length of an L1, a standard L2 or a refcount table entry in bytes.
    pub const LENGTH: u64 = 8;
    /// Length of an extended L2 entry in bytes: a standard one, then 32 bits that say which
    /// subclusters read as zeros, then 32 bits that say which are allocated.
    pub const EXTENDED_LENGTH: u64 = 16;
    /// Subclusters in a cluster.
    pub const SUBCLUSTERS: u32 = 32;
    /// What compressed streams are counted in, in bytes.
    pub const SECTOR: u64 = 512;
    /// Bit 63 of L1 and L2 entries: the refcount is exactly one.
    pub const COPIED: u64 = 1 << 63;
    /// Bit 62 of an L2 entry: the cluster is compressed.
    pub const COMPRESSED: u64 = 1 << 62;
    /// Bit 0 of a standard L2 entry: the cluster reads as zeros; version 3 only.
    pub const ZERO: u64 = 1;
    /// Bits 9 to 55 of L1 and standard L2 entries: the host offset in bytes.
    pub const OFFSET_MASK: u64 = 0x00ff_ffff_ffff_fe00;
    /// Bits 9 to 63 of a refcount table entry: the block's offset in bytes.
    pub const REFCOUNT_BLOCK_MASK: u64 = 0xffff_ffff_ffff_fe00;
}

/// An entry of the snapshot table: fields, extra data, id, name, padding.
/// Specification: Snapshots.
pub mod snapshot {
    /// Length of the fields in front of the extra data in bytes.
    pub const LENGTH: usize = 40;
    /// Entries are padded to a multiple of this many bytes.
    pub const ALIGNMENT: usize = 8;
}

/// An entry of the bitmap directory: fields, extra data, name, padding. Specification: Bitmaps.
pub mod bitmap {
    /// Length of the fields in front of the extra data in bytes.
    pub const LENGTH: usize = 24;
    /// Entries are padded to a multiple of this many bytes.
    pub const ALIGNMENT: usize = 8;
    /// Flag bit 0: the bitmap was not stored properly.
    pub const IN_USE: u32 = 1 << 0;
    /// Flag bit 1: the bitmap records writes from the moment the image is opened.
    pub const AUTO: u32 = 1 << 1;
    /// The only type there is.
    pub const TYPE_DIRTY_TRACKING: u8 = 1;
    /// A bitmap table entry for a cluster of ones, which has no offset.
    pub const TABLE_ONES: u64 = 1;
}

/// Methods of encryption in the header. Specification: Header, crypt_method.
pub mod crypt {
    /// AES-CBC with a key from the passphrase itself.
    pub const AES: u32 = 1;
    /// LUKS, with a header that the crypto extension points to.
    pub const LUKS: u32 = 2;
}

/// What a field may hold, by the specification or, where that is silent, by QEMU.
pub mod limit {
    /// Smallest `cluster_bits`: 512 bytes. Specification: Header.
    pub const CLUSTER_BITS_MIN: u32 = 9;
    /// Largest `cluster_bits` that QEMU opens: 2 MiB.
    pub const CLUSTER_BITS_MAX: u32 = 21;
    /// Longest backing name in bytes. Specification: Header, backing_file_size.
    pub const BACKING_LENGTH_MAX: usize = 1023;
    /// Longest backing format name in bytes that QEMU opens.
    pub const BACKING_FORMAT_LENGTH_MAX: usize = 15;
    /// Most L1 entries that QEMU opens: a table of 32 MiB.
    pub const L1_ENTRIES_MAX: u64 = (32 << 20) / super::entry::LENGTH;
    /// Largest refcount table in bytes that QEMU opens: 8 MiB.
    pub const REFCOUNT_TABLE_BYTES_MAX: u64 = 8 << 20;
    /// Largest `refcount_order`: 64 bits. Specification: Header.
    pub const REFCOUNT_ORDER_MAX: u32 = 6;
    /// The `refcount_order` of version 2 and of every image that QEMU makes by default.
    pub const REFCOUNT_ORDER_DEFAULT: u32 = 4;
    /// Smallest `cluster_bits` with extended L2 entries: subclusters of 512 bytes.
    pub const EXTENDED_CLUSTER_BITS_MIN: u32 = 14;
    /// Length of the name of a feature bit in bytes. Specification: Feature name table.
    pub const FEATURE_NAME_LENGTH: usize = 46;
    /// Longest name of a bitmap in bytes that QEMU opens.
    pub const BITMAP_NAME_LENGTH_MAX: usize = 1023;
    /// Granularities of bitmaps as powers of two that QEMU opens.
    pub const BITMAP_GRANULARITY_BITS: std::ops::RangeInclusive<u32> = 9..=31;
    /// Most bytes that the bits of a bitmap may take in QEMU.
    pub const BITMAP_BYTES_MAX: u64 = 512 << 20;
    /// Most extra data of a snapshot in bytes that QEMU opens.
    pub const SNAPSHOT_EXTRA_LENGTH_MAX: u32 = 1024;
    /// Most internal snapshots that QEMU opens.
    pub const SNAPSHOTS_MAX: u32 = 65_536;
}
