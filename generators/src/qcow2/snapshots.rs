//! The snapshot table. Specification: Snapshots.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

use super::plan::Plan;
use crate::layout::snapshot as field;
use crate::recipe::{Bytes, Qcow2, Snapshot};

/// The name that the marker of a snapshot with clusters of its own stands for.
pub(super) fn marker_name(file: &str, index: usize, snapshot: &Snapshot) -> String {
    format!("{file}@{}", String::from_utf8_lossy(&id(index, snapshot)))
}

/// Length of the snapshot table in bytes.
pub(super) fn table_length(image: &Qcow2) -> u64 {
    let entry = |(index, snapshot): (usize, &Snapshot)| {
        let names = id(index, snapshot).len() + snapshot.name.length();
        (field::LENGTH + snapshot.extra_length as usize + names).next_multiple_of(field::ALIGNMENT)
    };
    image.snapshots.iter().enumerate().map(entry).sum::<usize>() as u64
}

/// Writes the table. Names and extra data have been checked to fit their length fields.
pub(super) fn write(file: &File, image: &Qcow2, plan: &Plan) -> io::Result<()> {
    let mut bytes = Vec::new();
    for (index, snapshot) in image.snapshots.iter().enumerate() {
        let l1 = plan.snapshot_l1.get(index).copied().unwrap_or_default();
        push(&mut bytes, image, index, snapshot, l1, plan.l1_entries);
    }
    file.write_all_at(&bytes, plan.snapshot_table.offset)
}

fn push(
    bytes: &mut Vec<u8>,
    image: &Qcow2,
    index: usize,
    snapshot: &Snapshot,
    l1_table: u64,
    l1_entries: u32,
) {
    let id = id(index, snapshot);
    let name = snapshot.name.to_bytes();
    bytes.extend_from_slice(&l1_table.to_be_bytes());
    bytes.extend_from_slice(&l1_entries.to_be_bytes());
    bytes.extend_from_slice(&(id.len() as u16).to_be_bytes());
    bytes.extend_from_slice(&(name.len() as u16).to_be_bytes());
    bytes.extend_from_slice(&snapshot.seconds.to_be_bytes());
    // Nanoseconds of the date.
    bytes.extend_from_slice(&0_u32.to_be_bytes());
    bytes.extend_from_slice(&snapshot.clock.to_be_bytes());
    // The old field for the machine state's size has 32 bits; the extra data has all of it.
    bytes.extend_from_slice(&(snapshot.vm_state_size as u32).to_be_bytes());
    bytes.extend_from_slice(&snapshot.extra_length.to_be_bytes());

    // No instruction count was recorded.
    let extra = [snapshot.vm_state_size, image.size, u64::MAX];
    let mut extra: Vec<u8> = extra.into_iter().flat_map(u64::to_be_bytes).collect();
    extra.resize(snapshot.extra_length as usize, 0);
    bytes.extend_from_slice(&extra);
    bytes.extend_from_slice(&id);
    bytes.extend_from_slice(&name);
    bytes.resize(bytes.len().next_multiple_of(field::ALIGNMENT), 0);
}

pub(super) fn id(index: usize, snapshot: &Snapshot) -> Vec<u8> {
    snapshot
        .id
        .as_ref()
        .map_or_else(|| (index + 1).to_string().into_bytes(), Bytes::to_bytes)
}
