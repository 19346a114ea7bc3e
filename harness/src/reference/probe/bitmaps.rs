//! Persistent bitmaps (qcow2 specification, Bitmaps), as far as opening an image reads them.
//!
//! The directory has entries one behind the other, each padded to a multiple of 8 bytes:
//!
//! | bytes | field | rule |
//! |---|---|---|
//! | 0-7 | offset of the bitmap's table | aligned, not 0 |
//! | 8-11 | entries of the table | not 0; one for each cluster of bits |
//! | 12-15 | flags: bit 0 in use, bit 1 auto | no other |
//! | 16 | type | 1 |
//! | 17 | bytes that a bit stands for, as a power of two | 9 to 31 |
//! | 18-19 | length of the name | 1023 at most |
//! | 20-23 | length of extra data | 0, because nobody knows any |
//! | 24.. | name | |
//!
//! Count and size of the directory must be those of the extension. An entry of a table is 64
//! bits: the offset of a cluster of bits, or 0 for zeros, or 1 for ones. A bitmap that is in
//! use wasn't stored properly: its table isn't looked at.

use std::collections::HashSet;

use sha2::{Digest, Sha256};

use super::error::RejectClass as Class;
use super::extensions::BitmapsArea;
use super::header::Fields;
use super::{LISTED_MAX, ProbeError, Reader, tables};
use crate::reference::bytes::{Name, be_u16, be_u32, be_u64};
use crate::reference::layout;

/// The most entries of all tables together. With the smallest clusters that is 8 GiB of bits,
/// which QEMU would hold in memory; hostile tables could take hours without it.
const MAX_TABLE_ENTRIES: u64 = 1 << 24;

/// One persistent bitmap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bitmap {
    /// Its name.
    pub name: Name,
    /// How many bytes of the disk one bit stands for.
    pub granularity: u64,
    /// Whether it wasn't stored properly, so that its content means nothing.
    pub in_use: bool,
    /// Whether it records writes from the moment the image is opened.
    pub auto: bool,
}

/// The fixed part of a directory entry, within its limits.
pub(super) struct Entry {
    pub(super) start: u64,
    pub(super) table_offset: u64,
    pub(super) table_size: u64,
    flags: u32,
    pub(super) granularity_bits: u8,
    name_length: u64,
}

/// Walks the directory twice, as QEMU does: first its entries, then the bitmap of each.
pub(super) fn read(
    reader: &Reader<'_>,
    fields: &Fields,
    area: BitmapsArea,
) -> Result<Vec<Bitmap>, ProbeError> {
    let refuse = |class, message| Err(ProbeError::new(class, area.offset, message));
    if area.size == 0 {
        return refuse(Class::EmptyBitmapDirectory, "bitmap directory is empty");
    }
    let end = area.offset.checked_add(area.size);
    if end.is_none_or(|end| end > layout::MAX_FILE_LENGTH) {
        let message = "bitmap directory is past the last offset";
        return refuse(Class::BitmapDirectoryUnreadable, message);
    }
    let mut count = 0;
    let mut directory = Directory::new(fields, area);
    while directory.next(reader)?.is_some() {
        count += 1;
    }
    if count != area.count {
        let message = "bitmap directory has fewer bitmaps than the extension says";
        return refuse(Class::FewerBitmaps, message);
    }
    load(reader, fields, area)
}

fn load(
    reader: &Reader<'_>,
    fields: &Fields,
    area: BitmapsArea,
) -> Result<Vec<Bitmap>, ProbeError> {
    let mut listed = Vec::new();
    let mut names = HashSet::new();
    let mut table_entries = 0;
    let mut directory = Directory::new(fields, area);
    while let Some(entry) = directory.next(reader)? {
        let at = entry.start;
        table_entries += if entry.in_use() { 0 } else { entry.table_size };
        if table_entries > MAX_TABLE_ENTRIES {
            let message = "bitmap tables have too many entries together";
            return Err(ProbeError::new(Class::TooManyBitmapEntries, at, message));
        }
        let name = reader.far_name(at + layout::BITMAP_ENTRY, entry.name_length)?;
        // Digests keep memory small, however long names are.
        let is_new = names.insert(Sha256::digest(name.bytes()));
        if !is_new && !entry.in_use() {
            let message = format!("bitmap {:?} occurs twice", name.text());
            return Err(ProbeError::new(Class::DuplicateBitmap, at, message));
        }
        if !entry.in_use() {
            entry.check_table(reader.source, fields)?;
        }
        if listed.len() < LISTED_MAX {
            listed.push(entry.bitmap(name));
        }
    }
    Ok(listed)
}

/// Goes through the directory, one entry after the other.
struct Directory<'a> {
    fields: &'a Fields,
    area: BitmapsArea,
    next: u64,
    found: u32,
}

impl<'a> Directory<'a> {
    fn new(fields: &'a Fields, area: BitmapsArea) -> Self {
        Self {
            fields,
            area,
            next: area.offset,
            found: 0,
        }
    }

    fn next(&mut self, reader: &Reader<'_>) -> Result<Option<Entry>, ProbeError> {
        let (start, left) = (self.next, self.area.offset + self.area.size - self.next);
        let refuse = |class, message: &str| Err(ProbeError::new(class, start, message));
        let broken = "entry of the bitmap directory reaches past its end";
        if left == 0 {
            return Ok(None);
        }
        if left < layout::BITMAP_ENTRY {
            return refuse(Class::BrokenBitmapDirectory, broken);
        }
        self.found += 1;
        if self.found > self.area.count {
            let message = "bitmap directory has more bitmaps than the extension says";
            return refuse(Class::MoreBitmaps, message);
        }
        let mut fixed = [0_u8; 24];
        reader.source.read_at(start, &mut fixed)?;
        let (name, extra) = (be_u16(&fixed, 18), be_u32(&fixed, 20));
        if entry_length(name, extra) > i128::from(left) {
            return refuse(Class::BrokenBitmapDirectory, broken);
        }
        if extra != 0 {
            return refuse(Class::BitmapExtraData, "bitmap has extra data");
        }
        let entry = Entry::new(&fixed, start);
        entry.check(fixed[16], self.fields)?;
        self.next = start
            + (layout::BITMAP_ENTRY + entry.name_length).next_multiple_of(layout::ENTRY_ALIGNMENT);
        Ok(Some(entry))
    }
}

/// Length of an entry as QEMU computes it, in a signed number of 32 bits: an absurd length of
/// extra data may come out small or negative, and is then refused for what it is.
fn entry_length(name: u16, extra: u32) -> i128 {
    let sum = 24_u64 + u64::from(name) + u64::from(extra);
    let wrapped = (sum as u32).wrapping_add(7) & !7;
    i128::from(wrapped.cast_signed())
}

impl Entry {
    fn new(fixed: &[u8; 24], start: u64) -> Self {
        Self {
            start,
            table_offset: be_u64(fixed, 0),
            table_size: u64::from(be_u32(fixed, 8)),
            flags: be_u32(fixed, 12),
            granularity_bits: fixed[17],
            name_length: u64::from(be_u16(fixed, 18)),
        }
    }

    fn in_use(&self) -> bool {
        self.flags & layout::BITMAP_IN_USE != 0
    }

    fn check(&self, kind: u8, fields: &Fields) -> Result<(), ProbeError> {
        let known_flags = layout::BITMAP_IN_USE | layout::BITMAP_AUTO;
        let within = (1..=layout::MAX_BITMAP_TABLE).contains(&self.table_size)
            && self.table_offset != 0
            && fields.is_aligned(self.table_offset)
            && layout::BITMAP_GRANULARITY.contains(&self.granularity_bits)
            && self.flags & !known_flags == 0
            && self.name_length <= layout::MAX_BITMAP_NAME
            && kind == layout::BITMAP_TYPE;
        // Limited by the size of a table and of a cluster, so the product fits.
        let bytes = self.table_size * fields.cluster_size();
        let disk = tables::virtual_size(fields);
        let covers = || {
            let reach = (bytes * 8) << self.granularity_bits;
            bytes <= layout::MAX_BITMAP_BYTES && (self.in_use() || disk <= reach)
        };
        if within && disk <= i64::MAX as u64 && covers() {
            return Ok(());
        }
        let message = "bitmap has a field outside its limits, or doesn't cover the disk";
        Err(ProbeError::new(Class::BadBitmap, self.start, message))
    }

    fn bitmap(&self, name: Name) -> Bitmap {
        Bitmap {
            name,
            granularity: 1 << self.granularity_bits,
            in_use: self.in_use(),
            auto: self.flags & layout::BITMAP_AUTO != 0,
        }
    }
}
