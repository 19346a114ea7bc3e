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
    // Who says what may be done with each file need not say why it is used.
    let roles_told = files.iter().all(|fact| fact.role.is_some());
    let row = |file: String, role: Option<&str>, access: &str| Row {
        file,
        role: role.filter(|_| roles_told).map(str::to_owned),
        access: access.to_owned(),
    };
    let wanted: BTreeSet<Row> = wanted
        .iter()
        .map(|wanted| row(wanted.file.clone(), Some(&wanted.role), &wanted.access))
        .collect();
    let seen: BTreeSet<Row> = files
        .iter()
        .map(|fact| row(relative(&fact.path), fact.role.as_deref(), &fact.access))
        .collect();
    let missing = wanted
        .difference(&seen)
        .map(|row| difference(&row.file, shown(row), "not found"));
    let extra = seen
        .difference(&wanted)
        .map(|row| difference(&row.file, "not part of the chain", shown(row)));
    (missing.chain(extra).collect(), Verdict::Fail)
}

/// One use of a file, as far as it was told.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Row {
    file: String,
    role: Option<String>,
    access: String,
}

fn shown(row: &Row) -> String {
    match &row.role {
        Some(role) => format!("{role}, {}", row.access),
        None => row.access.clone(),
    }
}

pub(super) fn relative(path: &str) -> String {
    let inside = path
        .strip_prefix(FIXTURE_DIR)
        .and_then(|rest| rest.strip_prefix('/'));
    inside.unwrap_or(path).to_owned()
}
