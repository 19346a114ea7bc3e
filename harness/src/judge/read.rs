//! Compares guest bytes with the markers of the fixture's files.

use qconform_generators::marker::Marker;
use qconform_scenarios::expect::{READ_LENGTH, ReadWanted};
use qconform_scenarios::file::CaseFiles;
use qconform_scenarios::verdict::Verdict;

use super::{Compared, difference};
use crate::observe::hex;
use crate::subject::Facts;

/// Other bytes than the marker's are wrong data: a failure of its own, because the
/// subject gave them out as the guest's.
pub(super) fn compare(
    wanted: &[ReadWanted],
    facts: &Facts,
    files: &CaseFiles,
    seed: u64,
) -> Compared {
    let Facts::Read { reads } = facts else {
        return (
            vec![difference("answer", "guest bytes", "something else")],
            Verdict::Fail,
        );
    };
    let mut differences = Vec::new();
    for want in wanted {
        let expected = marker(want.file.as_deref(), want.offset, seed);
        let Some(seen) = reads.iter().find(|read| read.offset == want.offset) else {
            let place = format!("guest offset {}", want.offset);
            return (vec![difference(place, "bytes", "none")], Verdict::Fail);
        };
        if seen.bytes != expected {
            differences.push(difference(
                format!("guest offset {}", want.offset),
                name(want.file.as_deref(), want.offset),
                recognise(&seen.bytes, files, want.offset, seed),
            ));
        }
    }
    (differences, Verdict::WrongData)
}

fn marker(file: Option<&str>, offset: u64, seed: u64) -> String {
    let length = READ_LENGTH as usize;
    match file {
        Some(file) => hex(&Marker::new(seed, file).bytes(offset, length)),
        None => "00".repeat(length),
    }
}

fn name(file: Option<&str>, offset: u64) -> String {
    file.map_or_else(|| "zeros".to_owned(), |file| format!("{file}@{offset}"))
}

/// Tells where wrong bytes come from, if they are a marker at this or at another offset.
fn recognise(seen: &str, files: &CaseFiles, offset: u64, seed: u64) -> String {
    if *seen == marker(None, 0, seed) {
        return name(None, 0);
    }
    let step = u64::from(READ_LENGTH);
    let elsewhere = (0..256).map(|index| index * step);
    for candidate in std::iter::once(offset).chain(elsewhere) {
        let found = files
            .keys()
            .find(|file| *seen == marker(Some(file), candidate, seed));
        if let Some(file) = found {
            return name(Some(file), candidate);
        }
    }
    format!(
        "bytes of no file of the fixture ({}...)",
        seen.get(..32).unwrap_or(seen)
    )
}
