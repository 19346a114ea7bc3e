//! Compares header facts. A fact that a scenario doesn't name isn't compared.

use qconform_reports::event::Difference;
use qconform_scenarios::expect::HeaderWanted;
use qconform_scenarios::verdict::Verdict;

use super::{Compared, difference};
use crate::subject::{Facts, HeaderFacts};

pub(super) fn compare(wanted: &HeaderWanted, facts: &Facts) -> Compared {
    let Facts::Header(seen) = facts else {
        return (
            vec![difference("answer", "header facts", "something else")],
            Verdict::Fail,
        );
    };
    let backing = seen.backing.as_ref();
    let data_file = seen.data_file.as_ref();
    let all = [
        fact("format", wanted.format.as_ref(), seen.format.as_ref()),
        fact("version", wanted.version.as_ref(), seen.version.as_ref()),
        fact(
            "virtual size",
            wanted.virtual_size.as_ref(),
            seen.virtual_size.as_ref(),
        ),
        fact(
            "has a backing file",
            wanted.has_backing.as_ref(),
            Some(&backing.is_some()),
        ),
        fact(
            "backing file",
            wanted.backing.as_ref(),
            backing.map(|b| &b.name),
        ),
        fact(
            "backing format",
            wanted.backing_format.as_ref(),
            backing.and_then(|b| b.format.as_ref()),
        ),
        fact(
            "uses a data file",
            wanted.uses_data_file.as_ref(),
            Some(&uses_data_file(seen)),
        ),
        fact(
            "data file",
            wanted.data_file.as_ref(),
            data_file.and_then(|d| d.name.as_ref()),
        ),
        fact(
            "raw flag",
            wanted.data_file_raw.as_ref(),
            data_file.map(|d| &d.raw),
        ),
    ];
    (all.into_iter().flatten().collect(), Verdict::Fail)
}

fn uses_data_file(seen: &HeaderFacts) -> bool {
    seen.data_file.is_some()
}

fn fact<T: PartialEq + std::fmt::Display>(
    place: &str,
    wanted: Option<&T>,
    seen: Option<&T>,
) -> Option<Difference> {
    let wanted = wanted?;
    if seen == Some(wanted) {
        return None;
    }
    let seen = seen.map_or_else(|| "none".to_owned(), ToString::to_string);
    Some(difference(place, wanted.to_string(), seen))
}
