//! Decides where everything in an image lies.

use crate::layout::{entry, limit};
use crate::recipe::{Qcow2, RecipeError, check_populated};

/// Most guest clusters that are mapped without being listed: 1 GiB of L2 entries. A recipe is a
/// few bytes long whatever it asks for, so something has to stand between a wrong digit and a
/// full disk.
const MAPPED_CLUSTERS_MAX: u64 = (1 << 30) / entry::LENGTH;

/// Which guest clusters have an L2 entry, and where those point. Lists are sorted and hold each
/// cluster once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Mapping {
    /// To clusters of the image itself.
    Internal(Vec<u64>),
    /// To the same offset in the data file.
    DataFile(Vec<u64>),
    /// To the same offset in the data file, for every guest cluster.
    WholeDataFile,
}

/// Cluster counts of every structure, in the order in which they follow each other in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) cluster_bits: u32,
    pub(super) guest_clusters: u64,
    pub(super) l1_entries: u32,
    pub(super) refcount_table_clusters: u32,
    pub(super) refcount_blocks: u64,
    pub(super) l1_clusters: u64,
    pub(super) l2_tables: u64,
    pub(super) data_clusters: u64,
    pub(super) mapping: Mapping,
}

impl Plan {
    pub(super) fn new(file: &str, image: &Qcow2) -> Result<Plan, RecipeError> {
        let cluster_size = 1_u64 << image.cluster_bits;
        let guest_clusters = image.size.div_ceil(cluster_size);
        check_populated(file, &image.populated, guest_clusters)?;
        let mapping = mapping(image);

        let l2_entries = cluster_size / entry::LENGTH;
        let l1_entries = guest_clusters.div_ceil(l2_entries);
        check_limit(
            file,
            "size",
            "L1 entries",
            l1_entries,
            limit::L1_ENTRIES_MAX,
        )?;
        let (l2_tables, data_clusters) = match &mapping {
            Mapping::Internal(clusters) => {
                (count_tables(clusters, l2_entries), clusters.len() as u64)
            }
            Mapping::DataFile(clusters) => (count_tables(clusters, l2_entries), 0),
            Mapping::WholeDataFile => {
                check_limit(
                    file,
                    "data-file-raw",
                    "mapped clusters",
                    guest_clusters,
                    MAPPED_CLUSTERS_MAX,
                )?;
                (l1_entries, 0)
            }
        };
        let l1_clusters = (l1_entries * entry::LENGTH).div_ceil(cluster_size);
        // The limits above, and a list that is in memory, keep this sum far from 64 bits.
        let others = 1 + l1_clusters + l2_tables + data_clusters;
        let refcounts = Refcounts::covering(others, cluster_size);
        let table_limit = limit::REFCOUNT_TABLE_BYTES_MAX / cluster_size;
        check_limit(
            file,
            "populated",
            "refcount table clusters",
            refcounts.table_clusters,
            table_limit,
        )?;
        Ok(Plan {
            cluster_bits: image.cluster_bits,
            guest_clusters,
            // Both fit: their limits were checked above.
            l1_entries: l1_entries as u32,
            refcount_table_clusters: refcounts.table_clusters as u32,
            refcount_blocks: refcounts.blocks,
            l1_clusters,
            l2_tables,
            data_clusters,
            mapping,
        })
    }

    /// In bytes.
    pub(super) fn cluster_size(&self) -> usize {
        1 << self.cluster_bits
    }

    /// How many L2 entries fill a table.
    pub(super) fn l2_entries(&self) -> u64 {
        (1 << self.cluster_bits) / entry::LENGTH
    }

    /// Offset of the refcount table in bytes, like the offsets below.
    pub(super) fn refcount_table(&self) -> u64 {
        1 << self.cluster_bits
    }

    /// Offset of the first refcount block.
    pub(super) fn first_refcount_block(&self) -> u64 {
        self.refcount_table() + (u64::from(self.refcount_table_clusters) << self.cluster_bits)
    }

    /// Offset of the L1 table, or 0 if there is none.
    pub(super) fn l1_table(&self) -> u64 {
        if self.l1_entries == 0 {
            0
        } else {
            self.after_refcounts()
        }
    }

    /// Offset of the first L2 table.
    pub(super) fn first_l2_table(&self) -> u64 {
        self.after_refcounts() + (self.l1_clusters << self.cluster_bits)
    }

    /// Offset of the first data cluster.
    pub(super) fn first_data(&self) -> u64 {
        self.first_l2_table() + (self.l2_tables << self.cluster_bits)
    }

    /// Length of the image's file in bytes: the end of its last cluster.
    pub(super) fn file_length(&self) -> u64 {
        self.first_data() + (self.data_clusters << self.cluster_bits)
    }

    fn after_refcounts(&self) -> u64 {
        self.first_refcount_block() + (self.refcount_blocks << self.cluster_bits)
    }
}

/// How many clusters the refcounts of an image take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Refcounts {
    table_clusters: u64,
    blocks: u64,
}

impl Refcounts {
    /// Blocks count themselves and their table, so their number depends on itself: it grows
    /// until it is enough. Each round adds less than the one before, by the number of refcounts
    /// in a block, which is at least 256.
    fn covering(others: u64, cluster_size: u64) -> Refcounts {
        let block_entries = (cluster_size * 8) >> limit::REFCOUNT_ORDER_DEFAULT;
        let table_entries = cluster_size / entry::LENGTH;
        let mut now = Refcounts {
            table_clusters: 1,
            blocks: 1,
        };
        loop {
            let total = others + now.table_clusters + now.blocks;
            let blocks = total.div_ceil(block_entries);
            let next = Refcounts {
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

fn mapping(image: &Qcow2) -> Mapping {
    if image.uses_data_file() && image.data_file_raw {
        return Mapping::WholeDataFile;
    }
    let mut clusters = image.populated.clone();
    clusters.sort_unstable();
    clusters.dedup();
    if image.uses_data_file() {
        Mapping::DataFile(clusters)
    } else {
        Mapping::Internal(clusters)
    }
}

fn count_tables(clusters: &[u64], l2_entries: u64) -> u64 {
    clusters
        .chunk_by(|a, b| a / l2_entries == b / l2_entries)
        .count() as u64
}

fn check_limit(
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
        assert_eq!(
            Refcounts::covering(others, 512),
            Refcounts {
                table_clusters,
                blocks
            }
        );
    }

    proptest! {
        #[test]
        fn refcounts_are_enough_and_not_a_block_too_many(others in 1_u64..1 << 40, bits in 9_u32..=21) {
            let size = 1_u64 << bits;
            let found = Refcounts::covering(others, size);
            let total = others + found.table_clusters + found.blocks;
            prop_assert!(found.blocks * (size / 2) >= total);
            prop_assert!((found.blocks - 1) * (size / 2) < total);
            prop_assert!(found.table_clusters * (size / 8) >= found.blocks);
            prop_assert!((found.table_clusters - 1) * (size / 8) < found.blocks);
        }
    }

    #[test]
    fn sixty_four_mebibytes_of_512_byte_clusters_take_the_tables_that_they_need() {
        let clusters = (64 << 20) / 512;
        let image = Qcow2 {
            cluster_bits: 9,
            size: 64 << 20,
            populated: (0..clusters).collect(),
            ..Qcow2::default()
        };
        let plan = Plan::new("a", &image).unwrap();
        // 131072 clusters / 64 entries; 2048 entries * 8 bytes / 512.
        assert_eq!(
            (plan.l2_tables, plan.l1_clusters, plan.data_clusters),
            (2048, 32, clusters)
        );
        // 1 + 32 + 2048 + 131072 = 133153 others; 523 blocks and 9 table clusters make 133685,
        // and 523 * 256 = 133888.
        assert_eq!(
            (plan.refcount_blocks, plan.refcount_table_clusters),
            (523, 9)
        );
        assert_eq!(plan.file_length(), 133_685 * 512);
    }

    #[test]
    fn an_image_of_size_zero_has_no_l1_table() {
        let image = Qcow2 {
            size: 0,
            populated: vec![],
            ..Qcow2::default()
        };
        let plan = Plan::new("a", &image).unwrap();
        assert_eq!((plan.l1_entries, plan.l1_table()), (0, 0));
        // Header, refcount table, refcount block.
        assert_eq!(plan.file_length(), 3 * 4096);
    }

    #[rstest]
    #[case::plain(Qcow2::default(), Mapping::Internal(vec![0, 5]))]
    #[case::repeated(Qcow2 { populated: vec![5, 0, 5], ..Qcow2::default() }, Mapping::Internal(vec![0, 5]))]
    #[case::a_name(Qcow2 { data_file: Some("d".into()), ..Qcow2::default() }, Mapping::DataFile(vec![0, 5]))]
    #[case::a_name_without_the_bit(
        Qcow2 { data_file: Some("d".into()), data_file_bit: Some(false), ..Qcow2::default() },
        Mapping::Internal(vec![0, 5])
    )]
    #[case::a_name_in_version_2(
        Qcow2 { version: 2, data_file: Some("d".into()), ..Qcow2::default() },
        Mapping::Internal(vec![0, 5])
    )]
    #[case::the_bit_without_a_name(
        Qcow2 { data_file_bit: Some(true), ..Qcow2::default() },
        Mapping::DataFile(vec![0, 5])
    )]
    #[case::raw(
        Qcow2 { data_file: Some("d".into()), data_file_raw: true, ..Qcow2::default() },
        Mapping::WholeDataFile
    )]
    #[case::raw_without_the_bit(
        Qcow2 { data_file_raw: true, ..Qcow2::default() },
        Mapping::Internal(vec![0, 5])
    )]
    fn the_bit_decides_where_guest_clusters_live(#[case] image: Qcow2, #[case] expected: Mapping) {
        assert_eq!(mapping(&image), expected);
    }
}
