//! What of a file is written, reserved or a hole.
//!
//! QEMU shows holes in guest data only if an image takes less room than its refcounts say, so
//! room that is reserved without being written matters, too.

use std::ops::Range;

use super::CaptureError;
use super::pieces::{ENTRIES_MAX, check};
use super::source::Source;
use crate::recipe::{Clusters, MarkedData};

/// The parts of a file, in bytes.
#[derive(Debug, Default)]
pub(super) struct Space {
    /// Guest data that is no hole and no table.
    pub(super) data: Vec<MarkedData>,
    /// Everything else that is no hole.
    pub(super) zeros: Clusters,
    /// Holes for which the file system reserves room.
    pub(super) reserved: Clusters,
}

impl Space {
    /// `data` is what is the guest's by the tables, `tables` what isn't.
    pub(super) fn new(
        source: &Source<'_>,
        data: &[MarkedData],
        tables: &Clusters,
    ) -> Result<Space, CaptureError> {
        let written = written(source)?;
        let mut space = Space::default();
        let mut holes = Vec::new();
        for whole in data {
            let range = whole.at..whole.at + whole.length;
            holes.extend(without(&range, &written));
            for part in without(&range, tables) {
                for part in written.ranges_in(&part) {
                    let guest = whole.guest + (part.start - whole.at);
                    push_data(&mut space.data, part, guest)?;
                }
            }
        }
        for table in tables.ranges() {
            holes.extend(without(table, &written));
        }
        let marked = space.data.iter().map(|data| data.at..data.at + data.length);
        let marked: Clusters = marked.collect();
        let zeros = written.ranges().iter();
        space.zeros = zeros.flat_map(|part| without(part, &marked)).collect();
        let holes: Clusters = holes.into_iter().collect();
        // The system tells only how much is reserved, so it is all or nothing.
        if source.room().saturating_sub(written.count()) >= holes.count().div_ceil(2) {
            space.reserved = holes;
        }
        Ok(space)
    }
}

/// Every part of the file that is no hole.
fn written(source: &Source<'_>) -> Result<Clusters, CaptureError> {
    let mut parts = Vec::new();
    let mut at = 0;
    while let Some(part) = source.next_data(at, source.length())? {
        at = part.end;
        check(
            parts.len() as u64,
            ENTRIES_MAX as u64,
            "parts between holes",
            at,
        )?;
        parts.push(part);
    }
    Ok(parts.into_iter().collect())
}

/// The parts of a range that are not in a set.
fn without(range: &Range<u64>, set: &Clusters) -> Vec<Range<u64>> {
    let mut parts = Vec::new();
    let mut at = range.start;
    for taken in set.ranges_in(range) {
        if at < taken.start {
            parts.push(at..taken.start);
        }
        at = taken.end;
    }
    if at < range.end {
        parts.push(at..range.end);
    }
    parts
}

/// Joins what follows the last part, in the file and for the guest.
pub(super) fn push_data(
    list: &mut Vec<MarkedData>,
    part: Range<u64>,
    guest: u64,
) -> Result<(), CaptureError> {
    let length = part.end - part.start;
    match list.last_mut() {
        Some(last) if last.at + last.length == part.start && last.guest + last.length == guest => {
            last.length += length;
        }
        _ => list.push(MarkedData {
            at: part.start,
            guest,
            length,
        }),
    }
    check(
        list.len() as u64,
        ENTRIES_MAX as u64,
        "parts of guest data",
        part.start,
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_taken_away_is_gone_and_nothing_else(
            range in (0_u64..50, 0_u64..50),
            set in proptest::collection::btree_set(0_u64..100, 0..60),
        ) {
            let range = range.0..range.0 + range.1;
            let clusters: Clusters = set.iter().copied().collect();
            let found: Vec<u64> = without(&range, &clusters).into_iter().flatten().collect();
            let expected: Vec<u64> = range.filter(|index| !set.contains(index)).collect();
            prop_assert_eq!(found, expected);
        }
    }
}
