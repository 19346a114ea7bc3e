//! Streams L1 and L2 tables.

use std::fs::File;
use std::io;

use super::mapping::Kind;
use super::plan::{Plan, View};
use super::stream::Stream;
use crate::layout::entry;

/// Writes the tables of one state. What no entry stands in stays a hole.
pub(super) fn write(file: &File, plan: &Plan, view: &View) -> io::Result<()> {
    let mut l1: Vec<Stream<'_>> = view.l1_tables.iter().map(|_| Stream::new(file)).collect();
    let mut l2 = Stream::new(file);
    let mut tables = view.l2_tables.offsets(plan.cluster_bits);
    let mut current = None;
    let copied = if view.is_sole() { entry::COPIED } else { 0 };
    for_each_entry(plan, view, |guest, value| {
        let index = guest / plan.l2_entries();
        let table = match current {
            Some((of, table)) if of == index => table,
            _ => {
                let table = tables.next().unwrap_or_default();
                for (stream, l1_table) in l1.iter_mut().zip(&view.l1_tables) {
                    let at = l1_table.offset + index * entry::LENGTH;
                    stream.put(at, &(copied | table).to_be_bytes())?;
                }
                table
            }
        };
        current = Some((index, table));
        let at = table + guest % plan.l2_entries() * plan.l2_entry_length();
        l2.put(at, &value[..plan.l2_entry_length() as usize])
    })?;
    for stream in l1 {
        stream.finish()?;
    }
    l2.finish()
}

/// Calls `put` with each mapped guest cluster and its L2 entry, of which a standard table has
/// the first half.
fn for_each_entry(
    plan: &Plan,
    view: &View,
    mut put: impl FnMut(u64, &[u8]) -> io::Result<()>,
) -> io::Result<()> {
    // A data file's clusters are never shared, whatever the refcount of their tables.
    let copied = if plan.external || view.is_sole() {
        entry::COPIED
    } else {
        0
    };
    let mut host = view.data.offset;
    let mut stream = 0;
    for extent in &view.extents {
        for guest in extent.guest.clone() {
            let mut offset = 0;
            if extent.kind.takes_host() && plan.external {
                offset = copied | guest << plan.cluster_bits;
            } else if extent.kind.takes_host() {
                offset = copied | host;
                host += plan.cluster_size() as u64;
            } else if extent.kind == Kind::Compressed {
                offset = view.slots.entry(stream);
                stream += 1;
            }
            put(guest, &entry_bytes(plan, extent.kind, offset))?;
        }
    }
    Ok(())
}

/// Both halves of an entry. `offset` has everything but what says which parts are zeros or
/// allocated: bit 0 of a standard entry, the second half of an extended one.
fn entry_bytes(plan: &Plan, kind: Kind, offset: u64) -> [u8; 16] {
    let (zero, allocated) = match kind {
        Kind::Data => (0, u32::MAX),
        Kind::Zero | Kind::ZeroAllocated => (u32::MAX, 0),
        Kind::Compressed => (0, 0),
        Kind::Parts { allocated, zero } => (zero, allocated),
    };
    let flag = if !plan.extended_l2 && zero != 0 {
        entry::ZERO
    } else {
        0
    };
    let parts = u64::from(zero) << 32 | u64::from(allocated);
    (u128::from(offset | flag) << 64 | u128::from(parts)).to_be_bytes()
}
