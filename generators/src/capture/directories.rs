//! Follows the snapshot table and the bitmap directory, whose entries have names.

use super::CaptureError;
use super::header::{u32_at, u64_at};
use super::plausible::Judge;
use super::source::numbers;
use super::walk::{Kind, Walk};
use crate::layout::{bitmap, entry, extension, limit, snapshot};

/// Longest snapshot table or bitmap directory in bytes that QEMU opens.
const DIRECTORY_BYTES_MAX: u64 = 64 << 20;
/// Most extra data of an entry of a directory in bytes.
const EXTRA_MAX: usize = 4096;

impl Walk<'_> {
    pub(super) fn snapshots(&mut self) -> Result<(), CaptureError> {
        let mut at = self.header.snapshot_table;
        if !at.is_multiple_of(self.header.cluster_size()) {
            return Ok(());
        }
        let end = at.saturating_add(DIRECTORY_BYTES_MAX);
        for _ in 0..self.header.snapshot_count.min(limit::SNAPSHOTS_MAX) {
            if at >= end.min(self.source.length()) {
                break;
            }
            let head = self.source.read(at, snapshot::LENGTH)?;
            let (l1_table, l1_size) = (u64_at(&head, 0), u32_at(&head, 8));
            let lengths = u32_at(&head, 12);
            let (id, name) = ((lengths >> 16) as usize, (lengths & 0xffff) as usize);
            let extra = u32_at(&head, 36) as usize;
            let [placed, few] = self.judge.is_l1_table(l1_table, l1_size);
            let short = [id <= 64, name <= 1023, extra <= EXTRA_MAX];
            if !Judge::most([placed, few, short[0], short[1], short[2]]) || !short[2] {
                self.rest_of_directory(at, snapshot::LENGTH);
                break;
            }
            let id_at = at + (snapshot::LENGTH + extra) as u64;
            self.rename(id_at, id)?;
            self.rename(id_at + id as u64, name)?;
            let length = snapshot::LENGTH + extra + id + name;
            at = self.entry(at, length, snapshot::ALIGNMENT);
            self.l1_table(l1_table, l1_size)?;
        }
        Ok(())
    }

    pub(super) fn bitmaps(&mut self) -> Result<(), CaptureError> {
        let Some(payload) = self.header.payload(extension::BITMAPS) else {
            return Ok(());
        };
        self.found.lists = None;
        let (count, length) = (u32_at(payload, 0), u64_at(payload, 8));
        let mut at = u64_at(payload, 16);
        let end = self.source.inside(at, length.min(DIRECTORY_BYTES_MAX)).end;
        if !self.judge.is_cluster(at) {
            return Ok(());
        }
        for _ in 0..count.min(u32::from(u16::MAX)) {
            if at >= end {
                break;
            }
            let head = self.source.read(at, bitmap::LENGTH)?;
            let table = u64_at(&head, 0);
            let (entries, flags) = (u32_at(&head, 8), u32_at(&head, 12));
            let last = u32_at(&head, 16).to_be_bytes();
            let name = usize::from(u16::from_be_bytes([last[2], last[3]]));
            let extra = u32_at(&head, 20) as usize;
            let facts = [
                self.judge.is_cluster(table),
                flags < 8,
                last[0] == bitmap::TYPE_DIRTY_TRACKING,
                limit::BITMAP_GRANULARITY_BITS.contains(&u32::from(last[1])),
                name <= limit::BITMAP_NAME_LENGTH_MAX,
            ];
            if !Judge::most(facts) || extra > EXTRA_MAX {
                self.rest_of_directory(at, bitmap::LENGTH);
                break;
            }
            self.rename(at + (bitmap::LENGTH + extra) as u64, name)?;
            at = self.entry(at, bitmap::LENGTH + extra + name, bitmap::ALIGNMENT);
            self.bitmap_table(table, entries)?;
        }
        Ok(())
    }

    fn bitmap_table(&mut self, at: u64, entries: u32) -> Result<(), CaptureError> {
        // As many entries as the most bits have in the smallest clusters.
        let most = limit::BITMAP_BYTES_MAX >> limit::CLUSTER_BITS_MIN;
        let length = u64::from(entries).min(most) * entry::LENGTH;
        if self.judge.is_cluster(at) && self.seen.insert((Kind::Bitmap, at)) {
            let table = self.table(at, length, Judge::bitmap_table)?;
            let clusters = numbers(&table).filter(|(_, value)| *value != bitmap::TABLE_ONES);
            self.found.left.bitmap_clusters += clusters.count() as u64;
        }
        Ok(())
    }

    /// Notes an entry of a directory and gives the offset of the next.
    fn entry(&mut self, at: u64, length: usize, alignment: usize) -> u64 {
        let length = length.next_multiple_of(alignment) as u64;
        self.tables.push(self.source.inside(at, length));
        at.saturating_add(length)
    }

    /// Where entries end to make sense: what follows the first of them in its cluster is part of
    /// the directory, but may have names in it.
    fn rest_of_directory(&mut self, at: u64, length: usize) {
        let inside = at % self.header.cluster_size();
        if inside == 0 || self.names.hides_unknown() {
            self.doubt(self.source.inside(at, length as u64));
        } else {
            let rest = self.header.cluster_size() - inside;
            self.tables.push(self.source.inside(at, rest));
            self.found.lists = None;
        }
    }

    fn rename(&mut self, at: u64, length: usize) -> Result<(), CaptureError> {
        let old = self.source.read(at, length)?;
        let new = self.names.label(&old);
        if new != old {
            self.found.renamed.push((at, new));
        }
        Ok(())
    }
}
