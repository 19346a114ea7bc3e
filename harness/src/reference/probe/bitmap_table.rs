//! The table of a persistent bitmap: where its bits are.

use super::bitmaps::Entry;
use super::error::RejectClass as Class;
use super::header::Fields;
use super::{ProbeError, tables};
use crate::reference::bytes::{ReadAt, be_u64};
use crate::reference::layout;

impl Entry {
    /// Looks at every entry of the table, a part of it at a time.
    pub(super) fn check_table(
        &self,
        source: &dyn ReadAt,
        fields: &Fields,
    ) -> Result<(), ProbeError> {
        let refuse = |class, at, message: &str| Err(ProbeError::new(class, at, message));
        let length = self.table_size * layout::TABLE_ENTRY;
        let end = self.table_offset.checked_add(length);
        let Some(end) = end.filter(|end| *end <= layout::MAX_FILE_LENGTH) else {
            let message = "bitmap table is past the last offset";
            return refuse(Class::BadBitmapTable, self.table_offset, message);
        };
        let mut part = [0_u8; 4096];
        let mut offset = self.table_offset;
        while offset < end {
            let part = &mut part[..(end - offset).min(4096) as usize];
            let read = source.read_at(offset, part)?;
            part[read..].fill(0);
            for (at, entry) in (offset..).step_by(8).zip(part.chunks_exact(8)) {
                if !is_table_entry(be_u64(entry, 0), fields.cluster_size()) {
                    let message = "entry of a bitmap table is malformed";
                    return refuse(Class::BadBitmapTable, at, message);
                }
            }
            offset += part.len() as u64;
        }
        if self.table_size != self.clusters(fields) {
            let message = "bitmap table hasn't an entry for each cluster of bits";
            return refuse(Class::BadBitmapLength, self.start + 8, message);
        }
        Ok(())
    }

    /// How many clusters the bits take, which are stored in whole numbers of 64 bits.
    fn clusters(&self, fields: &Fields) -> u64 {
        let bits = tables::virtual_size(fields).div_ceil(1 << self.granularity_bits);
        (bits.div_ceil(64) * 8).div_ceil(fields.cluster_size())
    }
}

fn is_table_entry(entry: u64, cluster_size: u64) -> bool {
    let offset = entry & layout::BITMAP_OFFSET;
    let rest = entry & !layout::BITMAP_OFFSET;
    match offset {
        0 => rest & !layout::BITMAP_ONES == 0,
        _ => rest == 0 && offset.is_multiple_of(cluster_size),
    }
}
