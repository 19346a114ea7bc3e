//! Bytes of the first cluster: header, backing name, and extensions between them.
//!
//! A [`Draft`] holds every field as it will be written. It is right when it is made from a plan;
//! defects change it before it becomes bytes.

use super::extensions::{self, DraftExtension};
use super::plan::Plan;
use super::resolve;
use crate::layout::{
    MAGIC, autoclear, compatible, crypt, extension, header as field, incompatible, limit,
};
use crate::recipe::{Bytes, Compression, Encryption, Layout, Patch, Qcow2, RecipeError};

/// Replaces `{dir}` in file names.
pub(crate) type Expand<'a> = &'a dyn Fn(&str) -> Vec<u8>;

/// What the first cluster says of the clusters behind it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tables {
    l1_size: u32,
    l1_table: u64,
    refcount_table: u64,
    refcount_table_clusters: u32,
    snapshot_count: u32,
    snapshot_table: u64,
    /// For the extensions that options ask for; a layout has none of them.
    pub(super) bitmap_directory: u64,
    pub(super) luks: u64,
}

impl Tables {
    pub(super) fn of_plan(plan: &Plan) -> Tables {
        Tables {
            l1_size: plan.l1_entries,
            l1_table: plan.l1_table(),
            refcount_table: plan.refcount_table.offset,
            // Limited to 8 MiB of clusters.
            refcount_table_clusters: plan.refcount_table.clusters as u32,
            snapshot_count: plan.snapshot_count(),
            snapshot_table: plan.snapshot_table.offset,
            bitmap_directory: plan.bitmap_directory.offset,
            luks: plan.luks.offset,
        }
    }

    pub(super) fn of_layout(layout: &Layout) -> Tables {
        Tables {
            l1_size: layout.l1_size,
            l1_table: layout.l1_table,
            refcount_table: layout.refcount_table,
            refcount_table_clusters: layout.refcount_table_clusters,
            snapshot_count: layout.snapshot_count,
            snapshot_table: layout.snapshot_table,
            ..Tables::default()
        }
    }
}

/// Every field of the first cluster, and what is done to the file after it is written.
#[derive(Clone, Debug)]
pub(crate) struct Draft {
    pub(crate) magic: u32,
    pub(crate) version: u32,
    /// The backing name; without one its offset and length are 0.
    pub(crate) backing: Option<Vec<u8>>,
    /// The name's offset in bytes, if the field does not tell where it is.
    pub(crate) backing_offset: Option<u64>,
    /// The name's length in bytes, if the field does not tell it.
    pub(crate) backing_length: Option<u32>,
    pub(crate) cluster_bits: u32,
    pub(crate) size: u64,
    pub(crate) crypt_method: u32,
    pub(crate) l1_size: u32,
    pub(crate) l1_table_offset: u64,
    pub(crate) refcount_table_offset: u64,
    pub(crate) refcount_table_clusters: u32,
    pub(crate) snapshot_count: u32,
    pub(crate) snapshots_offset: u64,
    pub(crate) incompatible: u64,
    pub(crate) compatible: u64,
    pub(crate) autoclear: u64,
    pub(crate) refcount_order: u32,
    /// What the field says; the header's bytes are as many as `written_length`.
    pub(crate) header_length: u32,
    pub(crate) written_length: usize,
    pub(crate) compression_type: u8,
    /// What stands from byte 112 on.
    pub(crate) tail: Vec<u8>,
    pub(crate) extensions: Vec<DraftExtension>,
    /// Bytes that replace others in the finished file: offset and bytes.
    pub(crate) patches: Vec<(u64, Vec<u8>)>,
    /// The file's length in bytes, if it is not the plan's.
    pub(crate) file_length: Option<u64>,
}

impl Draft {
    pub(super) fn new(
        file: &str,
        image: &Qcow2,
        tables: &Tables,
        expand: Expand<'_>,
    ) -> Result<Draft, RecipeError> {
        let length = match (image.version, image.header_length) {
            (2, _) => field::LENGTH_V2,
            (_, None) => field::LENGTH_V3,
            (_, Some(length)) => length as usize,
        };
        let tail = image.header_tail.as_ref();
        let patches = image
            .patches
            .iter()
            .map(|Patch { at, bytes }| resolve(file, "patches", bytes).map(|bytes| (*at, bytes)));
        Ok(Draft {
            magic: MAGIC,
            version: image.version,
            backing: expanded(file, "backing", image.backing.as_ref(), expand)?,
            backing_offset: None,
            backing_length: None,
            cluster_bits: image.cluster_bits,
            size: image.size,
            crypt_method: match image.encryption {
                Encryption::None => 0,
                Encryption::Aes => crypt::AES,
                Encryption::Luks => crypt::LUKS,
            },
            l1_size: tables.l1_size,
            l1_table_offset: tables.l1_table,
            refcount_table_offset: tables.refcount_table,
            refcount_table_clusters: tables.refcount_table_clusters,
            snapshot_count: tables.snapshot_count,
            snapshots_offset: tables.snapshot_table,
            incompatible: incompatible_bits(image),
            compatible: flag(image.lazy_refcounts, compatible::LAZY_REFCOUNTS)
                | bits(&image.compatible_bits),
            autoclear: autoclear_bits(image),
            refcount_order: image
                .refcount_order
                .unwrap_or(limit::REFCOUNT_ORDER_DEFAULT),
            // At most a cluster.
            header_length: length as u32,
            written_length: length,
            compression_type: u8::from(image.compression == Compression::Zstd),
            tail: tail.map_or(Ok(Vec::new()), |tail| resolve(file, "header-tail", tail))?,
            extensions: extensions::all(file, image, tables, expand)?,
            patches: patches.collect::<Result<_, _>>()?,
            file_length: image.length,
        })
    }

    /// The first cluster without the zeros at its end.
    pub(super) fn bytes(&self, file: &str, cluster_size: usize) -> Result<Vec<u8>, RecipeError> {
        let mut bytes = self.header();
        let fits = |field, end| {
            if end <= cluster_size {
                return Ok(());
            }
            Err(RecipeError::DoesNotFit {
                file: file.to_owned(),
                field,
                end,
                limit: cluster_size,
            })
        };
        let mut ended = false;
        for extension in &self.extensions {
            extension.push_to(&mut bytes);
            ended |= extension.kind == extension::END || extension.ends_area;
            // The end marker has to fit behind it.
            let marker = if ended { 0 } else { extension::HEAD_LENGTH };
            fits(extension.field, bytes.len() + marker)?;
        }
        if let Some(backing) = &self.backing {
            let start = bytes.len();
            bytes.extend_from_slice(backing);
            fits("backing", bytes.len())?;
            // Both are at most the cluster size by now.
            put_u64(&mut bytes, field::BACKING_OFFSET, start as u64);
            put_u32(&mut bytes, field::BACKING_LENGTH, backing.len() as u32);
        }
        if let Some(offset) = self.backing_offset {
            put_u64(&mut bytes, field::BACKING_OFFSET, offset);
        }
        if let Some(length) = self.backing_length {
            put_u32(&mut bytes, field::BACKING_LENGTH, length);
        }
        Ok(bytes)
    }

    /// The header alone.
    fn header(&self) -> Vec<u8> {
        let mut bytes = vec![0; self.written_length];
        put_u32(&mut bytes, field::MAGIC, self.magic);
        put_u32(&mut bytes, field::VERSION, self.version);
        put_u32(&mut bytes, field::CLUSTER_BITS, self.cluster_bits);
        put_u64(&mut bytes, field::SIZE, self.size);
        put_u32(&mut bytes, field::CRYPT_METHOD, self.crypt_method);
        put_u32(&mut bytes, field::L1_SIZE, self.l1_size);
        put_u64(&mut bytes, field::L1_TABLE_OFFSET, self.l1_table_offset);
        put_u64(
            &mut bytes,
            field::REFCOUNT_TABLE_OFFSET,
            self.refcount_table_offset,
        );
        put_u32(
            &mut bytes,
            field::REFCOUNT_TABLE_CLUSTERS,
            self.refcount_table_clusters,
        );
        put_u32(&mut bytes, field::SNAPSHOT_COUNT, self.snapshot_count);
        put_u64(&mut bytes, field::SNAPSHOTS_OFFSET, self.snapshots_offset);
        if self.written_length < field::LENGTH_V3_MIN {
            return bytes;
        }
        put_u64(&mut bytes, field::INCOMPATIBLE_FEATURES, self.incompatible);
        put_u64(&mut bytes, field::COMPATIBLE_FEATURES, self.compatible);
        put_u64(&mut bytes, field::AUTOCLEAR_FEATURES, self.autoclear);
        put_u32(&mut bytes, field::REFCOUNT_ORDER, self.refcount_order);
        put_u32(&mut bytes, field::HEADER_LENGTH, self.header_length);
        if let Some(byte) = bytes.get_mut(field::COMPRESSION_TYPE) {
            *byte = self.compression_type;
        }
        for (byte, value) in bytes.iter_mut().skip(field::LENGTH_V3).zip(&self.tail) {
            *byte = *value;
        }
        bytes
    }
}

pub(super) fn expanded(
    file: &str,
    field: &'static str,
    name: Option<&Bytes>,
    expand: Expand<'_>,
) -> Result<Option<Vec<u8>>, RecipeError> {
    let Some(name) = name else { return Ok(None) };
    // The length is checked first, so that expanding a name can't take much memory.
    super::check_bytes(file, field, name)?;
    Ok(Some(name.expanded(expand)))
}

fn incompatible_bits(image: &Qcow2) -> u64 {
    flag(image.dirty, incompatible::DIRTY)
        | flag(image.corrupt, incompatible::CORRUPT)
        | flag(image.uses_data_file(), incompatible::DATA_FILE)
        | flag(
            image.compression != Compression::Deflate,
            incompatible::COMPRESSION_TYPE,
        )
        | flag(image.extended_l2, incompatible::EXTENDED_L2)
        | bits(&image.incompatible_bits)
}

fn autoclear_bits(image: &Qcow2) -> u64 {
    let bitmaps = image.bitmaps_bit.unwrap_or(!image.bitmaps.is_empty());
    flag(bitmaps, autoclear::BITMAPS)
        | flag(image.data_file_raw, autoclear::DATA_FILE_RAW)
        | bits(&image.autoclear_bits)
}

fn flag(set: bool, mask: u64) -> u64 {
    if set { mask } else { 0 }
}

/// The numbers have been checked to be less than 64.
fn bits(numbers: &[u32]) -> u64 {
    numbers.iter().fold(0, |bits, number| bits | 1 << number)
}

fn put_u32(bytes: &mut [u8], at: usize, value: u32) {
    bytes[at..at + 4].copy_from_slice(&value.to_be_bytes());
}

fn put_u64(bytes: &mut [u8], at: usize, value: u64) {
    bytes[at..at + 8].copy_from_slice(&value.to_be_bytes());
}
