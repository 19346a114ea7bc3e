//! Streams L1 and L2 tables.

use std::fs::File;
use std::io;
use std::ops::Range;

use super::mapping::Kind;
use super::plan::{Plan, View};
use super::stream::Stream;
use crate::layout::entry;

/// Writes the tables of one state. What no entry stands in stays a hole.
pub(super) fn write(file: &File, plan: &Plan, view: &View) -> io::Result<()> {
    let mut tables = Tables::new(file, plan, view);
    // A data file's clusters are never shared, whatever the refcount of their tables.
    let copied = if plan.external || view.is_sole() {
        entry::COPIED
    } else {
        0
    };
    let mut host = view.data.offset;
    let mut stream = 0;
    for extent in &view.extents {
        for guest in inside_tables(&extent.guest, plan.l2_entries()) {
            let count = guest.end - guest.start;
            let cluster_size = plan.cluster_size() as u64;
            let (first, step) = if extent.kind.takes_host() && plan.external {
                (copied | guest.start << plan.cluster_bits, cluster_size)
            } else if extent.kind.takes_host() {
                let first = copied | host;
                host += count * cluster_size;
                (first, cluster_size)
            } else {
                (0, 0)
            };
            if extent.kind == Kind::Compressed {
                let entry = |index| view.slots.entry(stream + index);
                tables.put(guest.start, count, extent.kind, entry)?;
                stream += count;
            } else {
                let offset = |index| first + index * step;
                tables.put(guest.start, count, extent.kind, offset)?;
            }
        }
    }
    tables.finish()
}

/// The parts of a range of guest clusters that lie in one L2 table each.
fn inside_tables(guest: &Range<u64>, l2_entries: u64) -> impl Iterator<Item = Range<u64>> {
    let Range { start, end } = guest.clone();
    let tables = start / l2_entries..end.div_ceil(l2_entries);
    tables.map(move |table| {
        let first = table * l2_entries;
        first.max(start)..(first + l2_entries).min(end)
    })
}

/// The tables of one state while they are written, from the first entry to the last.
struct Tables<'a> {
    plan: &'a Plan,
    view: &'a View,
    l1: Vec<Stream<'a>>,
    l2: Stream<'a>,
    /// How many L2 tables have been begun.
    begun: u64,
    /// Index and offset of the last one.
    current: Option<(u64, u64)>,
}

impl<'a> Tables<'a> {
    fn new(file: &'a File, plan: &'a Plan, view: &'a View) -> Tables<'a> {
        Tables {
            plan,
            view,
            l1: view.l1_tables.iter().map(|_| Stream::new(file)).collect(),
            l2: Stream::new(file),
            begun: 0,
            current: None,
        }
    }

    /// Writes `count` entries of one table, from that of the cluster `guest` on.
    fn put(
        &mut self,
        guest: u64,
        count: u64,
        kind: Kind,
        offset_of: impl Fn(u64) -> u64,
    ) -> io::Result<()> {
        let plan = self.plan;
        let table = self.table(guest / plan.l2_entries())?;
        let at = table + guest % plan.l2_entries() * plan.l2_entry_length();
        let (zero, allocated) = parts(kind);
        if plan.extended_l2 {
            let parts = u64::from(zero) << 32 | u64::from(allocated);
            let value = |index| u128::from(offset_of(index)) << 64 | u128::from(parts);
            let bytes = |index| value(index).to_be_bytes();
            self.l2.put_all(at, count, bytes)
        } else {
            let flag = if zero == 0 { 0 } else { entry::ZERO };
            let bytes = |index| (offset_of(index) | flag).to_be_bytes();
            self.l2.put_all(at, count, bytes)
        }
    }

    /// Offset of the L2 table with this index, which the L1 tables are told of when it begins.
    fn table(&mut self, index: u64) -> io::Result<u64> {
        if let Some((_, table)) = self.current.filter(|(of, _)| *of == index) {
            return Ok(table);
        }
        let table = self.view.l2_tables.offset + (self.begun << self.plan.cluster_bits);
        let copied = if self.view.is_sole() {
            entry::COPIED
        } else {
            0
        };
        for (stream, l1_table) in self.l1.iter_mut().zip(&self.view.l1_tables) {
            let at = l1_table.offset + index * entry::LENGTH;
            stream.put(at, &(copied | table).to_be_bytes())?;
        }
        self.begun += 1;
        self.current = Some((index, table));
        Ok(table)
    }

    fn finish(self) -> io::Result<()> {
        for stream in self.l1 {
            stream.finish()?;
        }
        self.l2.finish()
    }
}

/// Which subclusters read as zeros, and which are allocated: the second half of an extended entry.
/// Of a standard one, any zeros make bit 0.
fn parts(kind: Kind) -> (u32, u32) {
    match kind {
        Kind::Data => (0, u32::MAX),
        Kind::Zero | Kind::ZeroAllocated => (u32::MAX, 0),
        Kind::Compressed => (0, 0),
        Kind::Parts { allocated, zero } => (zero, allocated),
    }
}
