//! The snapshot table (qcow2 specification, Snapshots), as far as opening an image reads it.
//!
//! As many entries as the header says, one behind the other, each at a multiple of 8 bytes:
//!
//! | bytes | field |
//! |---|---|
//! | 0-7, 8-11 | offset and entries of the snapshot's L1 table |
//! | 12-13, 14-15 | length of its id and of its name |
//! | 16-31 | when it was taken |
//! | 32-35 | size of the saved machine state |
//! | 36-39 | length of the extra data, 1024 at most |
//! | 40.. | extra data, id, name |
//!
//! Extra data is: 64 bits size of the machine state, which replaces the one above, 64 bits
//! virtual size, 64 bits instruction count. An image of version 3 has the first two at least.
//! The L1 table isn't looked at before somebody asks for the snapshot.

use super::error::RejectClass as Class;
use super::header::Fields;
use super::{LISTED_MAX, ProbeError, Reader, tables};
use crate::reference::bytes::{Name, be_u16, be_u32, be_u64};
use crate::reference::layout;

/// One internal snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// Its id.
    pub id: Name,
    /// Its name.
    pub name: Name,
    /// Size of the saved machine state in bytes.
    pub vm_state_size: u64,
    /// Virtual size in bytes.
    pub disk_size: u64,
}

/// The fixed part of an entry.
struct Entry {
    start: u64,
    extra: u64,
    id: u64,
    name: u64,
    vm_state_size: u32,
}

/// Walks the table; entries past the end of the file read as zeros.
pub(super) fn read(reader: &mut Reader<'_>, fields: &Fields) -> Result<Vec<Snapshot>, ProbeError> {
    let mut listed = Vec::new();
    let mut short = None;
    let mut offset = fields.snapshots_offset;
    for number in 0..fields.snapshots {
        let entry = entry(
            reader,
            number,
            offset.next_multiple_of(layout::ENTRY_ALIGNMENT),
        )?;
        offset = entry.end();
        if offset > layout::MAX_FILE_LENGTH {
            return Err(unreadable(number, entry.start));
        }
        if offset - fields.snapshots_offset > layout::MAX_SNAPSHOT_TABLE {
            let message = "snapshot table is longer than 64 MiB";
            let at = entry.start;
            return Err(ProbeError::new(Class::SnapshotTableTooLong, at, message));
        }
        if listed.len() < LISTED_MAX {
            listed.push(entry.snapshot(reader, fields)?);
        }
        if fields.version >= 3 && entry.extra < 16 {
            let message = format!("snapshot {number} has {} bytes of extra data", entry.extra);
            short.get_or_insert((message, entry.start));
        }
    }
    if let Some((message, at)) = short {
        reader.violation("header.snapshot-extra-data", message, at);
    }
    Ok(listed)
}

fn unreadable(number: u32, offset: u64) -> ProbeError {
    let message = format!("snapshot table entry {number} is past the last offset");
    ProbeError::new(Class::SnapshotTableUnreadable, offset, message)
}

fn entry(reader: &Reader<'_>, number: u32, start: u64) -> Result<Entry, ProbeError> {
    if start + layout::SNAPSHOT_ENTRY > layout::MAX_FILE_LENGTH {
        return Err(unreadable(number, start));
    }
    let mut fixed = [0_u8; 40];
    reader.source.read_at(start, &mut fixed)?;
    let extra = u64::from(be_u32(&fixed, 36));
    if extra > layout::MAX_SNAPSHOT_EXTRA {
        let message = format!("snapshot {number} has {extra} bytes of extra data");
        return Err(ProbeError::new(Class::SnapshotExtraData, start, message));
    }
    Ok(Entry {
        start,
        extra,
        id: u64::from(be_u16(&fixed, 12)),
        name: u64::from(be_u16(&fixed, 14)),
        vm_state_size: be_u32(&fixed, 32),
    })
}

impl Entry {
    fn id_offset(&self) -> u64 {
        self.start + layout::SNAPSHOT_ENTRY + self.extra
    }

    fn end(&self) -> u64 {
        self.id_offset() + self.id + self.name
    }

    fn snapshot(&self, reader: &Reader<'_>, fields: &Fields) -> Result<Snapshot, ProbeError> {
        let mut extra = [0_u8; 16];
        let at = self.start + layout::SNAPSHOT_ENTRY;
        reader.source.read_at(at, &mut extra)?;
        let vm_state_size = match self.extra {
            8.. => be_u64(&extra, 0),
            _ => u64::from(self.vm_state_size),
        };
        let disk_size = match self.extra {
            16.. => be_u64(&extra, 8),
            _ => tables::virtual_size(fields),
        };
        Ok(Snapshot {
            id: reader.far_name(self.id_offset(), self.id)?,
            name: reader.far_name(self.id_offset() + self.id, self.name)?,
            vm_state_size,
            disk_size,
        })
    }
}
