//! Follows every pointer of an image to its tables.
//!
//! Each table is looked at once, wherever pointers lead, so loops and overlaps end.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use super::header::{Header, u64_at};
use super::pieces::{ENTRIES_MAX, Pieces, check};
use super::plausible::{Judge, split};
use super::source::{Source, numbers};
use super::space::{Space, push_data};
use super::{CaptureError, Data, Left, Names};
use crate::layout::{crypt, entry, extension, limit};
use crate::recipe::{Clusters, MarkedData, Piece};

/// What tables are copied in, in bytes.
const CHUNK: u64 = 1 << 20;
/// Most clusters of tables.
const TABLES_MAX: u64 = 1 << 20;
/// What a LUKS header starts with.
const LUKS_MAGIC: &[u8] = b"LUKS\xba\xbe";
/// Most ranges of guest clusters for a recipe of lists.
const LISTED_MAX: usize = 256;

/// Everything behind the first cluster.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) space: Space,
    /// Offsets of compressed clusters, and how many bytes each may take.
    pub(super) streams: BTreeMap<u64, u64>,
    pub(super) luks_header: Option<u64>,
    pub(super) pieces: Vec<Piece>,
    /// New names that lie in the first cluster.
    pub(super) renamed: Vec<(u64, Vec<u8>)>,
    pub(super) lists: Option<Lists>,
    pub(super) left: Left,
}

/// The guest clusters of the active state.
#[derive(Clone, Debug, Default)]
pub(super) struct Lists {
    pub(super) populated: Vec<Range<u64>>,
    pub(super) zero: Vec<Range<u64>>,
    pub(super) zero_allocated: Vec<Range<u64>>,
}

/// A kind of table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    L2,
    RefcountBlock,
    Bitmap,
}

pub(super) struct Walk<'a> {
    pub(super) source: &'a Source<'a>,
    pub(super) header: &'a Header,
    pub(super) judge: Judge<'a>,
    pub(super) names: &'a mut dyn Names,
    marks: bool,
    /// Parts of the file that hold tables.
    pub(super) tables: Vec<Range<u64>>,
    /// Parts of the file that a pointer calls a table, but that don't look like one.
    doubtful: Vec<Range<u64>>,
    /// Tables that were followed: a cluster may be called one of several kinds.
    pub(super) seen: BTreeSet<(Kind, u64)>,
    /// Key material.
    secret: Range<u64>,
    streams: BTreeMap<u64, u64>,
    data: Vec<MarkedData>,
    pub(super) found: Found,
}

impl<'a> Walk<'a> {
    pub(super) fn new(
        source: &'a Source<'a>,
        header: &'a Header,
        data: Data,
        names: &'a mut dyn Names,
    ) -> Walk<'a> {
        let length = source.length();
        let plain = header.snapshot_count == 0 && !header.extended_l2();
        Walk {
            source,
            header,
            judge: Judge { header, length },
            names,
            marks: data == Data::Markers,
            tables: Vec::new(),
            doubtful: Vec::new(),
            seen: BTreeSet::new(),
            secret: 0..0,
            streams: BTreeMap::new(),
            data: Vec::new(),
            found: Found {
                lists: plain.then(Lists::default),
                ..Found::default()
            },
        }
    }

    pub(super) fn run(&mut self) -> Result<(), CaptureError> {
        self.find_keys()?;
        self.l1_table(self.header.l1_table, self.header.l1_size)?;
        self.refcounts()?;
        self.snapshots()?;
        self.bitmaps()
    }

    /// Reads the tables once more, in the order in which they lie in the file.
    pub(super) fn finish(mut self) -> Result<Found, CaptureError> {
        let first = 0..self.header.cluster_size().min(self.source.length());
        let tables = std::mem::take(&mut self.tables).into_iter();
        let tables: Clusters = tables.chain([first.clone()]).collect();
        // What is another table after all comes back with that one.
        let lost = |part: &&Range<u64>| !tables.ranges_in(part).eq([(*part).clone()]);
        self.found.left.doubtful_tables = self.doubtful.iter().filter(lost).count() as u64;
        if self.marks {
            self.found.space = Space::new(self.source, &self.data, &tables)?;
        }
        let mut pieces = Pieces::default();
        for table in tables.ranges() {
            self.copy(table.start.max(first.end)..table.end, &mut pieces)?;
        }
        self.found.pieces = pieces.finish();
        self.find_room();
        Ok(self.found)
    }

    /// Where a LUKS header and its key slots are.
    fn find_keys(&mut self) -> Result<(), CaptureError> {
        let payload = self.header.payload(extension::CRYPTO);
        let (Some(payload), crypt::LUKS) = (payload, self.header.crypt_method) else {
            return Ok(());
        };
        let (offset, length) = (u64_at(payload, 0), u64_at(payload, 8));
        let behind_header = offset >= self.header.cluster_size();
        if behind_header && self.source.read(offset, LUKS_MAGIC.len())? == LUKS_MAGIC {
            self.found.luks_header = Some(offset);
            self.found.left.keys = true;
            self.secret = self.source.inside(offset, length);
        }
        Ok(())
    }

    pub(super) fn doubt(&mut self, part: Range<u64>) {
        self.doubtful.push(part);
        self.found.lists = None;
    }

    /// Notes those clusters of a table whose bytes make sense and gives them back; the others
    /// are given back as zeros.
    pub(super) fn table(
        &mut self,
        at: u64,
        length: u64,
        makes_sense: impl Fn(&Judge<'a>, &[u8]) -> bool,
    ) -> Result<Vec<u8>, CaptureError> {
        if !at.is_multiple_of(self.header.cluster_size()) {
            return Ok(Vec::new());
        }
        let inside = self.source.inside(at, length);
        // A table is at most 32 MiB, by its caller.
        let mut bytes = self.source.read(at, (inside.end - inside.start) as usize)?;
        let size = self.header.cluster_size();
        let starts = (inside.start..).step_by(size as usize);
        for (start, cluster) in starts.zip(bytes.chunks_mut(size as usize)) {
            let part = start..start + cluster.len() as u64;
            if makes_sense(&self.judge, cluster) {
                self.tables.push(part);
            } else {
                cluster.fill(0);
                self.doubt(part);
            }
            let count = self.tables.len() + self.doubtful.len();
            check(count as u64, TABLES_MAX, "clusters of tables", start)?;
        }
        Ok(bytes)
    }

    pub(super) fn l1_table(&mut self, at: u64, entries: u32) -> Result<(), CaptureError> {
        let entries = u64::from(entries).min(limit::L1_ENTRIES_MAX);
        let reserved = !(entry::OFFSET_MASK | entry::COPIED);
        let sense = |judge: &Judge<'a>, bytes: &[u8]| judge.pointers(bytes, reserved);
        let bytes = self.table(at, entries * entry::LENGTH, sense)?;
        for (index, value) in numbers(&bytes) {
            let offset = value & entry::OFFSET_MASK;
            if self.judge.is_cluster(offset) && self.seen.insert((Kind::L2, offset)) {
                self.l2_table(offset, index)?;
            }
        }
        Ok(())
    }

    fn l2_table(&mut self, at: u64, index: u64) -> Result<(), CaptureError> {
        let bytes = self.table(at, self.header.cluster_size(), Judge::l2_table)?;
        let extended = self.header.extended_l2();
        let length = if extended {
            entry::EXTENDED_LENGTH
        } else {
            entry::LENGTH
        };
        // The index is below 2^22, a table has up to 2^18 entries.
        let first = index * (self.header.cluster_size() / length);
        if extended {
            let (entries, _) = bytes.as_chunks::<16>();
            for (place, value) in (0..).zip(entries.iter().map(split)) {
                self.l2_entry(first + place, value[0] & !entry::ZERO)?;
            }
            return Ok(());
        }
        for (place, value) in numbers(&bytes) {
            self.l2_entry(first + place, value)?;
        }
        Ok(())
    }

    fn l2_entry(&mut self, guest: u64, value: u64) -> Result<(), CaptureError> {
        if value & entry::COMPRESSED != 0 {
            self.found.lists = None;
            let (offset, end) = self.header.stream(value);
            if !self.header.uses_data_file() && offset < self.source.length() {
                self.streams.insert(offset, end);
                check(
                    self.streams.len() as u64,
                    ENTRIES_MAX as u64,
                    "compressed clusters",
                    offset,
                )?;
            }
            return Ok(());
        }
        let host = value & entry::OFFSET_MASK;
        let external = self.header.uses_data_file();
        let allocated = host != 0 || external && value & entry::COPIED != 0;
        self.list(guest, allocated, value & entry::ZERO != 0);
        if external || !self.marks || !self.judge.is_cluster(host) || host == 0 {
            return Ok(());
        }
        let inside = self.source.inside(host, self.header.cluster_size());
        push_data(&mut self.data, inside, guest << self.header.cluster_bits)
    }

    fn list(&mut self, guest: u64, allocated: bool, zero: bool) {
        let Some(lists) = &mut self.found.lists else {
            return;
        };
        let list = match (allocated, zero) {
            (false, false) => return,
            (true, false) => &mut lists.populated,
            (false, true) => &mut lists.zero,
            (true, true) => &mut lists.zero_allocated,
        };
        match list.last_mut() {
            Some(last) if last.end == guest => last.end += 1,
            _ => list.push(guest..guest + 1),
        }
        if list.len() > LISTED_MAX {
            self.found.lists = None;
        }
    }

    fn refcounts(&mut self) -> Result<(), CaptureError> {
        let order = self.header.refcount_order;
        if order > limit::REFCOUNT_ORDER_MAX {
            return Ok(());
        }
        let size = self.header.cluster_size();
        let length = u64::from(self.header.refcount_table_clusters).saturating_mul(size);
        let length = length.min(limit::REFCOUNT_TABLE_BYTES_MAX);
        let sense = |judge: &Judge<'a>, bytes: &[u8]| {
            judge.pointers(bytes, !(entry::REFCOUNT_BLOCK_MASK >> 1))
        };
        let table = self.table(self.header.refcount_table, length, sense)?;
        let in_block = (size * 8) >> order;
        for (index, value) in numbers(&table) {
            if self.judge.is_cluster(value) && self.seen.insert((Kind::RefcountBlock, value)) {
                let first = index * in_block;
                self.table(value, size, |judge, bytes| {
                    judge.refcount_block(bytes, first)
                })?;
            }
        }
        Ok(())
    }

    /// Copies tables, except for key material, with their new names.
    fn copy(&self, table: Range<u64>, pieces: &mut Pieces) -> Result<(), CaptureError> {
        let mut at = table.start;
        while let Some(part) = self.source.next_data(at, table.end)? {
            // Numbers stand at multiples of their length from the table's start.
            let start = part.start - (part.start - table.start) % entry::LENGTH;
            let end = part.end.min(start + CHUNK);
            let mut bytes = self.source.read(start, (end - start) as usize)?;
            overlay(&mut bytes, start, &self.found.renamed);
            let secret = self.secret.start.max(start)..self.secret.end.min(end);
            if !secret.is_empty() {
                bytes[(secret.start - start) as usize..(secret.end - start) as usize].fill(0);
            }
            pieces.add(start, &bytes)?;
            at = end;
        }
        Ok(())
    }

    /// A stream ends where its last sector ends, or where the next one starts.
    fn find_room(&mut self) {
        let starts = self.streams.keys().skip(1).copied();
        let next = starts.chain([u64::MAX]);
        let room = self.streams.iter().zip(next);
        self.found.streams = room
            .map(|((start, end), next)| (*start, *end.min(&next) - start))
            .collect();
    }
}

/// Replaces the bytes of names in a part of the file that starts at `start`.
pub(super) fn overlay(bytes: &mut [u8], start: u64, names: &[(u64, Vec<u8>)]) {
    let end = start + bytes.len() as u64;
    let inside = |at: u64, name: &[u8]| at < end && at + name.len() as u64 > start;
    for (at, name) in names.iter().filter(|(at, name)| inside(*at, name)) {
        for (offset, byte) in (*at..).zip(name) {
            let place = offset.checked_sub(start).map(usize::try_from);
            if let Some(Ok(place)) = place
                && let Some(old) = bytes.get_mut(place)
            {
                *old = *byte;
            }
        }
    }
}

impl Lists {
    pub(super) fn clusters(list: &[Range<u64>]) -> Clusters {
        list.iter().cloned().collect()
    }
}
