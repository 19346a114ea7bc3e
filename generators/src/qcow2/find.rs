//! Finds single entries of a finished plan, for those who change them.

use super::mapping::{self, Extent};
use super::plan::Plan;
use crate::layout::{entry, limit};

/// A guest cluster that has a host cluster, and the entries that lead to it. Offsets of entries
/// are in bytes from the start of the image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Allocated {
    /// Its index.
    pub(crate) guest: u64,
    /// Offset of the host cluster, in the image or in its data file.
    pub(crate) host: u64,
    pub(crate) l1_entry: u64,
    pub(crate) l2_table: u64,
    pub(crate) l2_entry: u64,
}

impl Plan {
    /// The allocated guest cluster of the active state with this place among them.
    pub(crate) fn allocated(&self, index: u64) -> Option<Allocated> {
        let view = self.active();
        let mut before = 0;
        for (place, extent) in view.extents.iter().enumerate() {
            if !extent.kind.takes_host() {
                continue;
            }
            if index >= before + extent.count() {
                before += extent.count();
                continue;
            }
            let guest = extent.guest.start + index - before;
            let host = if self.external {
                guest << self.cluster_bits
            } else {
                view.data.offset + (index << self.cluster_bits)
            };
            return Some(self.entries_of(guest, host, &view.extents[..=place]));
        }
        None
    }

    /// `extents` are those up to the one that the cluster is in.
    fn entries_of(&self, guest: u64, host: u64, extents: &[Extent]) -> Allocated {
        let table = guest / self.l2_entries();
        // Tables in front of this one hold what ends before it starts.
        let start = table * self.l2_entries();
        let before: Vec<Extent> = extents
            .iter()
            .filter(|extent| extent.guest.start < start)
            .map(|extent| Extent {
                guest: extent.guest.start..extent.guest.end.min(start),
                kind: extent.kind,
            })
            .collect();
        let ordinal = mapping::count_tables(&before, self.l2_entries());
        let l2_table = self.active().l2_tables.offset + (ordinal << self.cluster_bits);
        Allocated {
            guest,
            host,
            l1_entry: self.l1_table() + table * entry::LENGTH,
            l2_table,
            l2_entry: l2_table + guest % self.l2_entries() * self.l2_entry_length(),
        }
    }

    /// Where the refcount of the cluster at this offset stands, if refcounts have 16 bits and
    /// the blocks reach so far.
    pub(crate) fn refcount16(&self, offset: u64) -> Option<u64> {
        let at = (offset >> self.cluster_bits) * 2;
        let room = self.refcount_blocks.clusters << self.cluster_bits;
        let fits = self.refcount_order == limit::REFCOUNT_ORDER_DEFAULT && at < room;
        fits.then_some(self.refcount_blocks.offset + at)
    }
}
