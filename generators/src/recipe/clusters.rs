//! Sets of cluster indexes.

use std::fmt;
use std::ops::Range;

use serde::de::{self, SeqAccess, Visitor};
use serde::ser::SerializeSeq as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Most indexes that a range with a step may have.
const STEPS_MAX: u64 = 1 << 22;

/// A set of indexes. In TOML it is a list of numbers, of ranges and of ranges with a step,
/// `[0, 5, "8..1000", "1000..2000/16"]`; the end of a range is not part of it, order and
/// repetition mean nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Clusters {
    /// Sorted, apart from each other, none of them empty.
    ranges: Vec<Range<u64>>,
}

impl Clusters {
    /// The set as ranges that are sorted, apart from each other and not empty.
    #[must_use]
    pub fn ranges(&self) -> &[Range<u64>] {
        &self.ranges
    }

    /// Every index, in order.
    pub fn iter(&self) -> impl Iterator<Item = u64> {
        self.ranges.iter().cloned().flatten()
    }

    /// How many indexes there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.ranges
            .iter()
            .map(|range| range.end - range.start)
            .sum()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// Whether `index` is one of them.
    #[must_use]
    pub fn contains(&self, index: u64) -> bool {
        let after = self.ranges.partition_point(|range| range.end <= index);
        self.ranges
            .get(after)
            .is_some_and(|range| range.contains(&index))
    }

    /// The parts of its ranges that lie inside `window`.
    pub(crate) fn ranges_in(&self, window: &Range<u64>) -> impl Iterator<Item = Range<u64>> {
        let window = window.clone();
        let first = self
            .ranges
            .partition_point(|range| range.end <= window.start);
        self.ranges[first..]
            .iter()
            .map(move |range| range.start.max(window.start)..range.end.min(window.end))
            .take_while(|range| !range.is_empty())
    }

    /// The first index that is not less than `limit`.
    pub(crate) fn first_from(&self, limit: u64) -> Option<u64> {
        let range = self.ranges.iter().find(|range| range.end > limit)?;
        Some(range.start.max(limit))
    }
}

impl FromIterator<Range<u64>> for Clusters {
    fn from_iter<I: IntoIterator<Item = Range<u64>>>(ranges: I) -> Clusters {
        // In place: a million clusters without neighbours take 16 MB.
        let mut ranges: Vec<Range<u64>> = ranges
            .into_iter()
            .filter(|range| !range.is_empty())
            .collect();
        ranges.sort_unstable_by_key(|range| range.start);
        ranges.dedup_by(|next, last| {
            let joined = next.start <= last.end;
            if joined {
                last.end = last.end.max(next.end);
            }
            joined
        });
        ranges.shrink_to_fit();
        Clusters { ranges }
    }
}

impl FromIterator<u64> for Clusters {
    /// The largest number there is has no successor and is left out; no image has that cluster.
    fn from_iter<I: IntoIterator<Item = u64>>(indexes: I) -> Clusters {
        indexes
            .into_iter()
            .map(|index| index..index.saturating_add(1))
            .collect()
    }
}

impl From<Vec<u64>> for Clusters {
    fn from(indexes: Vec<u64>) -> Clusters {
        indexes.into_iter().collect()
    }
}

impl<const N: usize> From<[u64; N]> for Clusters {
    fn from(indexes: [u64; N]) -> Clusters {
        indexes.into_iter().collect()
    }
}

impl From<Range<u64>> for Clusters {
    fn from(range: Range<u64>) -> Clusters {
        std::iter::once(range).collect()
    }
}

impl Serialize for Clusters {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(Some(self.ranges.len()))?;
        for range in &self.ranges {
            if range.end - range.start == 1 {
                list.serialize_element(&range.start)?;
            } else {
                list.serialize_element(&format!("{}..{}", range.start, range.end))?;
            }
        }
        list.end()
    }
}

impl<'de> Deserialize<'de> for Clusters {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Clusters, D::Error> {
        deserializer.deserialize_seq(ListVisitor)
    }
}

struct ListVisitor;

impl<'de> Visitor<'de> for ListVisitor {
    type Value = Clusters;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a list of indexes and of ranges like \"8..1000\" or \"8..1000/16\"")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Clusters, A::Error> {
        let mut ranges = Vec::new();
        while let Some(item) = list.next_element()? {
            match item {
                Item::Range(range) => ranges.push(range),
                Item::Steps(range, step) => {
                    ranges.extend((range.step_by(step)).map(|index| index..index + 1));
                }
            }
        }
        Ok(ranges.into_iter().collect())
    }
}

/// One index or one range, or every so manieth index of one.
enum Item {
    Range(Range<u64>),
    Steps(Range<u64>, usize),
}

impl<'de> Deserialize<'de> for Item {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Item, D::Error> {
        deserializer.deserialize_any(ItemVisitor)
    }
}

struct ItemVisitor;

impl Visitor<'_> for ItemVisitor {
    type Value = Item;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("an index, or a range like \"8..1000\" or \"8..1000/16\"")
    }

    fn visit_u64<E: de::Error>(self, index: u64) -> Result<Item, E> {
        let end = index
            .checked_add(1)
            .ok_or_else(|| E::custom("the index is too large"))?;
        Ok(Item::Range(index..end))
    }

    fn visit_i64<E: de::Error>(self, index: i64) -> Result<Item, E> {
        let index = u64::try_from(index).map_err(|_| E::custom("an index is not negative"))?;
        self.visit_u64(index)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Item, E> {
        let malformed = || {
            E::custom(format!(
                "{text:?} is not a range like \"8..1000\" or \"8..1000/16\""
            ))
        };
        let (range, step) = match text.split_once('/') {
            Some((range, step)) => (range, Some(step)),
            None => (text, None),
        };
        let range = parse_range(range).ok_or_else(malformed)?;
        let Some(step) = step else {
            return Ok(Item::Range(range));
        };
        let step: u32 = step.parse().map_err(|_| malformed())?;
        let length = range.end.saturating_sub(range.start);
        if step == 0 {
            return Err(E::custom(format!("{text:?} has a step of 0")));
        }
        if length.div_ceil(u64::from(step)) > STEPS_MAX {
            return Err(E::custom(format!(
                "{text:?} has more than {STEPS_MAX} indexes"
            )));
        }
        Ok(Item::Steps(range, step as usize))
    }
}

fn parse_range(text: &str) -> Option<Range<u64>> {
    let (start, end) = text.split_once("..")?;
    Some(start.parse().ok()?..end.parse().ok()?)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::numbers("[5, 0, 5]", &[(0, 1), (5, 6)])]
    #[case::a_range(r#"["3..8"]"#, &[(3, 8)])]
    #[case::neighbours_become_one(r#"[4, "5..7", "6..9", 9]"#, &[(4, 10)])]
    #[case::steps(r#"["1..8/3", "2..9/9"]"#, &[(1, 3), (4, 5), (7, 8)])]
    #[case::no_steps(r#"["8..1/3"]"#, &[])]
    #[case::an_empty_range(r#"["3..3", "9..2"]"#, &[])]
    fn lists_mean_sets(#[case] json: &str, #[case] ranges: &[(u64, u64)]) {
        let clusters: Clusters = serde_json::from_str(json).unwrap();
        let ranges: Vec<Range<u64>> = ranges.iter().map(|(start, end)| *start..*end).collect();
        assert_eq!(clusters.ranges(), ranges);
    }

    #[rstest]
    #[case::text(r#"["five"]"#)]
    #[case::half_a_range(r#"["5.."]"#)]
    #[case::no_step(r#"["5..9/"]"#)]
    #[case::a_step_of_nothing(r#"["5..9/0"]"#)]
    #[case::too_many_steps(r#"["0..18446744073709551615/2"]"#)]
    #[case::negative("[-1]")]
    #[case::the_largest("[18446744073709551615]")]
    #[case::no_list("5")]
    fn anything_else_is_an_error(#[case] json: &str) {
        serde_json::from_str::<Clusters>(json).unwrap_err();
    }

    proptest! {
        #[test]
        fn a_set_holds_what_was_put_in(ranges in proptest::collection::vec((0_u64..60, 0_u64..9), 0..9)) {
            let ranges: Vec<_> = ranges.into_iter().map(|(start, length)| start..start + length).collect();
            let expected: BTreeSet<u64> = ranges.iter().cloned().flatten().collect();
            let clusters: Clusters = ranges.into_iter().collect();
            prop_assert_eq!(clusters.count(), expected.len() as u64);
            prop_assert_eq!(clusters.iter().collect::<BTreeSet<_>>(), expected.clone());
            for index in 0..80 {
                prop_assert_eq!(clusters.contains(index), expected.contains(&index));
                prop_assert_eq!(clusters.first_from(index), expected.range(index..).next().copied());
            }
            let json = serde_json::to_string(&clusters).unwrap();
            prop_assert_eq!(serde_json::from_str::<Clusters>(&json).unwrap(), clusters);
        }
    }
}
