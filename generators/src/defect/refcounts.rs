//! Defects of the refcount table and its blocks.

use super::{Base, Defect, Site, plain};

const REFCOUNTS: &str = "Host cluster management";

pub(super) const DEFECTS: &[Defect] = &[
    plain(
        "refcount",
        "a refcount is the number of references",
        REFCOUNTS,
        Base::Plain,
        |site, value| {
            let first = site.allocated(0)?;
            if site.plan.external {
                return Err("guest clusters of its own");
            }
            site.patch_refcount(first.host, value)
        },
    )
    .taking("the refcount of the first data cluster", &[0, 2, 65_535]),
    plain(
        "refcount-leak",
        "a cluster without references is counted zero times",
        REFCOUNTS,
        Base::Plain,
        |site, _| {
            let end = site.plan.file_length();
            site.patch_refcount(end, 1)
        },
    ),
    plain(
        "refcount-header",
        "the header's cluster is in use",
        REFCOUNTS,
        Base::Plain,
        |site, _| site.patch_refcount(0, 0),
    ),
    plain(
        "refcount-block",
        "an entry of the refcount table is the offset of a cluster in the file",
        REFCOUNTS,
        Base::Plain,
        |site, value| {
            let at = site.plan.refcount_table.offset;
            site.patch_u64(at, value);
            Ok(())
        },
    )
    .taking(
        "the first entry",
        &[0, 0x2001, 0x2200, 0x3000, 0x1000, u64::MAX],
    ),
    plain(
        "refcount-block-past-end",
        "refcount blocks lie inside the file",
        REFCOUNTS,
        Base::Plain,
        |site, _| {
            let (at, offset) = (site.plan.refcount_table.offset, site.past_end());
            site.patch_u64(at, offset);
            Ok(())
        },
    ),
];

impl Site<'_> {
    /// Replaces the refcount of the cluster at an offset, where refcounts have 16 bits.
    fn patch_refcount(&mut self, cluster: u64, value: u64) -> Result<(), &'static str> {
        let plan = self.plan;
        let at = plan
            .refcount16(cluster)
            .ok_or("refcounts of 16 bits, and room for one more")?;
        self.patch(at, (value as u16).to_be_bytes().to_vec());
        Ok(())
    }
}
