//! Defects of the L1 and L2 tables.

use super::{Base, Defect, Site, plain};
use crate::layout::{autoclear, entry};
use crate::qcow2::Allocated;

const MAPPING: &str = "Cluster mapping";
const DATA_FILE: &str = "Header, incompatible bit 2";

const LACKS: &str = "an allocated cluster";

pub(super) const DEFECTS: &[Defect] = &[
    plain(
        "l1-entry",
        "an L1 entry is 0, or the offset of a cluster with its reserved bits 0",
        MAPPING,
        Base::Plain,
        |site, value| {
            let first = site.allocated(0)?;
            site.patch_u64(first.l1_entry, value);
            Ok(())
        },
    )
    .taking(
        "the entry",
        &[
            0x8000_0000_0000_0200,
            entry::COPIED,
            0,
            0x8000_0000_0000_5001,
            0xff00_0000_0000_5000,
            0x80ff_ffff_ffff_f000,
        ],
    ),
    plain(
        "l1-entry-not-copied",
        "bit 63 is set exactly if the refcount is one",
        MAPPING,
        Base::Plain,
        |site, _| {
            let first = site.allocated(0)?;
            site.patch_u64(first.l1_entry, first.l2_table);
            Ok(())
        },
    ),
    plain(
        "l1-entry-past-end",
        "an L2 table lies inside the file",
        MAPPING,
        Base::Plain,
        |site, _| {
            let first = site.allocated(0)?;
            let offset = site.past_end();
            site.patch_u64(first.l1_entry, entry::COPIED | offset);
            Ok(())
        },
    ),
    plain(
        "l1-entry-is-header",
        "no cluster has two uses",
        MAPPING,
        Base::Plain,
        |site, _| {
            let first = site.allocated(0)?;
            let table = site.plan.l1_table();
            site.patch_u64(first.l1_entry, entry::COPIED | table);
            Ok(())
        },
    ),
    plain(
        "l2-entry",
        "an L2 entry has a cluster's offset, its reserved bits 0",
        MAPPING,
        Base::Plain,
        |site, value| {
            let first = site.allocated(0)?;
            site.patch_u64(first.l2_entry, value);
            Ok(())
        },
    )
    .taking(
        "the entry, or the first half of an extended one",
        &[
            0x8000_0000_0000_0200,
            entry::COPIED,
            0x8000_0000_0000_0002,
            0xff00_0000_0000_6000,
            0x80ff_ffff_ffff_f000,
            0xc000_0000_0000_6000,
            0x7fff_ffff_ffff_ffff,
        ],
    ),
    plain(
        "l2-entry-not-copied",
        "bit 63 is set exactly if the refcount is one",
        MAPPING,
        Base::Plain,
        |site, _| {
            let first = site.allocated(0)?;
            site.patch_u64(first.l2_entry, first.host);
            Ok(())
        },
    ),
    plain(
        "l2-entry-past-end",
        "a cluster lies inside the file",
        MAPPING,
        Base::Plain,
        |site, _| {
            let first = site.allocated(0)?;
            let offset = site.past_end();
            site.patch_u64(first.l2_entry, entry::COPIED | offset);
            Ok(())
        },
    ),
    plain(
        "l2-entry-is-header",
        "metadata is never a guest's cluster",
        MAPPING,
        Base::Plain,
        |site, _| {
            let first = site.allocated(0)?;
            let table = site.plan.refcount_table.offset;
            site.patch_u64(first.l2_entry, entry::COPIED | table);
            Ok(())
        },
    ),
    plain(
        "l2-entry-twice",
        "two guest clusters don't share a host cluster unless it is counted twice",
        MAPPING,
        Base::Plain,
        |site, _| {
            let (first, second) = (site.allocated(0)?, site.allocated(1)?);
            site.patch_u64(second.l2_entry, entry::COPIED | first.host);
            Ok(())
        },
    ),
    plain(
        "l2-entry-shifted",
        "a data file has each guest cluster at its guest offset",
        DATA_FILE,
        Base::DataFile,
        |site, _| {
            let first = site.data_file_cluster()?;
            let other = first.host + site.plan.cluster_size() as u64;
            site.patch_u64(first.l2_entry, entry::COPIED | other);
            Ok(())
        },
    ),
    plain(
        "l2-entry-compressed",
        "a data file has no compressed clusters",
        DATA_FILE,
        Base::DataFile,
        |site, _| {
            let first = site.data_file_cluster()?;
            site.patch_u64(first.l2_entry, entry::COMPRESSED | first.host);
            Ok(())
        },
    ),
    plain(
        "l2-entry-data-not-copied",
        "clusters of a data file count as referenced once",
        DATA_FILE,
        Base::DataFile,
        |site, _| {
            // A guest offset of 0 without bit 63 would mean an unallocated cluster.
            let second = site.data_file_cluster().and_then(|_| site.allocated(1))?;
            site.patch_u64(second.l2_entry, second.host);
            Ok(())
        },
    ),
    plain(
        "l2-entry-raw-hole",
        "with the raw flag every cluster reads from the data file",
        "Header, autoclear bit 1",
        Base::RawDataFile,
        |site, value| {
            let first = site.data_file_cluster()?;
            if site.draft.autoclear & autoclear::DATA_FILE_RAW == 0 {
                return Err("the raw flag");
            }
            site.patch_u64(first.l2_entry, value);
            Ok(())
        },
    )
    .taking(
        "the entry: unallocated or zeros",
        &[0, 1, entry::COPIED | entry::ZERO],
    ),
    plain(
        "l2-entry-zero",
        "version 2 has no zero flag",
        MAPPING,
        Base::Version2,
        |site, _| {
            let first = site.allocated(0)?;
            site.patch_u64(first.l2_entry, entry::COPIED | first.host | entry::ZERO);
            Ok(())
        },
    ),
    plain(
        "l2-entry-beyond",
        "entries behind the disk's end mean nothing",
        MAPPING,
        Base::Plain,
        |site, _| {
            let first = site.allocated(0)?;
            let plan = site.plan;
            let entries = plan.cluster_size() as u64 / plan.l2_entry_length();
            let clusters = plan.size.div_ceil(plan.cluster_size() as u64);
            if clusters >= entries || first.guest >= entries {
                return Err("an L2 table that is not full");
            }
            let at = first.l2_table + (entries - 1) * plan.l2_entry_length();
            site.patch_u64(at, entry::COPIED | first.host);
            Ok(())
        },
    ),
    plain(
        "subclusters-both",
        "a subcluster is not allocated and zero at once",
        "Extended L2 Entries",
        Base::ExtendedL2,
        |site, _| site.subclusters(0x0000_0001_ffff_ffff),
    ),
    plain(
        "subclusters-none",
        "a cluster with no subcluster allocated reads from below",
        "Extended L2 Entries",
        Base::ExtendedL2,
        |site, _| site.subclusters(0),
    ),
    plain(
        "subclusters-zero-flag",
        "bit 0 of an extended entry means nothing",
        "Extended L2 Entries",
        Base::ExtendedL2,
        |site, _| {
            let first = site.extended()?;
            site.patch_u64(first.l2_entry, entry::COPIED | first.host | entry::ZERO);
            Ok(())
        },
    ),
    plain(
        "subclusters-compressed",
        "a compressed cluster has no subclusters",
        "Extended L2 Entries",
        Base::ExtendedL2,
        |site, _| {
            let first = site.extended()?;
            site.patch_u64(first.l2_entry, entry::COMPRESSED | first.host);
            Ok(())
        },
    ),
];

impl Site<'_> {
    /// The allocated guest cluster with this place among them.
    pub(super) fn allocated(&self, index: u64) -> Result<Allocated, &'static str> {
        self.plan.allocated(index).ok_or(LACKS)
    }

    fn data_file_cluster(&self) -> Result<Allocated, &'static str> {
        let first = self.allocated(0)?;
        self.plan.external.then_some(first).ok_or("a data file")
    }

    fn extended(&self) -> Result<Allocated, &'static str> {
        let first = self.allocated(0)?;
        let extended = self.plan.extended_l2;
        extended.then_some(first).ok_or("extended L2 entries")
    }

    /// Replaces the second half of an extended entry.
    fn subclusters(&mut self, bits: u64) -> Result<(), &'static str> {
        let first = self.extended()?;
        self.patch_u64(first.l2_entry + entry::LENGTH, bits);
        Ok(())
    }
}
