//! Where the header's tables may lie, and how large the virtual disk may be
//! (qcow2 specification, Header; the limits are QEMU's).
//!
//! A table starts at a multiple of the cluster size, also one without entries. It may lie past
//! the end of the file, where it reads as zeros, but not past the greatest offset there is.

use super::ProbeError;
use super::error::RejectClass as Class;
use super::header::Fields;
use crate::reference::layout;

/// Checks everything that the header says about tables, sizes and encryption.
pub(super) fn check(fields: &Fields) -> Result<(), ProbeError> {
    if fields.refcount_table_clusters == 0 {
        let at = layout::REFCOUNT_TABLE_CLUSTERS;
        let message = "no refcount table";
        return Err(ProbeError::new(Class::NoRefcountTable, at, message));
    }
    let (refcounts, l1) = (refcount_table(fields), l1_table(fields));
    refcounts.check(fields)?;
    snapshot_table(fields).check(fields)?;
    l1.check(fields)?;
    check_size(fields)?;
    l1.check_readable(Class::L1TableUnreadable)?;
    check_encryption(fields)?;
    refcounts.check_readable(Class::RefcountTableUnreadable)
}

/// A table that the header names.
struct Table {
    name: &'static str,
    entries: u64,
    /// Length of an entry in bytes.
    entry: u64,
    /// Greatest length of the table in bytes.
    limit: u64,
    offset: u64,
    too_large: (Class, u64),
    bad_offset: (Class, u64),
}

fn refcount_table(fields: &Fields) -> Table {
    let too_large = Class::RefcountTableTooLarge;
    Table {
        name: "refcount table",
        entries: u64::from(fields.refcount_table_clusters),
        entry: fields.cluster_size(),
        limit: layout::MAX_REFCOUNT_TABLE_BYTES,
        offset: fields.refcount_table_offset,
        too_large: (too_large, layout::REFCOUNT_TABLE_CLUSTERS),
        bad_offset: (Class::BadRefcountTableOffset, layout::REFCOUNT_TABLE_OFFSET),
    }
}

/// Only the fixed part of each entry; [`super::snapshots`] has the rest.
fn snapshot_table(fields: &Fields) -> Table {
    Table {
        name: "snapshot table",
        entries: u64::from(fields.snapshots),
        entry: layout::SNAPSHOT_ENTRY,
        limit: layout::MAX_SNAPSHOTS * layout::SNAPSHOT_ENTRY,
        offset: fields.snapshots_offset,
        too_large: (Class::SnapshotTableTooLarge, layout::SNAPSHOTS),
        bad_offset: (Class::BadSnapshotTableOffset, layout::SNAPSHOTS_OFFSET),
    }
}

fn l1_table(fields: &Fields) -> Table {
    Table {
        name: "active l1 table",
        entries: u64::from(fields.l1_size),
        entry: layout::TABLE_ENTRY,
        limit: layout::MAX_L1_BYTES,
        offset: fields.l1_offset,
        too_large: (Class::L1TableTooLarge, layout::L1_SIZE),
        bad_offset: (Class::BadL1TableOffset, layout::L1_OFFSET),
    }
}

impl Table {
    /// Length in bytes; fits once the number of entries was checked.
    fn length(&self) -> u64 {
        self.entries * self.entry
    }

    fn check(&self, fields: &Fields) -> Result<(), ProbeError> {
        if self.entries.saturating_mul(self.entry) > self.limit {
            let message = format!("{} of {} entries is too large", self.name, self.entries);
            return Err(ProbeError::new(self.too_large.0, self.too_large.1, message));
        }
        let past_end = self.offset > i64::MAX as u64 - self.length();
        if past_end || !fields.is_aligned(self.offset) {
            return Err(self.misplaced(self.bad_offset.0));
        }
        Ok(())
    }

    /// A table that is read at open also ends where the block layer still addresses.
    fn check_readable(&self, class: Class) -> Result<(), ProbeError> {
        if self.entries > 0 && self.offset + self.length() > layout::MAX_FILE_LENGTH {
            return Err(self.misplaced(class));
        }
        Ok(())
    }

    fn misplaced(&self, class: Class) -> ProbeError {
        let message = format!("{} at byte {}", self.name, self.offset);
        ProbeError::new(class, self.bad_offset.1, message)
    }
}

fn check_size(fields: &Fields) -> Result<(), ProbeError> {
    let reach = fields.cluster_bits + fields.l2_bits();
    // QEMU's sum wraps; a size near 2^64 is only caught by the limit on the disk's length.
    let needed = fields.size.wrapping_add((1 << reach) - 1) >> reach;
    if needed > i32::MAX as u64 {
        let message = format!("virtual size {} needs too many l1 entries", fields.size);
        return Err(ProbeError::new(Class::ImageTooLarge, layout::SIZE, message));
    }
    if u64::from(fields.l1_size) < needed {
        let message = format!("l1 table has {} of {needed} entries", fields.l1_size);
        return Err(ProbeError::new(
            Class::L1TableTooSmall,
            layout::L1_SIZE,
            message,
        ));
    }
    Ok(())
}

fn check_encryption(fields: &Fields) -> Result<(), ProbeError> {
    let method = fields.crypt_method;
    if matches!(
        method,
        layout::CRYPT_NONE | layout::CRYPT_AES | layout::CRYPT_LUKS
    ) {
        return Ok(());
    }
    let message = format!("encryption method {method}");
    Err(ProbeError::new(
        Class::UnknownEncryption,
        layout::CRYPT_METHOD,
        message,
    ))
}

/// The limit that QEMU's block layer sets once a driver has opened the image.
pub(super) fn check_disk_size(fields: &Fields) -> Result<(), ProbeError> {
    if virtual_size(fields) > layout::MAX_FILE_LENGTH {
        let message = format!("virtual size {} is too large", fields.size);
        return Err(ProbeError::new(Class::DiskTooLarge, layout::SIZE, message));
    }
    Ok(())
}

/// The virtual size in bytes as QEMU shows it to a guest, in whole sectors.
pub(super) fn virtual_size(fields: &Fields) -> u64 {
    fields.size / layout::SECTOR * layout::SECTOR
}
