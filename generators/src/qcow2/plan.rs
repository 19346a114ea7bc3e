//! Decides where everything in an image lies.

use std::ops::Range;

use super::bitmaps::BitmapPlan;
use super::luks;
use super::mapping::{self, Extent, Kind};
use super::refcounts::{self, Count, Room, Run};
use super::slots::Slots;
use super::snapshots;
use crate::layout::{entry, limit};
use crate::recipe::{Encryption, Qcow2, RecipeError};

/// Most guest clusters that one state maps: 1 GiB of L2 entries. A recipe is a few bytes long
/// whatever it asks for, so something has to stand between a wrong digit and a full disk.
const MAPPED_CLUSTERS_MAX: u64 = (1 << 30) / entry::LENGTH;

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
    clusters: u64,
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

/// How many clusters every structure but the refcounts takes.
struct Sizes {
    l1_entries: u64,
    l1_clusters: u64,
    refcount_order: u32,
    /// The active state first, then each snapshot's that has clusters of its own.
    states: Vec<State>,
    snapshot_table: u64,
    bitmap_directory: u64,
    bitmaps: Vec<BitmapPlan>,
    luks: u64,
    /// Of all snapshots that share the active state.
    sharing: u64,
}

struct State {
    extents: Vec<Extent>,
    l2_tables: u64,
    data: u64,
    streams: u64,
    streams_clusters: u64,
    marker: Option<String>,
}

impl Sizes {
    fn new(file: &str, image: &Qcow2) -> Result<Sizes, RecipeError> {
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
    fn clusters(&self) -> u64 {
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

    /// Gives every structure its place.
    fn place(self, image: &Qcow2, room: Room) -> Plan {
        let mut next = Places::new(image.cluster_bits);
        next.take(1, 1);
        let refcount_table = next.take(room.table_clusters, 1);
        let refcount_blocks = next.take(room.blocks, 1);
        let mut states = self.states.into_iter();
        let mut views = Vec::with_capacity(states.len());
        let order = self.refcount_order;
        let place_state = |next: &mut Places, views: &mut Vec<View>, state: State, sharing| {
            let view = next.state(state, views.len(), self.l1_clusters, order, sharing);
            views.push(view);
        };
        if let Some(active) = states.next() {
            place_state(&mut next, &mut views, active, self.sharing);
        }
        let snapshot_table = next.take(self.snapshot_table, 1);
        let mut snapshot_l1 = Vec::with_capacity(image.snapshots.len());
        for snapshot in &image.snapshots {
            let state = match snapshot.populated {
                Some(_) => states.next(),
                None => None,
            };
            let l1 = if let Some(state) = state {
                place_state(&mut next, &mut views, state, 0);
                views.last().map(|view| view.l1_tables[0])
            } else {
                let l1 = next.take(self.l1_clusters, 1);
                views[0].l1_tables.push(l1);
                Some(l1)
            };
            snapshot_l1.push(l1.unwrap_or_default().offset);
        }
        let bitmap_directory = next.take(self.bitmap_directory, 1);
        let mut bitmaps = self.bitmaps;
        for bitmap in &mut bitmaps {
            bitmap.table = next.take(bitmap.table.clusters, 1);
            bitmap.data = next.take(bitmap.data.clusters, 1);
        }
        let luks = next.take(self.luks, 1);
        Plan {
            cluster_bits: image.cluster_bits,
            size: image.size,
            // Fits: its limit was checked.
            l1_entries: self.l1_entries as u32,
            extended_l2: image.extended_l2,
            refcount_order: self.refcount_order,
            external: image.uses_data_file(),
            refcount_table,
            refcount_blocks,
            views,
            snapshot_table,
            snapshot_l1,
            bitmap_directory,
            bitmaps,
            luks,
            runs: next.runs,
            clusters: next.cluster,
        }
    }
}

/// Hands out clusters one after the other, and remembers how often each is referenced.
struct Places {
    cluster_bits: u32,
    cluster: u64,
    runs: Vec<Run>,
}

impl Places {
    fn new(cluster_bits: u32) -> Places {
        Places {
            cluster_bits,
            cluster: 0,
            runs: Vec::new(),
        }
    }

    fn take(&mut self, clusters: u64, references: u64) -> Span {
        self.take_counted(clusters, Count::Fixed(references))
    }

    fn take_counted(&mut self, clusters: u64, count: Count) -> Span {
        if clusters == 0 {
            return Span::default();
        }
        let offset = self.cluster << self.cluster_bits;
        self.cluster += clusters;
        self.runs.push(Run { clusters, count });
        Span { offset, clusters }
    }

    /// `sharing` snapshots have the same clusters.
    fn state(
        &mut self,
        state: State,
        index: usize,
        l1_clusters: u64,
        refcount_order: u32,
        sharing: u64,
    ) -> View {
        let states = 1 + sharing;
        let l1 = self.take(l1_clusters, 1);
        let l2_tables = self.take(state.l2_tables, states);
        let data = self.take(state.data, states);
        let count = Count::Streams {
            view: index,
            states,
        };
        let streams = self.take_counted(state.streams_clusters, count);
        View {
            extents: state.extents,
            l1_tables: vec![l1],
            l2_tables,
            data,
            slots: Slots::new(
                streams.offset,
                state.streams,
                self.cluster_bits,
                refcount_order,
            ),
            marker: state.marker,
        }
    }
}

fn l2_entry_length(extended: bool) -> u64 {
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
