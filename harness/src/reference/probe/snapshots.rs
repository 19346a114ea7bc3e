//! The snapshot table (qcow2 specification, Snapshots), as far as opening an image reads it.
//!
//! Only lengths matter here: they say where the next entry is, and QEMU limits them.

use super::error::RejectClass as Class;
use super::{ProbeError, Reader};
use crate::reference::layout;

/// The longest extra data of an entry, in bytes.
const MAX_EXTRA: u64 = 1024;
/// The longest table, in bytes.
const MAX_TABLE: u64 = 64 << 20;

/// Walks the table entry by entry; entries past the end of the file read as zeros.
pub(super) fn check(reader: &Reader<'_>, count: u32, start: u64) -> Result<(), ProbeError> {
    // The field checks leave room for the whole table of fixed parts below the last offset.
    let mut offset = start;
    for number in 0..count {
        let end = entry_end(reader, number, offset.next_multiple_of(8))?;
        if end - start > MAX_TABLE {
            let message = "snapshot table is longer than 64 MiB";
            return Err(ProbeError::new(Class::BadSnapshotTable, end, message));
        }
        offset = end;
    }
    Ok(())
}

fn entry_end(reader: &Reader<'_>, number: u32, start: u64) -> Result<u64, ProbeError> {
    let refuse = |message: String| Err(ProbeError::new(Class::BadSnapshotTable, start, message));
    let mut entry = [0_u8; 40];
    reader.source.read_at(start, &mut entry)?;
    let id = u64::from(u16::from_be_bytes([entry[12], entry[13]]));
    let name = u64::from(u16::from_be_bytes([entry[14], entry[15]]));
    let extra = u64::from(u32::from_be_bytes([
        entry[36], entry[37], entry[38], entry[39],
    ]));
    if extra > MAX_EXTRA {
        return refuse(format!(
            "snapshot table entry {number} has {extra} bytes of extra data"
        ));
    }
    let end = start.checked_add(layout::SNAPSHOT_ENTRY + extra + id + name);
    match end.filter(|end| *end <= layout::MAX_FILE_LENGTH) {
        Some(end) => Ok(end),
        None => refuse(format!(
            "snapshot table entry {number} is past the last offset"
        )),
    }
}
