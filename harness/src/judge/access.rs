//! Compares the files of a chain.

use std::collections::BTreeSet;

use qconform_scenarios::FIXTURE_DIR;
use qconform_scenarios::expect::AccessWanted;
use qconform_scenarios::verdict::Verdict;

use super::{Compared, difference};
use crate::subject::Facts;

pub(super) fn compare(wanted: &[AccessWanted], facts: &Facts) -> Compared {
    let Facts::Access { files } = facts else {
        return (
            vec![difference(
                "answer",
                "the files of the chain",
                "something else",
            )],
            Verdict::Fail,
        );
    };
    let wanted: BTreeSet<AccessWanted> = wanted.iter().cloned().collect();
    let seen: BTreeSet<AccessWanted> = files
        .iter()
        .map(|fact| AccessWanted {
            file: relative(&fact.path),
            role: fact.role.clone(),
            access: fact.access.clone(),
        })
        .collect();
    let missing = wanted
        .difference(&seen)
        .map(|row| difference(&row.file, shown(row), "not found"));
    let extra = seen
        .difference(&wanted)
        .map(|row| difference(&row.file, "not part of the chain", shown(row)));
    (missing.chain(extra).collect(), Verdict::Fail)
}

fn shown(row: &AccessWanted) -> String {
    format!("{}, {}", row.role, row.access)
}

pub(super) fn relative(path: &str) -> String {
    let inside = path
        .strip_prefix(FIXTURE_DIR)
        .and_then(|rest| rest.strip_prefix('/'));
    inside.unwrap_or(path).to_owned()
}
