//! Where compressed streams lie.
//!
//! Each stream gets a slot of a fixed length, a bit more than half a cluster, and slots follow
//! each other without alignment. So streams start anywhere in a sector, two or three share a
//! host cluster, and every offset is known before anything is compressed. The sector count of an
//! L2 entry covers its slot; what a stream leaves of it is zeros, which readers skip because a
//! stream says itself where it ends.

use std::ops::Range;

use crate::layout::entry;

/// Slots from a cluster's start on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Slots {
    /// Offset of the first slot in bytes.
    pub(super) start: u64,
    /// Length of each in bytes.
    pub(super) length: u64,
    pub(super) count: u64,
    cluster_bits: u32,
}

/// A slot is this much longer than half a cluster, in bytes.
const EXCESS: u64 = 20;

impl Slots {
    /// Slots for `count` streams from offset `start` on. A refcount of one bit can't count two
    /// streams in a cluster, so there each gets a cluster of its own.
    pub(super) fn new(start: u64, count: u64, cluster_bits: u32, refcount_order: u32) -> Slots {
        let cluster_size = 1_u64 << cluster_bits;
        let length = if refcount_order == 0 {
            cluster_size
        } else {
            cluster_size / 2 + EXCESS
        };
        Slots {
            start,
            length,
            count,
            cluster_bits,
        }
    }

    /// How many host clusters the slots take.
    pub(super) fn clusters(&self) -> u64 {
        (self.count * self.length).div_ceil(1 << self.cluster_bits)
    }

    /// Offset of a slot in bytes.
    pub(super) fn offset(&self, index: u64) -> u64 {
        self.start + index * self.length
    }

    /// The L2 entry of a stream: its offset, and above it the number of sectors it covers after
    /// the first. Specification: Cluster mapping, Compressed Clusters Descriptor.
    pub(super) fn entry(&self, index: u64) -> u64 {
        let sectors = self.sectors(index);
        let offset_bits = 62 - (self.cluster_bits - 8);
        entry::COMPRESSED | (sectors.end - sectors.start - 1) << offset_bits | self.offset(index)
    }

    /// How many streams touch the host cluster with this index in the file.
    pub(super) fn references(&self, cluster: u64) -> u64 {
        let cluster_sectors = 1 << (self.cluster_bits - 9);
        let first_sector = cluster * cluster_sectors;
        let begin = cluster << self.cluster_bits;
        // Only streams that start up to two slots ahead of the cluster can reach it.
        let first = begin.saturating_sub(self.start) / self.length;
        (first.saturating_sub(2)..self.count)
            .take(6)
            .map(|index| self.sectors(index))
            .filter(|stream| {
                stream.start < first_sector + cluster_sectors && stream.end > first_sector
            })
            .count() as u64
    }

    /// The sectors of the file that a slot lies in.
    fn sectors(&self, index: u64) -> Range<u64> {
        let offset = self.offset(index);
        offset / entry::SECTOR..(offset + self.length).div_ceil(entry::SECTOR)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn references_are_those_of_every_stream(
            bits in 9_u32..=16,
            order in 0_u32..=6,
            first in 1_u64..9,
            count in 0_u64..40,
        ) {
            let slots = Slots::new(first << bits, count, bits, order);
            let per_cluster = 1 << (bits - 9);
            let mut expected = vec![0; usize::try_from(first + slots.clusters() + 1).unwrap()];
            for index in 0..count {
                let sectors = slots.sectors(index);
                let clusters = sectors.start / per_cluster..=(sectors.end - 1) / per_cluster;
                for cluster in clusters {
                    expected[usize::try_from(cluster).unwrap()] += 1;
                }
            }
            for (cluster, references) in (0..).zip(expected) {
                prop_assert_eq!(slots.references(cluster), references);
            }
        }
    }
}
