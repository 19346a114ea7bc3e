//! Gives every structure of an image its clusters, one after the other.

use super::plan::{Plan, Span, View};
use super::refcounts::{Count, Room, Run};
use super::sizes::{Sizes, State};
use super::slots::Slots;
use crate::recipe::Qcow2;

impl Sizes {
    /// Gives every structure its place.
    pub(super) fn place(self, image: &Qcow2, room: Room) -> Plan {
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
