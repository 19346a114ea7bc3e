//! Strategies for one image.

use proptest::collection::{btree_set, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::strategy::Union;

use super::{header, subset};
use crate::layout::limit;
use crate::recipe::{Bitmap, Bytes, Clusters, Compression, Qcow2, Raw, Snapshot, Subclusters};

/// An image that has no names yet, and the data file that it needs.
#[derive(Clone, Debug)]
pub(super) struct Drawn {
    pub(super) image: Qcow2,
    pub(super) data_file: Option<Raw>,
    /// Whether a backing image's format is stored.
    pub(super) names_format: bool,
}

/// What decides which options make sense together.
#[derive(Clone, Copy, Debug)]
struct Geometry {
    version: u32,
    cluster_bits: u32,
    extended_l2: bool,
    data_file: DataFile,
    size: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum DataFile {
    None,
    Plain,
    Raw,
}

impl Geometry {
    fn clusters(self) -> u64 {
        self.size.div_ceil(1 << self.cluster_bits)
    }
}

pub(super) fn image() -> impl Strategy<Value = Drawn> {
    geometry().prop_flat_map(|geometry| {
        (
            mapped(geometry),
            header::header(geometry.version),
            metadata(geometry),
            any::<bool>(),
        )
            .prop_map(|(mut drawn, header, metadata, names_format)| {
                metadata.put_into(&mut drawn.image);
                header.put_into(&mut drawn.image);
                drawn.names_format = names_format;
                drawn
            })
    })
}

fn geometry() -> impl Strategy<Value = Geometry> {
    let data_file = prop_oneof![
        3 => Just(DataFile::None),
        2 => Just(DataFile::Plain),
        2 => Just(DataFile::Raw),
    ];
    let bits = prop_oneof![8 => 9_u32..=16, 1 => 17_u32..=21];
    (2_u32..=3, bits, any::<bool>(), data_file).prop_flat_map(
        |(version, cluster_bits, extended, data_file)| {
            // What is written stays below a few hundred KiB, or a few clusters.
            let clusters = (1_u64 << (19_u32.saturating_sub(cluster_bits).min(6))).max(3);
            let extended_l2 =
                extended && version == 3 && cluster_bits >= limit::EXTENDED_CLUSTER_BITS_MIN;
            let data_file = if version == 3 {
                data_file
            } else {
                DataFile::None
            };
            (0..=clusters << (cluster_bits - 9)).prop_map(move |sectors| Geometry {
                version,
                cluster_bits,
                extended_l2,
                data_file,
                size: sectors * 512,
            })
        },
    )
}

/// What one guest cluster is.
#[derive(Clone, Debug)]
enum Cluster {
    Unallocated,
    Populated,
    Zero,
    ZeroAllocated,
    Compressed,
    Subclusters(u32, u32),
}

fn cluster(geometry: Geometry) -> BoxedStrategy<Cluster> {
    if geometry.data_file == DataFile::Raw {
        return prop_oneof![Just(Cluster::Unallocated), Just(Cluster::Populated)].boxed();
    }
    let mut choices = vec![
        (3, Just(Cluster::Unallocated).boxed()),
        (3, Just(Cluster::Populated).boxed()),
    ];
    if geometry.version == 3 {
        choices.push((1, Just(Cluster::Zero).boxed()));
        choices.push((1, Just(Cluster::ZeroAllocated).boxed()));
    }
    if geometry.data_file == DataFile::None {
        choices.push((1, Just(Cluster::Compressed).boxed()));
    }
    if geometry.extended_l2 {
        let parts = (any::<u32>(), any::<u32>())
            .prop_map(|(allocated, zero)| Cluster::Subclusters(allocated, zero & !allocated));
        choices.push((2, parts.boxed()));
    }
    Union::new_weighted(choices).boxed()
}

fn mapped(geometry: Geometry) -> impl Strategy<Value = Drawn> {
    let clusters = geometry.clusters();
    let count = usize::try_from(clusters).unwrap_or_default();
    let states = vec(cluster(geometry), count);
    // A data file may be longer or shorter than the disk, unless it is the disk.
    let length = prop_oneof![Just(geometry.size), 0..=geometry.size * 2];
    (states, subset(clusters), length, any::<bool>()).prop_map(
        move |(states, populated, length, zstd)| {
            let mut image = Qcow2 {
                version: geometry.version,
                cluster_bits: geometry.cluster_bits,
                size: geometry.size,
                extended_l2: geometry.extended_l2,
                data_file_raw: geometry.data_file == DataFile::Raw,
                ..Qcow2::default()
            };
            if zstd && geometry.version == 3 {
                image.compression = Compression::Zstd;
            }
            put_states(&mut image, &states);
            let raw = geometry.data_file == DataFile::Raw;
            let length = if raw { geometry.size } else { length };
            let data_file = (geometry.data_file != DataFile::None)
                .then(|| data_file(geometry, length, &populated));
            Drawn {
                image,
                data_file,
                names_format: true,
            }
        },
    )
}

fn put_states(image: &mut Qcow2, states: &[Cluster]) {
    let of = |wanted: fn(&Cluster) -> bool| -> Clusters {
        let states = (0_u64..).zip(states);
        let chosen = states.filter(|(_, state)| wanted(state));
        chosen.map(|(index, _)| index).collect()
    };
    image.populated = of(|state| matches!(state, Cluster::Populated));
    image.zero = of(|state| matches!(state, Cluster::Zero));
    image.zero_allocated = of(|state| matches!(state, Cluster::ZeroAllocated));
    image.compressed = of(|state| matches!(state, Cluster::Compressed));
    for (cluster, state) in (0_u64..).zip(states) {
        if let Cluster::Subclusters(allocated, zero) = state {
            image.subclusters.push(Subclusters {
                cluster,
                allocated: bits(*allocated),
                zero: bits(*zero),
            });
        }
    }
}

fn bits(mask: u32) -> Clusters {
    (0..u64::from(u32::BITS))
        .filter(|bit| mask >> bit & 1 == 1)
        .collect()
}

fn data_file(geometry: Geometry, size: u64, populated: &Clusters) -> Raw {
    let cluster_size = 1 << geometry.cluster_bits;
    let clusters = size.div_ceil(cluster_size);
    Raw {
        size,
        cluster_size,
        populated: populated
            .iter()
            .filter(|cluster| *cluster < clusters)
            .collect(),
        start: None,
    }
}

/// Snapshots, bitmaps and the width of refcounts.
#[derive(Clone, Debug)]
struct Metadata {
    snapshots: Vec<Snapshot>,
    bitmaps: Vec<Bitmap>,
    refcount_order: Option<u32>,
}

fn metadata(geometry: Geometry) -> impl Strategy<Value = Metadata> {
    // QEMU has no internal snapshots over a data file, and no bitmaps in version 2 or of nothing.
    let most = if geometry.data_file == DataFile::None {
        2
    } else {
        0
    };
    let snapshots = vec(snapshot(geometry), 0..=most);
    let has_bitmaps = geometry.version == 3 && geometry.size > 0;
    let most = if has_bitmaps { 2 } else { 0 };
    let names = btree_set("[a-zA-Z0-9 äöü/.]{1,40}", 0..=most);
    let bitmaps = names.prop_flat_map(move |names| {
        let bitmaps = names.into_iter().map(|name| bitmap(geometry, name));
        bitmaps.collect::<Vec<_>>()
    });
    let order = option::weighted(0.5, 0..=limit::REFCOUNT_ORDER_MAX);
    let order = if geometry.version == 3 {
        order.boxed()
    } else {
        Just(None).boxed()
    };
    (snapshots, bitmaps, order).prop_map(|(snapshots, bitmaps, refcount_order)| Metadata {
        snapshots,
        bitmaps,
        refcount_order,
    })
}

fn snapshot(geometry: Geometry) -> impl Strategy<Value = Snapshot> {
    let extra = if geometry.version == 3 {
        prop_oneof![Just(16), Just(24), 24..100_u32].boxed()
    } else {
        prop_oneof![Just(0), Just(24)].boxed()
    };
    let populated = option::of(subset(geometry.clusters()));
    ("[a-z ]{0,20}", populated, extra, any::<u32>(), any::<u64>()).prop_map(
        |(name, populated, extra_length, seconds, clock)| Snapshot {
            name: Bytes::from(name),
            populated,
            extra_length,
            seconds,
            clock,
            ..Snapshot::default()
        },
    )
}

fn bitmap(geometry: Geometry, name: String) -> impl Strategy<Value = Bitmap> {
    let granularity = limit::BITMAP_GRANULARITY_BITS;
    (
        granularity,
        any::<bool>(),
        any::<bool>(),
        vec(any::<u64>(), 0..12),
    )
        .prop_map(move |(granularity_bits, in_use, auto, dirty)| {
            let bits = geometry.size.div_ceil(1 << granularity_bits);
            let dirty = dirty.into_iter().filter_map(|bit| bit.checked_rem(bits));
            Bitmap {
                name: Bytes::from(name.clone()),
                granularity_bits,
                dirty: dirty.collect(),
                in_use,
                auto,
            }
        })
}

impl Metadata {
    fn put_into(self, image: &mut Qcow2) {
        let sharing = self.snapshots.iter().filter(|one| one.populated.is_none());
        // A narrow refcount can't count what snapshots and compressed streams share.
        let shares = sharing.count() > 0 || !image.compressed.is_empty();
        let fits = |order: &u32| !shares || *order >= limit::REFCOUNT_ORDER_DEFAULT;
        image.refcount_order = self.refcount_order.filter(fits);
        image.snapshots = self.snapshots;
        image.bitmaps = self.bitmaps;
    }
}
