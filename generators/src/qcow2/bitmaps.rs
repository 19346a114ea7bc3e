//! Persistent dirty bitmaps: directory, tables and bits. Specification: Bitmaps.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt as _;

use super::plan::{Plan, Span, check_limit};
use super::stream::Stream;
use crate::layout::{bitmap as field, entry, limit};
use crate::recipe::{Bitmap, Clusters, Qcow2, RecipeError, check_inside};

/// Where the table and the bits of one bitmap lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BitmapPlan {
    pub(crate) table: Span,
    /// Clusters of bits; those that are all zeros or all ones have none.
    pub(crate) data: Span,
    pub(crate) entries: u64,
}

/// What the bits of one table entry are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Bits {
    Zeros,
    Ones,
    Mixed,
}

impl BitmapPlan {
    /// Sizes only; offsets come later.
    pub(super) fn new(
        file: &str,
        bitmap: &Bitmap,
        size: u64,
        cluster_bits: u32,
    ) -> Result<BitmapPlan, RecipeError> {
        let bits = size.div_ceil(1 << bitmap.granularity_bits);
        check_inside(file, "bitmaps", &bitmap.dirty, bits)?;
        let bytes = bits.div_ceil(8);
        check_limit(
            file,
            "bitmaps",
            "bytes of bits",
            bytes,
            limit::BITMAP_BYTES_MAX,
        )?;
        let entries = bytes.div_ceil(1 << cluster_bits);
        let mixed = all_bits(&bitmap.dirty, entries, cluster_bits)
            .filter(|(_, bits)| *bits == Bits::Mixed)
            .count() as u64;
        let span = |clusters| Span {
            offset: 0,
            clusters,
        };
        let table_bytes = entries * entry::LENGTH;
        Ok(BitmapPlan {
            table: span(table_bytes.div_ceil(1 << cluster_bits)),
            data: span(mixed),
            entries,
        })
    }

    /// Length of a bitmap's entry in the directory in bytes.
    pub(super) fn entry_length(bitmap: &Bitmap) -> u64 {
        let length = field::LENGTH + bitmap.name.length();
        length.next_multiple_of(field::ALIGNMENT) as u64
    }
}

/// Length of the bitmap directory in bytes.
pub(super) fn directory_length(image: &Qcow2) -> u64 {
    image.bitmaps.iter().map(BitmapPlan::entry_length).sum()
}

/// Writes the directory and every bitmap.
pub(super) fn write(file: &File, image: &Qcow2, plan: &Plan) -> io::Result<()> {
    let mut directory = Vec::new();
    for (bitmap, place) in image.bitmaps.iter().zip(&plan.bitmaps) {
        push_entry(&mut directory, bitmap, place);
        write_bits(file, &bitmap.dirty, place, plan.cluster_bits)?;
    }
    file.write_all_at(&directory, plan.bitmap_directory.offset)
}

fn push_entry(bytes: &mut Vec<u8>, bitmap: &Bitmap, place: &BitmapPlan) {
    let name = bitmap.name.to_bytes();
    let in_use = if bitmap.in_use { field::IN_USE } else { 0 };
    let auto = if bitmap.auto { field::AUTO } else { 0 };
    bytes.extend_from_slice(&place.table.offset.to_be_bytes());
    // At most a million entries.
    bytes.extend_from_slice(&(place.entries as u32).to_be_bytes());
    bytes.extend_from_slice(&(in_use | auto).to_be_bytes());
    // Checked to be 9 to 31.
    bytes.extend_from_slice(&[field::TYPE_DIRTY_TRACKING, bitmap.granularity_bits as u8]);
    bytes.extend_from_slice(&(name.len() as u16).to_be_bytes());
    // No extra data.
    bytes.extend_from_slice(&0_u32.to_be_bytes());
    bytes.extend_from_slice(&name);
    bytes.resize(bytes.len().next_multiple_of(field::ALIGNMENT), 0);
}

fn write_bits(
    file: &File,
    dirty: &Clusters,
    place: &BitmapPlan,
    cluster_bits: u32,
) -> io::Result<()> {
    let mut table = Stream::new(file);
    let mut data = place.data.offsets(cluster_bits);
    for (index, bits) in all_bits(dirty, place.entries, cluster_bits) {
        let value = match bits {
            Bits::Zeros => 0,
            Bits::Ones => field::TABLE_ONES,
            Bits::Mixed => {
                let offset = data.next().unwrap_or_default();
                let bytes = bit_bytes(dirty, bits_of(index, cluster_bits));
                file.write_all_at(&bytes, offset)?;
                offset
            }
        };
        table.put(
            place.table.offset + index * entry::LENGTH,
            &value.to_be_bytes(),
        )?;
    }
    table.finish()
}

/// For each entry of the table, what its bits are.
fn all_bits(
    dirty: &Clusters,
    entries: u64,
    cluster_bits: u32,
) -> impl Iterator<Item = (u64, Bits)> {
    (0..entries).map(move |index| {
        let covered = bits_of(index, cluster_bits);
        let bits = match dirty.ranges_in(&covered).next() {
            None => Bits::Zeros,
            Some(range) if range == covered => Bits::Ones,
            Some(_) => Bits::Mixed,
        };
        (index, bits)
    })
}

/// The bits that one cluster holds.
fn bits_of(index: u64, cluster_bits: u32) -> Range<u64> {
    let bits = 8 << cluster_bits;
    index * bits..(index + 1) * bits
}

/// The bits as bytes, the first in the lowest bit of the first byte, without zeros at the end.
fn bit_bytes(dirty: &Clusters, covered: Range<u64>) -> Vec<u8> {
    let mut bytes = Vec::new();
    for range in dirty.ranges_in(&covered) {
        for bit in range {
            let at = ((bit - covered.start) / 8) as usize;
            if bytes.len() <= at {
                bytes.resize(at + 1, 0);
            }
            bytes[at] |= 1 << (bit % 8);
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_start_at_the_lowest() {
        let dirty: Clusters = [0, 9, 15, 4096 * 8].into();
        assert_eq!(bit_bytes(&dirty, 0..4096 * 8), [1, 0x82]);
        assert_eq!(bit_bytes(&dirty, 4096 * 8..8192 * 8), [1]);
    }

    #[test]
    fn a_cluster_of_ones_or_zeros_takes_no_room() {
        let bitmap = Bitmap {
            granularity_bits: 9,
            dirty: (512 * 8..3 * 512 * 8 + 1).into(),
            ..Bitmap::default()
        };
        // Four clusters of bits: zeros, ones, ones, a single one.
        let size = 4 * 512 * 8 * 512;
        let plan = BitmapPlan::new("a", &bitmap, size, 9).unwrap();
        assert_eq!((plan.entries, plan.data.clusters), (4, 1));
    }
}
