//! A part of the selected cases, so that several machines share a run.

use qconform_reports::event::Shard;

/// The items that fall to a shard: every `total`-th one, so that the cases of a scenario,
/// which cost about the same, are dealt out evenly. Together the shards hold every item,
/// each exactly once.
pub(super) fn part<I: Iterator>(items: I, shard: Option<Shard>) -> impl Iterator<Item = I::Item> {
    let Shard { index, total } = shard.unwrap_or(Shard { index: 1, total: 1 });
    let first = index.saturating_sub(1) as usize;
    items.skip(first).step_by(total.max(1) as usize)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn shards_hold_everything_once(count in 0..200_usize, total in 1..40_u32) {
            let mut together: Vec<usize> = (1..=total)
                .flat_map(|index| part(0..count, Some(Shard { index, total })))
                .collect();
            together.sort_unstable();
            prop_assert_eq!(together, (0..count).collect::<Vec<_>>());
        }

        #[test]
        fn shards_are_of_one_size(count in 0..200_usize, total in 1..40_u32) {
            let sizes = (1..=total).map(|index| part(0..count, Some(Shard { index, total })).count());
            let sizes: Vec<_> = sizes.collect();
            let (least, most) = (sizes.iter().min().unwrap(), sizes.iter().max().unwrap());
            prop_assert!(most - least <= 1);
        }
    }
}
