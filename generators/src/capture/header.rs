//! Reads the first cluster of an image.

use std::ops::Range;

use super::CaptureError;
use super::source::Source;
use crate::layout::{MAGIC, entry, extension, header as field, incompatible, limit};

/// What is read first, to learn the cluster size.
const START: usize = 4096;

/// Cluster size as a power of two where the header's is none that QEMU opens.
const CLUSTER_BITS_FALLBACK: u32 = 16;

/// The header's fields, and where names and extensions stand.
#[derive(Debug)]
pub(super) struct Header {
    /// The first cluster.
    pub(super) bytes: Vec<u8>,
    pub(super) version: u32,
    /// What clusters are counted in here, even if the header says nonsense.
    pub(super) cluster_bits: u32,
    /// Whether the header's own cluster size can be worked with.
    pub(super) cluster_bits_valid: bool,
    pub(super) size: u64,
    pub(super) crypt_method: u32,
    pub(super) l1_size: u32,
    pub(super) l1_table: u64,
    pub(super) refcount_table: u64,
    pub(super) refcount_table_clusters: u32,
    pub(super) snapshot_count: u32,
    pub(super) snapshot_table: u64,
    pub(super) incompatible: u64,
    pub(super) compatible: u64,
    pub(super) autoclear: u64,
    pub(super) refcount_order: u32,
    /// What the field says; version 2 has none.
    pub(super) header_length: u32,
    pub(super) compression_type: u8,
    pub(super) extensions: Vec<Found>,
    /// Where the last extension ends.
    pub(super) extensions_end: usize,
    /// The backing name.
    pub(super) backing: Option<Range<usize>>,
}

/// An extension in the first cluster.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub(super) kind: u32,
    pub(super) data: Range<usize>,
}

impl Header {
    /// Reads the first cluster; nothing if the file isn't a qcow2 image, whoever says so: what
    /// it holds instead may be a guest's.
    pub(super) fn read(source: &Source<'_>) -> Result<Option<Header>, CaptureError> {
        let start = source.read(0, START)?;
        let bits = u32_at(&start, field::CLUSTER_BITS);
        let valid = (limit::CLUSTER_BITS_MIN..=limit::CLUSTER_BITS_MAX).contains(&bits);
        let version = u32_at(&start, field::VERSION);
        let is_image = u32_at(&start, field::MAGIC) == MAGIC
            || valid && (2..=3).contains(&version) && u32_at(&start, field::CRYPT_METHOD) <= 2;
        if !is_image || source.length() < field::CLUSTER_BITS as u64 {
            return Ok(None);
        }
        let cluster_bits = if valid { bits } else { CLUSTER_BITS_FALLBACK };
        let mut bytes = source.read(0, 1 << cluster_bits)?;
        let mut header = Header::fields(&bytes, version, cluster_bits);
        header.cluster_bits_valid = valid;
        header.find_names(&bytes);
        if !valid {
            // Nobody knows what lies behind the names.
            let backing = header.backing.as_ref().map_or(0, |name| name.end);
            bytes[header.extensions_end.max(backing)..].fill(0);
        }
        header.bytes = bytes;
        Ok(Some(header))
    }

    fn fields(bytes: &[u8], version: u32, cluster_bits: u32) -> Header {
        // Version 2 ends before these.
        let since_3 = |value: u64| if version == 2 { 0 } else { value };
        let order = u32_at(bytes, field::REFCOUNT_ORDER);
        let header_length = u32_at(bytes, field::HEADER_LENGTH);
        let has_compression = version != 2 && header_length as usize > field::COMPRESSION_TYPE;
        Header {
            bytes: Vec::new(),
            version,
            cluster_bits,
            cluster_bits_valid: false,
            size: u64_at(bytes, field::SIZE),
            crypt_method: u32_at(bytes, field::CRYPT_METHOD),
            l1_size: u32_at(bytes, field::L1_SIZE),
            l1_table: u64_at(bytes, field::L1_TABLE_OFFSET),
            refcount_table: u64_at(bytes, field::REFCOUNT_TABLE_OFFSET),
            refcount_table_clusters: u32_at(bytes, field::REFCOUNT_TABLE_CLUSTERS),
            snapshot_count: u32_at(bytes, field::SNAPSHOT_COUNT),
            snapshot_table: u64_at(bytes, field::SNAPSHOTS_OFFSET),
            incompatible: since_3(u64_at(bytes, field::INCOMPATIBLE_FEATURES)),
            compatible: since_3(u64_at(bytes, field::COMPATIBLE_FEATURES)),
            autoclear: since_3(u64_at(bytes, field::AUTOCLEAR_FEATURES)),
            refcount_order: match version {
                2 => limit::REFCOUNT_ORDER_DEFAULT,
                _ => order,
            },
            header_length,
            compression_type: match has_compression {
                true => bytes[field::COMPRESSION_TYPE],
                false => 0,
            },
            extensions: Vec::new(),
            extensions_end: 0,
            backing: None,
        }
    }

    fn find_names(&mut self, bytes: &[u8]) {
        let backing_offset = usize::try_from(u64_at(bytes, field::BACKING_OFFSET));
        let backing_offset = backing_offset.unwrap_or(usize::MAX);
        let backing_length = u32_at(bytes, field::BACKING_LENGTH) as usize;
        let backing_end = backing_offset.saturating_add(backing_length);
        let named = backing_offset != 0 && backing_end <= bytes.len();
        if named && backing_length <= limit::BACKING_LENGTH_MAX {
            self.backing = Some(backing_offset..backing_end);
        }
        let area_end = match backing_offset {
            0 => bytes.len(),
            offset => offset.min(bytes.len()),
        };
        let mut at = self.written_length().min(bytes.len());
        self.extensions_end = at;
        while at + extension::HEAD_LENGTH <= area_end {
            let kind = u32_at(bytes, at);
            let length = u32_at(bytes, at + 4) as usize;
            let start = at + extension::HEAD_LENGTH;
            let Some(end) = start.checked_add(length).filter(|end| *end <= area_end) else {
                return;
            };
            at = start + length.next_multiple_of(extension::ALIGNMENT);
            self.extensions_end = at.min(bytes.len());
            self.extensions.push(Found {
                kind,
                data: start..end,
            });
            if kind == extension::END {
                return;
            }
        }
    }

    /// Where the header ends and extensions start, in bytes.
    pub(super) fn written_length(&self) -> usize {
        match self.version {
            2 => field::LENGTH_V2,
            _ => (self.header_length as usize).max(field::LENGTH_V3_MIN),
        }
    }

    pub(super) fn cluster_size(&self) -> u64 {
        1 << self.cluster_bits
    }

    pub(super) fn uses_data_file(&self) -> bool {
        self.version >= 3 && self.incompatible & incompatible::DATA_FILE != 0
    }

    pub(super) fn extended_l2(&self) -> bool {
        self.incompatible & incompatible::EXTENDED_L2 != 0
    }

    /// The payload of the last extension of this kind.
    pub(super) fn payload(&self, kind: u32) -> Option<&[u8]> {
        let mut found = self.extensions.iter().rev();
        let found = found.find(|extension| extension.kind == kind)?;
        Some(&self.bytes[found.data.clone()])
    }

    /// Where the compressed cluster of an L2 entry starts, and where its last sector ends.
    /// Specification: Cluster mapping, Compressed Clusters Descriptor.
    pub(super) fn stream(&self, value: u64) -> (u64, u64) {
        let offset_bits = 62 - (self.cluster_bits - 8);
        let offset = value & ((1 << offset_bits) - 1);
        let sectors = (value & (entry::COMPRESSED - 1)) >> offset_bits;
        let first = offset - offset % entry::SECTOR;
        (offset, first.saturating_add((sectors + 1) * entry::SECTOR))
    }
}

/// Zeros behind the end.
pub(super) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    bytes
        .get(at..at + 4)
        .and_then(|part| part.try_into().ok())
        .map_or(0, u32::from_be_bytes)
}

/// Zeros behind the end.
pub(super) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    bytes
        .get(at..at + 8)
        .and_then(|part| part.try_into().ok())
        .map_or(0, u64::from_be_bytes)
}
