//! Defects of the snapshot table.

use super::{Base, Defect, Site, plain};
use crate::layout::snapshot::LENGTH;

const SNAPSHOTS: &str = "Snapshots";
const LACKS: &str = "a snapshot";

pub(super) const DEFECTS: &[Defect] = &[
    plain(
        "snapshot-count",
        "QEMU reads 65536 snapshots at most",
        "Header, nb_snapshots",
        Base::Plain,
        |site, value| {
            site.draft.snapshot_count = value as u32;
            Ok(())
        },
    )
    .taking("the field", &[65_537, 1, 65_536, 0x8000_0000, 0xffff_ffff]),
    plain(
        "snapshots-offset",
        "the snapshot table starts at a cluster of the file",
        "Header, snapshots_offset",
        Base::Plain,
        |site, value| {
            site.draft.snapshots_offset = value;
            Ok(())
        },
    )
    .taking(
        "the offset in bytes",
        &[4097, 4096, 1 << 40, 0x7fff_ffff_ffff_f000, 1 << 63],
    ),
    plain(
        "snapshots-fewer",
        "the table has as many entries as the header says",
        SNAPSHOTS,
        Base::Snapshots,
        |site, _| {
            table(site)?;
            site.draft.snapshot_count = 1;
            Ok(())
        },
    ),
    plain(
        "snapshots-more",
        "the table has as many entries as the header says",
        SNAPSHOTS,
        Base::Snapshots,
        |site, _| {
            table(site)?;
            site.draft.snapshot_count += 1;
            Ok(())
        },
    ),
    plain(
        "snapshots-past-end",
        "the snapshot table lies inside the file",
        SNAPSHOTS,
        Base::Snapshots,
        |site, _| {
            table(site)?;
            site.draft.snapshots_offset = site.past_end();
            Ok(())
        },
    ),
    plain(
        "snapshots-unreadable",
        "the snapshot table lies where a file can be read",
        SNAPSHOTS,
        Base::Snapshots,
        |site, _| {
            table(site)?;
            site.draft.snapshots_offset = 0x7fff_ffff_ffff_f000;
            Ok(())
        },
    ),
    plain(
        "snapshots-too-big",
        "QEMU reads 64 MiB of snapshot table at most",
        SNAPSHOTS,
        Base::Snapshots,
        |site, _| {
            table(site)?;
            let start = site.plan.file_length();
            let length = (LENGTH as u64 + 2 * u64::from(u16::MAX)).next_multiple_of(8);
            let count = (64 << 20) / length + 1;
            for index in 0..count {
                // Id and name are as long as they can be, and holes in the file.
                site.patch_u32(start + index * length + 12, u32::MAX);
            }
            site.draft.snapshots_offset = start;
            site.draft.snapshot_count = count as u32;
            Ok(())
        },
    ),
    plain(
        "snapshot-extra",
        "a snapshot has 1024 bytes of extra data at most, in version 3 at least 16",
        SNAPSHOTS,
        Base::Snapshots,
        |site, value| {
            let at = table(site)? + 36;
            site.patch_u32(at, value as u32);
            Ok(())
        },
    )
    .taking(
        "the length field in bytes",
        &[1025, 0, 8, 15, 0x7fff_ffff, 0xffff_ffff],
    ),
    plain(
        "snapshot-name-length",
        "a snapshot's name lies inside the table",
        SNAPSHOTS,
        Base::Snapshots,
        |site, value| {
            let at = table(site)? + 14;
            site.patch(at, (value as u16).to_be_bytes().to_vec());
            Ok(())
        },
    )
    .taking("the length field in bytes", &[65_535, 0]),
    plain(
        "snapshot-l1-offset",
        "a snapshot's L1 table starts at a cluster of the file",
        SNAPSHOTS,
        Base::Snapshots,
        |site, value| {
            let at = table(site)?;
            site.patch_u64(at, value);
            Ok(())
        },
    )
    .taking("the offset in bytes", &[4097, 0, 1 << 40, 1 << 63]),
    plain(
        "snapshot-l1-size",
        "a snapshot's L1 table maps its disk",
        SNAPSHOTS,
        Base::Snapshots,
        |site, value| {
            let at = table(site)? + 8;
            site.patch_u32(at, value as u32);
            Ok(())
        },
    )
    .taking("the number of entries", &[0, 4_194_305, 0xffff_ffff]),
];

/// Offset of the first entry.
fn table(site: &Site<'_>) -> Result<u64, &'static str> {
    let offset = site.plan.snapshot_table.offset;
    (offset != 0).then_some(offset).ok_or(LACKS)
}
