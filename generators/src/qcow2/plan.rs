//! Decides where everything in an image lies.

use std::ops::Range;

use super::bitmaps::BitmapPlan;
use super::mapping::Extent;
use super::refcounts::{self, Count, Room, Run};
use super::sizes::Sizes;
use super::slots::Slots;
use crate::layout::{entry, limit};
use crate::recipe::{Qcow2, RecipeError};

/// Clusters of the file that follow each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Span {
    /// Offset in bytes; 0 if there are no clusters.
    pub(crate) offset: u64,
    pub(crate) clusters: u64,
}

/// One state of the guest's disk: the active one, or a snapshot with clusters of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct View {
    pub(super) extents: Vec<Extent>,
    /// Every L1 table that leads to it: its own, and those of snapshots that share it.
    pub(super) l1_tables: Vec<Span>,
    pub(crate) l2_tables: Span,
    pub(crate) data: Span,
    pub(super) slots: Slots,
    /// The name that its marker stands for, if not the file's.
    pub(super) marker: Option<String>,
}

/// Offsets and sizes of every structure, in the order in which they follow each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    pub(crate) cluster_bits: u32,
    /// Virtual size in bytes.
    pub(crate) size: u64,
    pub(crate) l1_entries: u32,
    pub(crate) extended_l2: bool,
    pub(super) refcount_order: u32,
    /// Whether guest clusters live in a data file.
    pub(crate) external: bool,
    pub(crate) refcount_table: Span,
    pub(crate) refcount_blocks: Span,
    /// The active state first.
    pub(super) views: Vec<View>,
    pub(crate) snapshot_table: Span,
    /// For each snapshot, where its L1 table is.
    pub(super) snapshot_l1: Vec<u64>,
    pub(crate) bitmap_directory: Span,
    pub(crate) bitmaps: Vec<BitmapPlan>,
    pub(crate) luks: Span,
    pub(super) runs: Vec<Run>,
    /// Length of the file in clusters.
    pub(super) clusters: u64,
}

impl Plan {
    pub(super) fn new(file: &str, image: &Qcow2) -> Result<Plan, RecipeError> {
        let sizes = Sizes::new(file, image)?;
        let others = sizes.clusters();
        let room = Room::covering(others, image.cluster_bits, sizes.refcount_order);
        check_limit(
            file,
            "populated",
            "refcount table clusters",
            room.table_clusters,
            limit::REFCOUNT_TABLE_BYTES_MAX >> image.cluster_bits,
        )?;
        let plan = sizes.place(image, room);
        plan.check_refcounts(file)?;
        Ok(plan)
    }

    /// In bytes.
    pub(crate) fn cluster_size(&self) -> usize {
        1 << self.cluster_bits
    }

    /// How many L2 entries fill a table.
    pub(super) fn l2_entries(&self) -> u64 {
        (1 << self.cluster_bits) / self.l2_entry_length()
    }

    /// In bytes.
    pub(crate) fn l2_entry_length(&self) -> u64 {
        l2_entry_length(self.extended_l2)
    }

    /// Length of the image's file in bytes: the end of its last cluster.
    pub(crate) fn file_length(&self) -> u64 {
        self.clusters << self.cluster_bits
    }

    /// The active state.
    pub(crate) fn active(&self) -> &View {
        &self.views[0]
    }

    /// Offset of the active L1 table in bytes, or 0 if there is none.
    pub(crate) fn l1_table(&self) -> u64 {
        self.active().l1_tables[0].offset
    }

    /// How many internal snapshots there are.
    pub(super) fn snapshot_count(&self) -> u32 {
        // The snapshots of a recipe are in memory.
        self.snapshot_l1.len() as u32
    }

    /// How often the cluster with this index in the file is referenced.
    pub(super) fn references(&self, count: Count, cluster: u64) -> u64 {
        match count {
            Count::Fixed(value) => value,
            Count::Streams { view, states } => self.views[view].slots.references(cluster) * states,
        }
    }

    fn check_refcounts(&self, file: &str) -> Result<(), RecipeError> {
        let largest = refcounts::largest(self.refcount_order);
        let needed = self.runs.iter().map(|run| match run.count {
            Count::Fixed(value) => value,
            // A host cluster has a part of three streams at most.
            Count::Streams { states, .. } if self.refcount_order > 0 => 3 * states,
            Count::Streams { states, .. } => states,
        });
        let needed = needed.max().unwrap_or_default();
        check_limit(file, "refcount-order", "references", needed, largest)
    }
}

impl View {
    /// Whether the refcount of its tables is exactly one.
    pub(super) fn is_sole(&self) -> bool {
        self.l1_tables.len() == 1
    }
}

pub(super) fn l2_entry_length(extended: bool) -> u64 {
    if extended {
        entry::EXTENDED_LENGTH
    } else {
        entry::LENGTH
    }
}

pub(crate) fn check_limit(
    file: &str,
    field: &'static str,
    what: &'static str,
    needed: u64,
    limit: u64,
) -> Result<(), RecipeError> {
    if needed <= limit {
        return Ok(());
    }
    Err(RecipeError::TooLarge {
        file: file.to_owned(),
        field,
        what,
        needed,
        limit,
    })
}

impl Span {
    /// The offsets of its clusters in bytes.
    pub(super) fn offsets(self, cluster_bits: u32) -> impl Iterator<Item = u64> {
        let clusters: Range<u64> = 0..self.clusters;
        clusters.map(move |cluster| self.offset + (cluster << cluster_bits))
    }
}
