//! Tells tables from guest data.
//!
//! A pointer in a broken image may lead into guest data, in use or left over, and guest data must
//! not be captured. So a cluster is taken for a table only if most of what stands in it makes
//! sense there; the rest of it is then the damage that the capture is about.

use super::header::Header;
use super::source::numbers;
use crate::layout::{bitmap, entry, limit};

/// Most entries of a table in which nothing makes sense, if each could be a damaged one.
const DAMAGED_MAX: u64 = 8;

/// How many refcounts of less than a byte must make sense for one that doesn't. Half of the bits
/// of guest data are set by chance, and about as many in text.
const NARROW_MAJORITY: u64 = 7;

/// How many entries of a table make sense, and how many don't.
#[derive(Clone, Copy, Debug, Default)]
struct Votes {
    good: u64,
    bad: u64,
    /// Those of the bad ones that could be damaged entries.
    damaged: u64,
}

impl Votes {
    /// For each entry whether it makes sense, and its value.
    fn agree(judge: &Judge<'_>, entries: impl Iterator<Item = (bool, u64)>) -> bool {
        let mut votes = Votes::default();
        for (good, value) in entries {
            votes.good += u64::from(good);
            votes.bad += u64::from(!good);
            votes.damaged += u64::from(!good && judge.is_damaged(value));
        }
        votes.good >= votes.bad || votes.bad == votes.damaged && votes.bad <= DAMAGED_MAX
    }
}

/// What tells the tables of one image.
pub(super) struct Judge<'a> {
    pub(super) header: &'a Header,
    /// Length of the file in bytes.
    pub(super) length: u64,
}

impl Judge<'_> {
    /// L1 tables and refcount tables: offsets of clusters.
    pub(super) fn pointers(&self, bytes: &[u8], reserved: u64) -> bool {
        let sound = |value: u64| value & reserved == 0 && self.is_cluster(value & !entry::COPIED);
        let entries = numbers(bytes).map(|(_, value)| (sound(value), value));
        Votes::agree(self, entries)
    }

    /// Whether one wrong field or one wrong bit could have made this of an entry: it leads to
    /// somewhere near the file all the same, or to the end of what can be addressed, which text
    /// and random bytes don't.
    fn is_damaged(&self, value: u64) -> bool {
        let offset = value & entry::OFFSET_MASK;
        let near = self.length.saturating_mul(16).min(entry::OFFSET_MASK);
        offset < near || offset > entry::OFFSET_MASK - near || value.is_power_of_two()
    }

    pub(super) fn l2_table(&self, bytes: &[u8]) -> bool {
        if self.header.extended_l2() {
            let (entries, _) = bytes.as_chunks::<16>();
            let entries = entries.iter().filter_map(|bytes| {
                let [value, parts] = split(bytes);
                let sound = self.l2_entry(value & !entry::ZERO) && parts >> 32 & parts == 0;
                (value != 0 || parts != 0).then_some((sound, value))
            });
            return Votes::agree(self, entries);
        }
        let entries = numbers(bytes).map(|(_, value)| (self.l2_entry(value), value));
        Votes::agree(self, entries)
    }

    fn l2_entry(&self, value: u64) -> bool {
        if value & entry::COMPRESSED != 0 {
            let (offset, _) = self.header.stream(value);
            return value & entry::COPIED == 0 && offset < self.length;
        }
        let offset = value & entry::OFFSET_MASK;
        let reserved = !(entry::OFFSET_MASK | entry::COPIED | entry::ZERO);
        if self.header.uses_data_file() {
            // Any guest offset may stand here.
            let aligned = offset.is_multiple_of(self.header.cluster_size());
            return value & reserved == 0 && aligned && offset < self.header.size.max(1);
        }
        value & reserved == 0 && (offset == 0 || self.is_cluster(offset))
    }

    /// The refcounts of the clusters from the one with index `first` on.
    pub(super) fn refcount_block(&self, bytes: &[u8], first: u64) -> bool {
        // Where the header is wrong about the width, it is mostly the usual one.
        [self.header.refcount_order, limit::REFCOUNT_ORDER_DEFAULT]
            .into_iter()
            .any(|order| self.refcounts(bytes, first, order))
    }

    fn refcounts(&self, bytes: &[u8], first: u64, order: u32) -> bool {
        let clusters = self.length.div_ceil(self.header.cluster_size());
        let width = 1_u32 << order;
        // Snapshots add one each, and compressed streams share clusters; but larger parts of what
        // the width holds are rather bytes of text.
        let part_of_max = if width < u8::BITS { 4 } else { 8 };
        let usual = (u64::from(self.header.snapshot_count) + 1).saturating_mul(16);
        let usual = usual.min((u64::MAX >> (64 - width)) / part_of_max).max(1);
        let (words, _) = bytes.as_chunks::<8>();
        let in_word = u64::from(u64::BITS / width);
        let each = (0..).zip(words).flat_map(|(index, word)| {
            let value = u64::from_be_bytes(*word);
            let base = first.saturating_add(index * in_word);
            (0..in_word).map(move |place| (base.saturating_add(place), part(value, place, order)))
        });
        let (mut good, mut bad) = (0_u64, 0_u64);
        for (cluster, count) in each {
            let inside = cluster < clusters;
            match count {
                // Few bits are rarely too large, but most clusters of a file are in use.
                0 if inside && width < u8::BITS => bad += 1,
                0 => {}
                count if inside && count <= usual => good += 1,
                _ => bad += 1,
            }
        }
        if width < u8::BITS {
            good >= bad * NARROW_MAJORITY
        } else {
            good >= bad
        }
    }

    /// Entries of a bitmap's table: offsets of clusters, or the flag for ones.
    pub(super) fn bitmap_table(&self, bytes: &[u8]) -> bool {
        let sound = |value| value == bitmap::TABLE_ONES || self.is_cluster(value);
        let entries = numbers(bytes).map(|(_, value)| (sound(value), value));
        Votes::agree(self, entries)
    }

    /// Whether most of these are true.
    pub(super) fn most(facts: [bool; 5]) -> bool {
        facts.into_iter().filter(|fact| *fact).count() >= 3
    }

    /// Whether a cluster of the file starts there.
    pub(super) fn is_cluster(&self, offset: u64) -> bool {
        offset.is_multiple_of(self.header.cluster_size()) && offset < self.length
    }

    /// Whether an L1 table could be there.
    pub(super) fn is_l1_table(&self, offset: u64, entries: u32) -> [bool; 2] {
        let few = u64::from(entries) <= limit::L1_ENTRIES_MAX;
        [self.is_cluster(offset), few]
    }
}

/// Both halves of an extended L2 entry.
pub(super) fn split(bytes: &[u8; 16]) -> [u64; 2] {
    let both = u128::from_be_bytes(*bytes);
    // The halves of it.
    [(both >> 64) as u64, both as u64]
}

/// The refcount with this place in a word of 64 bits. Narrow ones stand in each byte from its
/// lowest bit on.
fn part(word: u64, place: u64, order: u32) -> u64 {
    let width = 1_u64 << order;
    let mask = u64::MAX >> (64 - width);
    let bit = place * width;
    let shift = if width >= 8 {
        64 - width - bit
    } else {
        (56 - bit / 8 * 8) + bit % 8
    };
    word >> shift & mask
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::one_bit(0, 0, 1)]
    #[case::the_next_bit(0, 1, 0)]
    #[case::the_second_byte(0, 9, 1)]
    #[case::a_byte(3, 1, 2)]
    #[case::sixteen_bits(4, 3, 4)]
    #[case::all(6, 0, 0x0102_0000_0000_0004)]
    fn refcounts_are_taken_from_a_word(#[case] order: u32, #[case] place: u64, #[case] count: u64) {
        assert_eq!(part(0x0102_0000_0000_0004, place, order), count);
    }
}
