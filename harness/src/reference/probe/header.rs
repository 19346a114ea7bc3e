//! The fixed part of a qcow2 header (qcow2 specification, Header).
//!
//! | bytes | field | rule |
//! |---|---|---|
//! | 0-3 | magic | `51 46 49 fb` |
//! | 4-7 | version | 2 or 3 |
//! | 8-15, 16-19 | offset and length of the backing name | offset 0: none; inside the first cluster |
//! | 20-23 | cluster size as a power of two | 9 to 21 |
//! | 24-31 | virtual size in bytes | see [`super::tables`] |
//! | 32-35 | encryption | 0 none, 1 AES, 2 LUKS |
//! | 36-39, 40-47 | entries and offset of the active L1 table | see [`super::tables`] |
//! | 48-55, 56-59 | offset and clusters of the refcount table | see [`super::tables`] |
//! | 60-63, 64-71 | number of snapshots, offset of their table | see [`super::snapshots`] |
//! | 72-79 | incompatible features | bits 0 to 4; any other is refused |
//! | 80-87 | compatible features | unknown bits mean nothing |
//! | 88-95 | autoclear features | unknown bits mean nothing |
//! | 96-99 | width of a refcount in bits as a power of two | 0 to 6 |
//! | 100-103 | length of the header in bytes | 104 to a cluster |
//! | 104 | compression | 0 deflate, 1 zstd; only in a header longer than 104 bytes |
//!
//! Version 2 ends at byte 72: it has no features, refcounts of 16 bits and deflate. Fields are
//! checked in the order in which QEMU does it, because the first fault gives the class.

use super::error::RejectClass as Class;
use super::{ProbeError, features, tables};
use crate::reference::bytes::{be_u32, be_u64};
use crate::reference::layout;
use crate::reference::window::Window;

/// How much of the header has fields, in bytes, the compression type being the last.
const LENGTH: usize = 105;

/// The fields of the fixed part, all within the limits that QEMU sets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fields {
    /// 2 or 3.
    pub version: u32,
    /// Offset of the backing name in bytes, 0 if there is none.
    pub backing_offset: u64,
    /// Length of the backing name in bytes; means nothing without an offset.
    pub backing_size: u32,
    /// Binary logarithm of the cluster size in bytes, 9 to 21.
    pub cluster_bits: u32,
    /// Virtual size in bytes, as it stands in the header.
    pub size: u64,
    /// 0 none, 1 AES, 2 LUKS.
    pub crypt_method: u32,
    /// Number of entries of the active L1 table.
    pub l1_size: u32,
    /// Offset of the active L1 table in bytes.
    pub l1_offset: u64,
    /// Offset of the refcount table in bytes.
    pub refcount_table_offset: u64,
    /// Length of the refcount table in clusters.
    pub refcount_table_clusters: u32,
    /// Number of internal snapshots.
    pub snapshots: u32,
    /// Offset of the snapshot table in bytes.
    pub snapshots_offset: u64,
    /// Incompatible feature bits, 0 for version 2.
    pub incompatible: u64,
    /// Compatible feature bits, 0 for version 2.
    pub compatible: u64,
    /// Autoclear feature bits, 0 for version 2.
    pub autoclear: u64,
    /// Width of a refcount in bits as a binary logarithm, 0 to 6; 4 for version 2.
    pub refcount_order: u32,
    /// Length of the header in bytes, 72 for version 2.
    pub header_length: u32,
    /// How compressed clusters are compressed.
    pub compression: Compression,
}

/// How compressed clusters are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// Raw deflate, type 0.
    Deflate,
    /// Zstandard, type 1.
    Zstd,
}

impl Compression {
    /// Its name in the specification.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Deflate => "deflate",
            Self::Zstd => "zstd",
        }
    }
}

impl Fields {
    /// Cluster size in bytes.
    #[must_use]
    pub fn cluster_size(&self) -> u64 {
        1 << self.cluster_bits
    }

    /// Whether an offset is a multiple of the cluster size, which is a power of two.
    pub(super) fn is_aligned(&self, offset: u64) -> bool {
        offset & (self.cluster_size() - 1) == 0
    }

    /// Whether guest clusters are in an external data file.
    #[must_use]
    pub fn uses_data_file(&self) -> bool {
        self.incompatible & layout::DATA_FILE != 0
    }

    /// Whether L2 entries are 16 bytes long and describe subclusters.
    #[must_use]
    pub fn extended_l2(&self) -> bool {
        self.incompatible & layout::EXTENDED_L2 != 0
    }

    /// Number of entries in an L2 table, as a binary logarithm.
    #[must_use]
    pub fn l2_bits(&self) -> u32 {
        self.cluster_bits - if self.extended_l2() { 4 } else { 3 }
    }

    /// Where the extension area ends.
    pub(super) fn extensions_end(&self) -> u64 {
        match self.backing_offset {
            0 => self.cluster_size(),
            offset => offset,
        }
    }
}

/// Reads and checks the fixed part.
pub(super) fn read(window: &mut Window<'_>) -> Result<Fields, ProbeError> {
    let mut start = [0; LENGTH];
    start.copy_from_slice(window.slice(0, LENGTH as u64)?);
    let version = read_version(&start)?;
    let mut fields = read_fields(&start, version);
    check_geometry(&fields)?;
    fields.compression = compression(&start, &fields)?;
    features::check(window, &fields)?;
    tables::check(&fields)?;
    Ok(fields)
}

fn read_version(start: &[u8]) -> Result<u32, ProbeError> {
    if start[..4] != layout::MAGIC {
        return Err(ProbeError::new(Class::BadMagic, 0, "not a qcow2 image"));
    }
    let version = be_u32(start, layout::VERSION as usize);
    if !(2..=3).contains(&version) {
        let message = format!("version {version} is neither 2 nor 3");
        return Err(ProbeError::new(
            Class::UnsupportedVersion,
            layout::VERSION,
            message,
        ));
    }
    Ok(version)
}

fn read_fields(start: &[u8; LENGTH], version: u32) -> Fields {
    let u32 = |offset: u64| be_u32(start, offset as usize);
    let u64 = |offset: u64| be_u64(start, offset as usize);
    let mut fields = Fields {
        version,
        backing_offset: u64(layout::BACKING_OFFSET),
        backing_size: u32(layout::BACKING_SIZE),
        cluster_bits: u32(layout::CLUSTER_BITS),
        size: u64(layout::SIZE),
        crypt_method: u32(layout::CRYPT_METHOD),
        l1_size: u32(layout::L1_SIZE),
        l1_offset: u64(layout::L1_OFFSET),
        refcount_table_offset: u64(layout::REFCOUNT_TABLE_OFFSET),
        refcount_table_clusters: u32(layout::REFCOUNT_TABLE_CLUSTERS),
        snapshots: u32(layout::SNAPSHOTS),
        snapshots_offset: u64(layout::SNAPSHOTS_OFFSET),
        incompatible: 0,
        compatible: 0,
        autoclear: 0,
        refcount_order: layout::V2_REFCOUNT_ORDER,
        header_length: layout::V2_HEADER_LENGTH,
        compression: Compression::Deflate,
    };
    if version == 3 {
        fields.incompatible = u64(layout::INCOMPATIBLE);
        fields.compatible = u64(layout::COMPATIBLE);
        fields.autoclear = u64(layout::AUTOCLEAR);
        fields.refcount_order = u32(layout::REFCOUNT_ORDER);
        fields.header_length = u32(layout::HEADER_LENGTH);
    }
    fields
}

fn check_geometry(fields: &Fields) -> Result<(), ProbeError> {
    let refuse = |class, offset, message| Err(ProbeError::new(class, offset, message));
    if !layout::CLUSTER_BITS_RANGE.contains(&fields.cluster_bits) {
        let message = format!("clusters of 2^{} bytes", fields.cluster_bits);
        return refuse(Class::BadClusterSize, layout::CLUSTER_BITS, message);
    }
    let length = fields.header_length;
    if fields.version == 3 && length < layout::V3_MIN_HEADER_LENGTH {
        let message = format!("header of {length} bytes is too short for version 3");
        return refuse(Class::HeaderTooShort, layout::HEADER_LENGTH, message);
    }
    if u64::from(length) > fields.cluster_size() {
        let message = format!("header of {length} bytes is longer than a cluster");
        return refuse(Class::HeaderTooLong, layout::HEADER_LENGTH, message);
    }
    let backing = fields.backing_offset;
    if backing > fields.cluster_size() {
        let message = format!("backing name at byte {backing} is past the first cluster");
        return refuse(Class::BadBackingOffset, layout::BACKING_OFFSET, message);
    }
    Ok(())
}

fn compression(start: &[u8; LENGTH], fields: &Fields) -> Result<Compression, ProbeError> {
    let present = u64::from(fields.header_length) > layout::COMPRESSION_TYPE;
    let kind = if present {
        start[layout::COMPRESSION_TYPE as usize]
    } else {
        0
    };
    let bit = fields.incompatible & layout::COMPRESSION != 0;
    let (class, message) = match (kind, bit) {
        (0, false) => return Ok(Compression::Deflate),
        (1, true) => return Ok(Compression::Zstd),
        (0, true) => (
            Class::CompressionBit,
            "compression type is deflate but its bit is set".to_owned(),
        ),
        (1, false) => (
            Class::CompressionBit,
            "compression type is zstd but its bit is clear".to_owned(),
        ),
        _ => (
            Class::UnknownCompressionType,
            format!("compression type {kind}"),
        ),
    };
    Err(ProbeError::new(class, layout::COMPRESSION_TYPE, message))
}
