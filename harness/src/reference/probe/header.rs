//! The fixed part of a qcow2 header, checked field by field in the order in which QEMU does.
//!
//! The order matters for an image with several faults: the first one gives the class.

use super::error::RejectClass as Class;
use super::{ProbeError, features};
use crate::reference::bytes::Window;
use crate::reference::layout;

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
    /// Length of the header in bytes, 72 for version 2.
    pub header_length: u32,
}

impl Fields {
    /// Cluster size in bytes.
    #[must_use]
    pub fn cluster_size(&self) -> u64 {
        1 << self.cluster_bits
    }

    /// Number of entries in an L2 table, as a binary logarithm.
    #[must_use]
    pub fn l2_bits(&self) -> u32 {
        let entry_bits = if self.incompatible & layout::EXTENDED_L2 == 0 {
            3
        } else {
            4
        };
        self.cluster_bits - entry_bits
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
    let version = read_version(window)?;
    let fields = read_fields(window, version)?;
    check_geometry(&fields)?;
    check_compression(window, &fields)?;
    check_features(&fields)?;
    check_tables(window, &fields)?;
    check_size(&fields)?;
    check_encryption(&fields)?;
    Ok(fields)
}

fn read_version(window: &mut Window<'_>) -> Result<u32, ProbeError> {
    if window.slice(0, 4)? != layout::MAGIC {
        return Err(ProbeError::new(Class::BadMagic, 0, "not a qcow2 image"));
    }
    let version = window.u32(layout::VERSION)?;
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

fn read_fields(window: &mut Window<'_>, version: u32) -> Result<Fields, ProbeError> {
    let mut fields = Fields {
        version,
        backing_offset: window.u64(layout::BACKING_OFFSET)?,
        backing_size: window.u32(layout::BACKING_SIZE)?,
        cluster_bits: window.u32(layout::CLUSTER_BITS)?,
        size: window.u64(layout::SIZE)?,
        crypt_method: window.u32(layout::CRYPT_METHOD)?,
        l1_size: window.u32(layout::L1_SIZE)?,
        l1_offset: window.u64(layout::L1_OFFSET)?,
        snapshots: window.u32(layout::SNAPSHOTS)?,
        snapshots_offset: window.u64(layout::SNAPSHOTS_OFFSET)?,
        incompatible: 0,
        compatible: 0,
        autoclear: 0,
        header_length: layout::V2_HEADER_LENGTH,
    };
    if version == 3 {
        fields.incompatible = window.u64(layout::INCOMPATIBLE)?;
        fields.compatible = window.u64(layout::COMPATIBLE)?;
        fields.autoclear = window.u64(layout::AUTOCLEAR)?;
        fields.header_length = window.u32(layout::HEADER_LENGTH)?;
    }
    Ok(fields)
}

fn check_geometry(fields: &Fields) -> Result<(), ProbeError> {
    if !layout::CLUSTER_BITS_RANGE.contains(&fields.cluster_bits) {
        let message = format!("clusters of 2^{} bytes", fields.cluster_bits);
        return Err(ProbeError::new(
            Class::BadClusterSize,
            layout::CLUSTER_BITS,
            message,
        ));
    }
    let length = fields.header_length;
    if fields.version == 3 && length < layout::V3_MIN_HEADER_LENGTH {
        let message = format!("header of {length} bytes is too short for version 3");
        return Err(ProbeError::new(
            Class::HeaderTooShort,
            layout::HEADER_LENGTH,
            message,
        ));
    }
    if u64::from(length) > fields.cluster_size() {
        let message = format!("header of {length} bytes is longer than a cluster");
        return Err(ProbeError::new(
            Class::HeaderTooLong,
            layout::HEADER_LENGTH,
            message,
        ));
    }
    if fields.backing_offset > fields.cluster_size() {
        let message = format!(
            "backing name at byte {} is past the first cluster",
            fields.backing_offset
        );
        return Err(ProbeError::new(
            Class::BadBackingOffset,
            layout::BACKING_OFFSET,
            message,
        ));
    }
    Ok(())
}

fn check_compression(window: &mut Window<'_>, fields: &Fields) -> Result<(), ProbeError> {
    let present = u64::from(fields.header_length) > layout::COMPRESSION_TYPE;
    let kind = if present {
        window.u8(layout::COMPRESSION_TYPE)?
    } else {
        0
    };
    let bit = fields.incompatible & layout::COMPRESSION != 0;
    let (class, message) = match (kind, bit) {
        (0, false) | (1, true) => return Ok(()),
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

fn check_features(fields: &Fields) -> Result<(), ProbeError> {
    let unknown = features::unknown_incompatible(fields.incompatible);
    if unknown != 0 {
        let message = format!("unknown incompatible features {unknown:#x}");
        return Err(ProbeError::new(
            Class::UnknownFeature,
            layout::INCOMPATIBLE,
            message,
        ));
    }
    let extended = fields.incompatible & layout::EXTENDED_L2 != 0;
    if extended && fields.cluster_size() / 32 < 512 {
        let message = format!("subclusters of {} bytes", fields.cluster_size() / 32);
        return Err(ProbeError::new(
            Class::BadSubclusterSize,
            layout::CLUSTER_BITS,
            message,
        ));
    }
    Ok(())
}

fn check_tables(window: &mut Window<'_>, fields: &Fields) -> Result<(), ProbeError> {
    let order = match fields.version {
        2 => 4,
        _ => window.u32(layout::REFCOUNT_ORDER)?,
    };
    if order > layout::MAX_REFCOUNT_ORDER {
        let message = format!("refcounts of 2^{order} bits");
        return Err(ProbeError::new(
            Class::BadRefcountWidth,
            layout::REFCOUNT_ORDER,
            message,
        ));
    }
    let clusters = window.u32(layout::REFCOUNT_TABLE_CLUSTERS)?;
    if clusters == 0 {
        let at = layout::REFCOUNT_TABLE_CLUSTERS;
        return Err(ProbeError::new(
            Class::NoRefcountTable,
            at,
            "no refcount table",
        ));
    }
    let refcounts = Table {
        name: "refcount table",
        entries: u64::from(clusters),
        entry: fields.cluster_size(),
        limit: layout::MAX_REFCOUNT_TABLE_BYTES,
        offset: window.u64(layout::REFCOUNT_TABLE_OFFSET)?,
        read_at_open: true,
        too_large: (
            Class::RefcountTableTooLarge,
            layout::REFCOUNT_TABLE_CLUSTERS,
        ),
        bad_offset: (Class::BadRefcountTableOffset, layout::REFCOUNT_TABLE_OFFSET),
    };
    let snapshots = Table {
        name: "snapshot table",
        entries: u64::from(fields.snapshots),
        entry: layout::SNAPSHOT_ENTRY,
        limit: layout::MAX_SNAPSHOTS * layout::SNAPSHOT_ENTRY,
        offset: fields.snapshots_offset,
        read_at_open: false,
        too_large: (Class::SnapshotTableTooLarge, layout::SNAPSHOTS),
        bad_offset: (Class::BadSnapshotTableOffset, layout::SNAPSHOTS_OFFSET),
    };
    let l1 = Table {
        name: "active l1 table",
        entries: u64::from(fields.l1_size),
        entry: 8,
        limit: layout::MAX_L1_BYTES,
        offset: fields.l1_offset,
        read_at_open: true,
        too_large: (Class::L1TableTooLarge, layout::L1_SIZE),
        bad_offset: (Class::BadL1TableOffset, layout::L1_OFFSET),
    };
    [refcounts, snapshots, l1]
        .iter()
        .try_for_each(|table| table.check(fields.cluster_size()))
}

struct Table {
    name: &'static str,
    entries: u64,
    entry: u64,
    limit: u64,
    offset: u64,
    read_at_open: bool,
    too_large: (Class, u64),
    bad_offset: (Class, u64),
}

impl Table {
    fn check(&self, cluster_size: u64) -> Result<(), ProbeError> {
        if self.entries > self.limit / self.entry {
            let message = format!("{} of {} entries is too large", self.name, self.entries);
            return Err(ProbeError::new(self.too_large.0, self.too_large.1, message));
        }
        let length = self.entries * self.entry;
        // A table that open reads must also end where the block layer still addresses.
        let end = match (self.read_at_open, length) {
            (true, 1..) => layout::MAX_FILE_LENGTH,
            _ => i64::MAX as u64,
        };
        if self.offset > end - length || !self.offset.is_multiple_of(cluster_size) {
            let message = format!("{} at byte {}", self.name, self.offset);
            return Err(ProbeError::new(
                self.bad_offset.0,
                self.bad_offset.1,
                message,
            ));
        }
        Ok(())
    }
}

fn check_size(fields: &Fields) -> Result<(), ProbeError> {
    let reach = fields.cluster_bits + fields.l2_bits();
    // QEMU's sum wraps; a size near 2^64 is only caught by the limit on the file length.
    let needed = fields.size.wrapping_add((1 << reach) - 1) >> reach;
    if needed > i32::MAX as u64 {
        let message = format!("virtual size {} needs too many l1 entries", fields.size);
        return Err(ProbeError::new(Class::ImageTooLarge, layout::SIZE, message));
    }
    if u64::from(fields.l1_size) < needed {
        let message = format!("l1 table has {} of {needed} entries", fields.l1_size);
        return Err(ProbeError::new(
            Class::L1TableTooSmall,
            layout::L1_SIZE,
            message,
        ));
    }
    Ok(())
}

/// The limit that QEMU's block layer sets after everything else was read.
pub(super) fn check_address_space(fields: &Fields) -> Result<(), ProbeError> {
    if fields.size / 512 * 512 > layout::MAX_FILE_LENGTH {
        let message = format!("virtual size {} is too large", fields.size);
        return Err(ProbeError::new(Class::ImageTooLarge, layout::SIZE, message));
    }
    Ok(())
}

fn check_encryption(fields: &Fields) -> Result<(), ProbeError> {
    match fields.crypt_method {
        layout::CRYPT_NONE | layout::CRYPT_AES | layout::CRYPT_LUKS => Ok(()),
        method => {
            let message = format!("encryption method {method}");
            Err(ProbeError::new(
                Class::UnknownEncryption,
                layout::CRYPT_METHOD,
                message,
            ))
        }
    }
}
