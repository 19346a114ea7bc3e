//! Compares header facts. A fact that a scenario doesn't name isn't compared.

use qconform_reports::event::Difference;
use qconform_scenarios::expect::HeaderWanted;
use qconform_scenarios::verdict::Verdict;

use super::{Compared, difference};
use crate::subject::{Facts, HeaderFact};

pub(super) fn compare(wanted: &HeaderWanted, facts: &Facts) -> Compared {
    let Facts::Header(seen) = facts else {
        return (
            vec![difference("answer", "header facts", "something else")],
            Verdict::Fail,
        );
    };
    let told = |fact: HeaderFact| !seen.untold.contains(&fact);
    let backing = seen.backing.as_ref();
    let data_file = seen.data_file.as_ref();
    let has_backing = backing.is_some();
    let uses_data_file = data_file.is_some();
    let all = [
        (
            HeaderFact::Format,
            fact("format", wanted.format.as_ref(), seen.format.as_ref()),
        ),
        (
            HeaderFact::Version,
            fact("version", wanted.version.as_ref(), seen.version.as_ref()),
        ),
        (
            HeaderFact::VirtualSize,
            fact(
                "virtual size",
                wanted.virtual_size.as_ref(),
                seen.virtual_size.as_ref(),
            ),
        ),
        (
            HeaderFact::Backing,
            fact(
                "has a backing file",
                wanted.has_backing.as_ref(),
                Some(&has_backing),
            ),
        ),
        (
            HeaderFact::BackingName,
            fact(
                "backing file",
                wanted.backing.as_ref(),
                backing.map(|b| &b.name),
            ),
        ),
        (
            HeaderFact::BackingFormat,
            fact(
                "backing format",
                wanted.backing_format.as_ref(),
                backing.and_then(|b| b.format.as_ref()),
            ),
        ),
        (
            HeaderFact::DataFile,
            fact(
                "uses a data file",
                wanted.uses_data_file.as_ref(),
                Some(&uses_data_file),
            ),
        ),
        (
            HeaderFact::DataFileName,
            fact(
                "data file",
                wanted.data_file.as_ref(),
                data_file.and_then(|d| d.name.as_ref()),
            ),
        ),
        (
            HeaderFact::RawFlag,
            fact(
                "raw flag",
                wanted.data_file_raw.as_ref(),
                data_file.map(|d| &d.raw),
            ),
        ),
    ];
    // What an implementation doesn't tell is neither right nor wrong.
    let told = all.into_iter().filter(|(fact, _)| told(*fact));
    let differences = told.filter_map(|(_, difference)| difference);
    (differences.collect(), Verdict::Fail)
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
