//! Answers about headers, wrong in one way each.

mod accepted;
mod data_file;
mod other_facts;
mod refused;

use qconform::subject::{Answer, Facts, HeaderFacts};
use qconform_scenarios::verdict::Level;

use super::{Asked, WrongReader};

/// All of them.
pub(super) fn all() -> impl Iterator<Item = &'static WrongReader> {
    let lists = [
        data_file::ALL,
        other_facts::ALL,
        accepted::ALL,
        refused::ALL,
    ];
    lists.into_iter().flatten()
}

const fn header(
    name: &'static str,
    what: &'static str,
    caught_by: &'static [&'static str],
    change: fn(&Asked, Answer) -> Answer,
) -> WrongReader {
    let level = Level::Header;
    WrongReader {
        name,
        what,
        level,
        caught_by,
        change,
    }
}

/// The facts of an accepted header, changed.
fn facts(mut answer: Answer, change: impl FnOnce(&mut HeaderFacts)) -> Answer {
    if let Answer::Accepted(Facts::Header(facts)) = &mut answer {
        change(facts);
    }
    answer
}
