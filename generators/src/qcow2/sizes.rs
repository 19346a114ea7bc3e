//! Counts the clusters that every structure of an image takes.

use super::bitmaps::BitmapPlan;
use super::mapping::{self, Extent, Kind};
use super::plan::{check_limit, l2_entry_length};
use super::slots::Slots;
use super::{luks, snapshots};
use crate::layout::{entry, limit};
use crate::recipe::{Encryption, Qcow2, RecipeError};

/// Most guest clusters that one state maps: 1 GiB of L2 entries. A recipe is a few bytes long
/// whatever it asks for, so something has to stand between a wrong digit and a full disk.
const MAPPED_CLUSTERS_MAX: u64 = (1 << 30) / entry::LENGTH;

/// How many clusters every structure but the refcounts takes.
pub(super) struct Sizes {
    pub(super) l1_entries: u64,
    pub(super) l1_clusters: u64,
    pub(super) refcount_order: u32,
    /// The active state first, then each snapshot's that has clusters of its own.
    pub(super) states: Vec<State>,
    pub(super) snapshot_table: u64,
    pub(super) bitmap_directory: u64,
    pub(super) bitmaps: Vec<BitmapPlan>,
    pub(super) luks: u64,
    /// Of all snapshots that share the active state.
    pub(super) sharing: u64,
}

pub(super) struct State {
    pub(super) extents: Vec<Extent>,
    pub(super) l2_tables: u64,
    pub(super) data: u64,
    pub(super) streams: u64,
    pub(super) streams_clusters: u64,
    pub(super) marker: Option<String>,
}

impl Sizes {
    pub(super) fn new(file: &str, image: &Qcow2) -> Result<Sizes, RecipeError> {
        let cluster_size = image.cluster_size();
        let guest_clusters = image.size.div_ceil(cluster_size);
        let l2_entries = cluster_size / l2_entry_length(image.extended_l2);
        let l1_entries = guest_clusters.div_ceil(l2_entries);
        let l1_limit = limit::L1_ENTRIES_MAX;
        check_limit(file, "size", "L1 entries", l1_entries, l1_limit)?;

        let active = mapping::active(file, image, guest_clusters)?;
        let mut sizes = Sizes {
            l1_entries,
            l1_clusters: (l1_entries * entry::LENGTH).div_ceil(cluster_size),
            refcount_order: image
                .refcount_order
                .unwrap_or(limit::REFCOUNT_ORDER_DEFAULT),
            states: Vec::with_capacity(1),
            snapshot_table: snapshots::table_length(image).div_ceil(cluster_size),
            bitmap_directory: 0,
            bitmaps: Vec::new(),
            luks: 0,
            sharing: 0,
        };
        sizes.add_state(file, image, active, None)?;
        for (index, snapshot) in image.snapshots.iter().enumerate() {
            let Some(populated) = &snapshot.populated else {
                sizes.sharing += 1;
                continue;
            };
            let field = "snapshots";
            let extents = mapping::listed(file, field, populated, Kind::Data, guest_clusters)?;
            let marker = snapshots::marker_name(file, index, snapshot);
            sizes.add_state(file, image, extents.collect(), Some(marker))?;
        }
        let directory = image.bitmaps.iter().map(BitmapPlan::entry_length);
        sizes.bitmap_directory = directory.sum::<u64>().div_ceil(cluster_size);
        for bitmap in &image.bitmaps {
            let plan = BitmapPlan::new(file, bitmap, image.size, image.cluster_bits)?;
            sizes.bitmaps.push(plan);
        }
        if image.encryption == Encryption::Luks {
            sizes.luks = luks::LENGTH.div_ceil(cluster_size);
        }
        Ok(sizes)
    }

    fn add_state(
        &mut self,
        file: &str,
        image: &Qcow2,
        extents: Vec<Extent>,
        marker: Option<String>,
    ) -> Result<(), RecipeError> {
        let count = |wanted: fn(Kind) -> bool| -> u64 {
            let counted = extents.iter().filter(|extent| wanted(extent.kind));
            counted.map(Extent::count).sum()
        };
        let mapped = count(|_| true);
        check_limit(
            file,
            "populated",
            "mapped clusters",
            mapped,
            MAPPED_CLUSTERS_MAX,
        )?;
        let data = if image.uses_data_file() {
            0
        } else {
            count(Kind::takes_host)
        };
        let l2_entries = image.cluster_size() / l2_entry_length(image.extended_l2);
        let l2_tables = mapping::count_tables(&extents, l2_entries);
        let streams = count(|kind| kind == Kind::Compressed);
        let slots = Slots::new(0, streams, image.cluster_bits, self.refcount_order);
        self.states.push(State {
            extents,
            l2_tables,
            data,
            streams,
            streams_clusters: slots.clusters(),
            marker,
        });
        Ok(())
    }

    /// Of everything that is not a refcount, the header among it. The limits above, and lists
    /// that are in memory, keep the sum far from 64 bits.
    pub(super) fn clusters(&self) -> u64 {
        let states = self
            .states
            .iter()
            .map(|state| self.l1_clusters + state.l2_tables + state.data + state.streams_clusters);
        let bitmaps = self
            .bitmaps
            .iter()
            .map(|bitmap| bitmap.table.clusters + bitmap.data.clusters);
        1 + states.sum::<u64>()
            + self.sharing * self.l1_clusters
            + self.snapshot_table
            + self.bitmap_directory
            + bitmaps.sum::<u64>()
            + self.luks
    }
}
