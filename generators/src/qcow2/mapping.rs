//! Which guest clusters have an L2 entry, and of which kind.

use std::ops::Range;

use super::refuse;
use crate::recipe::{Clusters, Qcow2, RecipeError, check_inside};

/// What an L2 entry says of its guest cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// It has a host cluster.
    Data,
    /// It reads as zeros.
    Zero,
    /// It reads as zeros and has a host cluster.
    ZeroAllocated,
    /// It is a compressed stream.
    Compressed,
    /// Masks of its subclusters: allocated ones, and those that read as zeros.
    Parts {
        /// One bit for each subcluster, the first in bit 0.
        allocated: u32,
        /// Likewise.
        zero: u32,
    },
}

impl Kind {
    /// Whether a host cluster of its own belongs to it.
    pub(super) fn takes_host(self) -> bool {
        match self {
            Kind::Data | Kind::ZeroAllocated => true,
            Kind::Zero | Kind::Compressed => false,
            Kind::Parts { allocated, .. } => allocated != 0,
        }
    }
}

/// Guest clusters of one kind that follow each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Extent {
    pub(super) guest: Range<u64>,
    pub(super) kind: Kind,
}

impl Extent {
    pub(super) fn count(&self) -> u64 {
        self.guest.end - self.guest.start
    }
}

/// The extents of an image's active state, sorted and apart from each other.
pub(super) fn active(
    file: &str,
    image: &Qcow2,
    guest_clusters: u64,
) -> Result<Vec<Extent>, RecipeError> {
    let lists = [
        ("populated", &image.populated, Kind::Data),
        ("zero", &image.zero, Kind::Zero),
        ("zero-allocated", &image.zero_allocated, Kind::ZeroAllocated),
        ("compressed", &image.compressed, Kind::Compressed),
    ];
    let ranges = lists.iter().map(|(_, list, _)| list.ranges().len());
    let mut extents = Vec::with_capacity(ranges.sum::<usize>() + image.subclusters.len());
    for (field, clusters, kind) in lists {
        extents.extend(listed(file, field, clusters, kind, guest_clusters)?);
    }
    for parts in &image.subclusters {
        check_inside(file, "subclusters", &[parts.cluster].into(), guest_clusters)?;
        let allocated = mask(file, &parts.allocated)?;
        let zero = mask(file, &parts.zero)?;
        if allocated & zero != 0 {
            let problem = "has a part that is allocated and zero";
            return Err(refuse(file, "subclusters", problem));
        }
        extents.push(Extent {
            guest: parts.cluster..parts.cluster + 1,
            kind: Kind::Parts { allocated, zero },
        });
    }
    extents.sort_unstable_by_key(|extent| extent.guest.start);
    let twice = |pair: &[Extent]| pair[0].guest.end > pair[1].guest.start;
    if extents.windows(2).any(twice) {
        let problem = "has a cluster that another list has, too";
        return Err(refuse(file, "populated", problem));
    }
    if image.maps_all() {
        return Ok(with_gaps_filled(extents, guest_clusters));
    }
    Ok(extents)
}

/// The extents of a list of clusters, which all have to lie inside the disk.
pub(super) fn listed(
    file: &str,
    field: &'static str,
    clusters: &Clusters,
    kind: Kind,
    guest_clusters: u64,
) -> Result<impl Iterator<Item = Extent>, RecipeError> {
    check_inside(file, field, clusters, guest_clusters)?;
    let extent = move |guest: &Range<u64>| Extent {
        guest: guest.clone(),
        kind,
    };
    Ok(clusters.ranges().iter().map(extent))
}

fn mask(file: &str, parts: &Clusters) -> Result<u32, RecipeError> {
    check_inside(file, "subclusters", parts, u32::BITS.into())?;
    Ok(parts.iter().fold(0, |mask, part| mask | 1 << part))
}

fn with_gaps_filled(extents: Vec<Extent>, guest_clusters: u64) -> Vec<Extent> {
    let mut filled = Vec::with_capacity(extents.len() * 2 + 1);
    let mut next = 0;
    let fill = |filled: &mut Vec<Extent>, guest: Range<u64>| {
        if !guest.is_empty() {
            let kind = Kind::Data;
            filled.push(Extent { guest, kind });
        }
    };
    for extent in extents {
        fill(&mut filled, next..extent.guest.start);
        next = extent.guest.end;
        filled.push(extent);
    }
    fill(&mut filled, next..guest_clusters);
    filled
}

/// How many L2 tables the extents need, if one has `l2_entries` entries.
pub(super) fn count_tables(extents: &[Extent], l2_entries: u64) -> u64 {
    let mut count = 0;
    // The first table that is not counted yet.
    let mut next = 0;
    for extent in extents {
        let first = (extent.guest.start / l2_entries).max(next);
        let end = extent.guest.end.div_ceil(l2_entries);
        count += end.saturating_sub(first);
        next = next.max(end);
    }
    count
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn tables_are_counted_once(
            populated in proptest::collection::btree_set(0_u64..500, 0..40),
            l2_entries in 1_u64..70,
        ) {
            let clusters: Clusters = populated.iter().copied().collect();
            let extents = listed("a", "populated", &clusters, Kind::Data, 500).unwrap();
            let extents: Vec<Extent> = extents.collect();
            let tables: BTreeSet<u64> = populated.iter().map(|cluster| cluster / l2_entries).collect();
            prop_assert_eq!(count_tables(&extents, l2_entries), tables.len() as u64);
        }

        #[test]
        fn filling_gaps_leaves_none(zero in proptest::collection::btree_set(0_u64..50, 0..20)) {
            let image = Qcow2 {
                populated: Clusters::default(),
                zero: zero.iter().copied().collect(),
                map_all: Some(true),
                ..Qcow2::default()
            };
            let extents = active("a", &image, 50).unwrap();
            let all: Vec<u64> = extents.iter().flat_map(|extent| extent.guest.clone()).collect();
            prop_assert_eq!(all, (0..50).collect::<Vec<_>>());
            for extent in &extents {
                let expected = if zero.contains(&extent.guest.start) { Kind::Zero } else { Kind::Data };
                prop_assert_eq!(extent.kind, expected);
            }
        }
    }
}
