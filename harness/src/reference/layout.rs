//! Where things are in a qcow2 header (qcow2 specification, Header and Header extensions).
//!
//! Offsets and lengths are in bytes, numbers on disk are big endian.

/// The first four bytes of every QCOW image, version 1 included.
pub const MAGIC: [u8; 4] = *b"QFI\xfb";
/// Offset of the version, 32 bits.
pub const VERSION: u64 = 4;
/// Offset of the backing name's offset, 64 bits; 0 means that there is none.
pub const BACKING_OFFSET: u64 = 8;
/// Offset of the backing name's length, 32 bits.
pub const BACKING_SIZE: u64 = 16;
/// Offset of the binary logarithm of the cluster size, 32 bits.
pub const CLUSTER_BITS: u64 = 20;
/// Offset of the virtual size in bytes, 64 bits.
pub const SIZE: u64 = 24;
/// Offset of the encryption method, 32 bits.
pub const CRYPT_METHOD: u64 = 32;
/// Offset of the number of entries of the active L1 table, 32 bits.
pub const L1_SIZE: u64 = 36;
/// Offset of the active L1 table's offset, 64 bits.
pub const L1_OFFSET: u64 = 40;
/// Offset of the refcount table's offset, 64 bits.
pub const REFCOUNT_TABLE_OFFSET: u64 = 48;
/// Offset of the refcount table's length in clusters, 32 bits.
pub const REFCOUNT_TABLE_CLUSTERS: u64 = 56;
/// Offset of the number of internal snapshots, 32 bits.
pub const SNAPSHOTS: u64 = 60;
/// Offset of the snapshot table's offset, 64 bits.
pub const SNAPSHOTS_OFFSET: u64 = 64;
/// Offset of the incompatible features, 64 bits; version 3 only, as all that follow.
pub const INCOMPATIBLE: u64 = 72;
/// Offset of the compatible features, 64 bits.
pub const COMPATIBLE: u64 = 80;
/// Offset of the autoclear features, 64 bits.
pub const AUTOCLEAR: u64 = 88;
/// Offset of the binary logarithm of a refcount's width in bits, 32 bits.
pub const REFCOUNT_ORDER: u64 = 96;
/// Offset of the header's own length, 32 bits.
pub const HEADER_LENGTH: u64 = 100;
/// Offset of the compression type, 8 bits; it counts only in a header longer than this.
pub const COMPRESSION_TYPE: u64 = 104;

/// What a virtual size is counted in, and compressed clusters are, in bytes.
pub const SECTOR: u64 = 512;
/// Length of an entry of an L1, L2, refcount or bitmap table, in bytes.
pub const TABLE_ENTRY: u64 = 8;
/// Number of subclusters in a cluster.
pub const SUBCLUSTERS: u64 = 32;
/// The least size of a subcluster, in bytes.
pub const MIN_SUBCLUSTER_SIZE: u64 = 512;
/// The width of a refcount in version 2, as a binary logarithm of bits.
pub const V2_REFCOUNT_ORDER: u32 = 4;

/// Length of a version 2 header.
pub const V2_HEADER_LENGTH: u32 = 72;
/// Least length of a version 3 header.
pub const V3_MIN_HEADER_LENGTH: u32 = 104;
/// Least and greatest cluster size that QEMU reads, as binary logarithms.
pub const CLUSTER_BITS_RANGE: std::ops::RangeInclusive<u32> = 9..=21;
/// The greatest cluster size, and so the most of an image that a probe ever reads.
pub const MAX_CLUSTER_SIZE: u64 = 2 << 20;
/// The longest backing name.
pub const MAX_BACKING_NAME: u64 = 1023;
/// The greatest active L1 table, in bytes.
pub const MAX_L1_BYTES: u64 = 32 << 20;
/// The greatest refcount table, in bytes.
pub const MAX_REFCOUNT_TABLE_BYTES: u64 = 8 << 20;
/// The most internal snapshots.
pub const MAX_SNAPSHOTS: u64 = 65_536;
/// The fixed part of an entry of the snapshot table, in bytes.
pub const SNAPSHOT_ENTRY: u64 = 40;
/// What an entry of the snapshot table or of the bitmap directory is padded to, in bytes.
pub const ENTRY_ALIGNMENT: u64 = 8;
/// The longest extra data of a snapshot, in bytes.
pub const MAX_SNAPSHOT_EXTRA: u64 = 1024;
/// The longest snapshot table, in bytes.
pub const MAX_SNAPSHOT_TABLE: u64 = 64 << 20;
/// The widest refcount, as a binary logarithm of bits.
pub const MAX_REFCOUNT_ORDER: u32 = 6;
/// The last byte that QEMU's block layer addresses, rounded down to its coarsest alignment.
pub const MAX_FILE_LENGTH: u64 = (i64::MAX as u64) & !((1 << 30) - 1);

/// Incompatible bit 0: refcounts may be stale.
pub const DIRTY: u64 = 1 << 0;
/// Incompatible bit 1: metadata is known to be broken.
pub const CORRUPT: u64 = 1 << 1;
/// Incompatible bit 2: guest clusters are in an external data file.
pub const DATA_FILE: u64 = 1 << 2;
/// Incompatible bit 3: the compression type isn't deflate.
pub const COMPRESSION: u64 = 1 << 3;
/// Incompatible bit 4: L2 entries are 16 bytes long and have subclusters.
pub const EXTENDED_L2: u64 = 1 << 4;
/// Compatible bit 0: refcounts may be updated late.
pub const LAZY_REFCOUNTS: u64 = 1 << 0;
/// Autoclear bit 0: the bitmaps extension is consistent.
pub const BITMAPS: u64 = 1 << 0;
/// Autoclear bit 1: the data file holds exactly what the guest sees.
pub const DATA_FILE_RAW: u64 = 1 << 1;

/// Extension: end of the extension area.
pub const EXT_END: u32 = 0;
/// Extension: name of the backing image's format.
pub const EXT_BACKING_FORMAT: u32 = 0xE279_2ACA;
/// Extension: name of the external data file.
pub const EXT_DATA_FILE: u32 = 0x4441_5441;
/// Extension: where the encryption header is.
pub const EXT_CRYPTO: u32 = 0x0537_BE77;
/// Extension: names of feature bits.
pub const EXT_FEATURE_NAMES: u32 = 0x6803_F857;
/// Extension: where the bitmap directory is.
pub const EXT_BITMAPS: u32 = 0x2385_2875;
/// The longest name of a backing format.
pub const MAX_BACKING_FORMAT: u64 = 15;
/// The payload of the encryption extension, in bytes.
pub const CRYPTO_PAYLOAD: u64 = 16;
/// The payload of the bitmaps extension, in bytes.
pub const BITMAPS_PAYLOAD: u64 = 24;
/// The most bitmaps that QEMU reads.
pub const MAX_BITMAPS: u32 = 65_535;
/// The greatest bitmap directory that QEMU reads, in bytes.
pub const MAX_BITMAP_DIRECTORY: u64 = 67_107_840;
/// The fixed part of an entry of the bitmap directory, in bytes.
pub const BITMAP_ENTRY: u64 = 24;
/// The longest name of a bitmap, in bytes.
pub const MAX_BITMAP_NAME: u64 = 1023;
/// The most entries of a bitmap table.
pub const MAX_BITMAP_TABLE: u64 = 0x0800_0000;
/// The most bytes that the bits of one bitmap may take.
pub const MAX_BITMAP_BYTES: u64 = 512 << 20;
/// Granularities of bitmaps, as binary logarithms of bytes.
pub const BITMAP_GRANULARITY: std::ops::RangeInclusive<u8> = 9..=31;
/// The only type of a bitmap.
pub const BITMAP_TYPE: u8 = 1;
/// Flag of a bitmap: it wasn't stored properly, so its content means nothing.
pub const BITMAP_IN_USE: u32 = 1 << 0;
/// Flag of a bitmap: it records writes from the moment the image is opened.
pub const BITMAP_AUTO: u32 = 1 << 1;
/// Bits of a bitmap table's entry that are an offset.
pub const BITMAP_OFFSET: u64 = 0x00ff_ffff_ffff_fe00;
/// Bit 0 of a bitmap table's entry without an offset: a cluster of ones.
pub const BITMAP_ONES: u64 = 1;
/// Length of a feature's entry in the feature name table, in bytes.
pub const FEATURE_NAME_ENTRY: u64 = 48;

/// Encryption method: none.
pub const CRYPT_NONE: u32 = 0;
/// Encryption method: AES-CBC with a password as key.
pub const CRYPT_AES: u32 = 1;
/// Encryption method: LUKS.
pub const CRYPT_LUKS: u32 = 2;
