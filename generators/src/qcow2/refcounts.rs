//! Refcounts: how much room they take, and their values.

use std::fs::File;
use std::io;

use super::plan::Plan;
use super::stream::Stream;
use crate::layout::entry;

/// How many clusters the refcounts of an image take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Room {
    pub(super) table_clusters: u64,
    pub(super) blocks: u64,
}

impl Room {
    /// Room to count `others` clusters, of `1 << cluster_bits` bytes, and the refcounts' own.
    ///
    /// Blocks count themselves and their table, so their number depends on itself: it grows
    /// until it is enough. Each round adds less than the one before, by the number of refcounts
    /// in a block, which is at least 64.
    pub(super) fn covering(others: u64, cluster_bits: u32, order: u32) -> Room {
        let cluster_size = 1_u64 << cluster_bits;
        let block_entries = (cluster_size * 8) >> order;
        let table_entries = cluster_size / entry::LENGTH;
        let mut now = Room {
            table_clusters: 1,
            blocks: 1,
        };
        loop {
            let total = others + now.table_clusters + now.blocks;
            let blocks = total.div_ceil(block_entries);
            let next = Room {
                table_clusters: blocks.div_ceil(table_entries),
                blocks,
            };
            if next == now {
                return now;
            }
            now = next;
        }
    }
}

/// Clusters that follow each other and are counted alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) clusters: u64,
    pub(super) count: Count,
}

/// How often a cluster is referenced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Count {
    /// So many times.
    Fixed(u64),
    /// As often as compressed streams touch it, times the number of states that have them.
    Streams {
        /// The state's place in [`Plan::views`].
        view: usize,
        /// How many states share the streams.
        states: u64,
    },
}

/// The largest value of a refcount.
pub(super) fn largest(order: u32) -> u64 {
    u64::MAX >> (64 - (1 << order))
}

/// Writes the refcount table and all blocks.
pub(super) fn write(file: &File, plan: &Plan) -> io::Result<()> {
    let mut table = Stream::new(file);
    let first = plan.refcount_blocks.offset;
    let blocks = (first..).step_by(plan.cluster_size());
    for (index, block) in (0..plan.refcount_blocks.clusters).zip(blocks) {
        let at = plan.refcount_table.offset + index * entry::LENGTH;
        table.put(at, &block.to_be_bytes())?;
    }
    table.finish()?;

    // Blocks follow each other, so together they are one array.
    let mut counts = Counts::new(file, first, plan.refcount_order);
    let mut cluster = 0;
    for run in &plan.runs {
        for _ in 0..run.clusters {
            counts.put(plan.references(run.count, cluster))?;
            cluster += 1;
        }
    }
    counts.finish()
}

/// Packs refcounts: whole bytes big endian, several in a byte from its lowest bit on.
/// Specification: Host cluster management.
struct Counts<'a> {
    stream: Stream<'a>,
    at: u64,
    order: u32,
    /// Refcounts that do not fill a byte yet, and how many bits they take.
    partial: u8,
    bits: u32,
}

impl<'a> Counts<'a> {
    fn new(file: &'a File, at: u64, order: u32) -> Counts<'a> {
        Counts {
            stream: Stream::new(file),
            at,
            order,
            partial: 0,
            bits: 0,
        }
    }

    /// The plan has checked that the value fits.
    fn put(&mut self, value: u64) -> io::Result<()> {
        let width = 1_u32 << self.order;
        if width >= u8::BITS {
            let bytes = value.to_be_bytes();
            return self.bytes(&bytes[bytes.len() - (width / u8::BITS) as usize..]);
        }
        self.partial |= (value as u8) << self.bits;
        self.bits += width;
        if self.bits < u8::BITS {
            return Ok(());
        }
        self.flush()
    }

    fn flush(&mut self) -> io::Result<()> {
        let byte = self.partial;
        (self.partial, self.bits) = (0, 0);
        self.bytes(&[byte])
    }

    fn bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.put(self.at, bytes)?;
        self.at += bytes.len() as u64;
        Ok(())
    }

    fn finish(mut self) -> io::Result<()> {
        if self.bits > 0 {
            self.flush()?;
        }
        self.stream.finish()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    // 512-byte clusters: 256 refcounts in a block, 64 blocks in a table cluster.
    #[rstest]
    #[case::the_smallest_image(1, 1, 1)]
    #[case::one_block_is_full(254, 1, 1)]
    #[case::the_second_block_counts_itself(255, 1, 2)]
    #[case::two_blocks_are_full(509, 1, 2)]
    #[case::a_third_block(510, 1, 3)]
    #[case::one_table_cluster_is_full(64 * 256 - 65, 1, 64)]
    #[case::a_second_table_cluster(64 * 256 - 64, 2, 65)]
    fn refcounts_cover_themselves(
        #[case] others: u64,
        #[case] table_clusters: u64,
        #[case] blocks: u64,
    ) {
        let expected = Room {
            table_clusters,
            blocks,
        };
        assert_eq!(Room::covering(others, 9, 4), expected);
    }

    proptest! {
        #[test]
        fn refcounts_are_enough_and_not_a_block_too_many(
            others in 1_u64..1 << 36,
            bits in 9_u32..=21,
            order in 0_u32..=6,
        ) {
            let entries = (8_u64 << bits) >> order;
            let found = Room::covering(others, bits, order);
            let total = others + found.table_clusters + found.blocks;
            prop_assert!(found.blocks * entries >= total);
            prop_assert!((found.blocks - 1) * entries < total);
            prop_assert!(found.table_clusters << (bits - 3) >= found.blocks);
            prop_assert!((found.table_clusters - 1) << (bits - 3) < found.blocks);
        }
    }

    #[rstest]
    #[case::one_bit(0, 1)]
    #[case::two_bits(1, 3)]
    #[case::a_byte(3, 255)]
    #[case::sixteen_bits(4, 65_535)]
    #[case::all_bits(6, u64::MAX)]
    fn a_width_has_a_largest_value(#[case] order: u32, #[case] value: u64) {
        assert_eq!(largest(order), value);
    }
}
