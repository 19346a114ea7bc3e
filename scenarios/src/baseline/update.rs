//! Brings a baseline up to date with what a whole run saw.
//!
//! Entries that are still true keep every character, comments too. One that covers cases that
//! pass now is narrowed; one that nothing fits any more goes. For what no entry knows, entries
//! are added whose reason a person has to write: until then the baseline can't be read.

use std::collections::{BTreeMap, BTreeSet};

use toml_edit::{Array, ArrayOfTables, DocumentMut, Item, Table, value};

use super::{Baseline, Severity, UNEXPLAINED, cover};
use crate::error::DataError;
use crate::verdict::Verdict;

/// How a case ended for the subject, without its baseline.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// The case.
    pub id: String,
    /// Its scenario.
    pub scenario: String,
    /// The verdict.
    pub verdict: Verdict,
    /// The message.
    pub message: String,
    /// What a deviation would do to users, as far as it can be told from outside.
    pub severity: Severity,
    /// The first requirement that the case tests.
    pub requirement: String,
}

/// A baseline that was brought up to date.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Updated {
    /// Its new text.
    pub text: String,
    /// Entries that were removed, as their cases.
    pub removed: Vec<String>,
    /// Entries that cover fewer cases now.
    pub narrowed: Vec<String>,
    /// Entries that were added and need a reason.
    pub added: Vec<String>,
}

/// Brings the text of a baseline up to date; `version` is the subject's.
///
/// # Errors
/// [`DataError`] for a text that is no baseline.
pub fn update(
    name: &str,
    text: &str,
    version: &str,
    outcomes: &[Outcome],
) -> Result<Updated, DataError> {
    let baseline = Baseline::parse(name, text)?;
    let document = text.parse::<DocumentMut>();
    // It was read as a baseline, so it is TOML.
    let mut document = document.unwrap_or_default();
    let seen = Seen::of(&baseline, version, outcomes);
    let mut updated = Updated {
        text: String::new(),
        removed: Vec::new(),
        narrowed: Vec::new(),
        added: Vec::new(),
    };
    let trailing = document.trailing().as_str().unwrap_or_default().to_owned();
    let mut comment = None;
    let entries = document
        .entry("deviation")
        .or_insert_with(|| Item::ArrayOfTables(ArrayOfTables::new()));
    if let Some(entries) = entries.as_array_of_tables_mut() {
        if entries.is_empty() {
            // What stands in the file stays above its first entry.
            comment = Some(trailing);
        }
        keep_true(entries, &baseline, version, &seen, outcomes, &mut updated);
        for (group, ids) in seen.unknown {
            add(entries, &group, &ids, outcomes, &mut updated);
        }
    }
    if let Some(comment) = comment {
        document.set_trailing("");
        updated.text = comment;
    }
    updated.text += &document.to_string();
    Ok(updated)
}

/// Failures of one kind in one scenario.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Group<'a> {
    scenario: &'a str,
    verdict: Verdict,
    /// The message up to its first colon.
    kind: &'a str,
    severity: Severity,
    requirement: &'a str,
}

/// What the baseline makes of the outcomes.
#[derive(Default)]
struct Seen<'a> {
    /// Cases that fail as an entry says, by its number.
    known: BTreeMap<usize, Vec<&'a Outcome>>,
    /// Numbers of entries that cover cases that pass.
    fixed: BTreeSet<usize>,
    /// Failures that no entry knows.
    unknown: BTreeMap<Group<'a>, Vec<&'a str>>,
}

impl<'a> Seen<'a> {
    fn of(baseline: &Baseline, version: &str, outcomes: &'a [Outcome]) -> Self {
        let mut seen = Self::default();
        for outcome in outcomes {
            let (verdict, entry) =
                baseline.apply_to(version, &outcome.id, outcome.verdict, &outcome.message);
            match (verdict, entry) {
                (Verdict::Known, Some(entry)) => seen.known.entry(entry).or_default().push(outcome),
                (Verdict::Fixed, Some(entry)) => {
                    seen.fixed.insert(entry);
                }
                _ if outcome.verdict.is_failure() => {
                    let group = Group {
                        scenario: &outcome.scenario,
                        verdict: outcome.verdict,
                        kind: outcome.message.split(':').next().unwrap_or_default(),
                        severity: outcome.severity,
                        requirement: &outcome.requirement,
                    };
                    seen.unknown.entry(group).or_default().push(&outcome.id);
                }
                _ => {}
            }
        }
        seen
    }
}

/// Removes and narrows entries.
fn keep_true(
    entries: &mut ArrayOfTables,
    baseline: &Baseline,
    version: &str,
    seen: &Seen<'_>,
    outcomes: &[Outcome],
    updated: &mut Updated,
) {
    let mut gone = Vec::new();
    for (number, deviation) in baseline.deviations().iter().enumerate() {
        if !deviation.is_of(version) {
            continue;
        }
        let Some(known) = seen.known.get(&number) else {
            updated.removed.push(deviation.cases.clone());
            gone.push(number);
            continue;
        };
        if seen.fixed.contains(&number)
            && let Some(entry) = entries.get_mut(number)
        {
            entry["cases"] = value(narrowed(known, outcomes));
            updated.narrowed.push(deviation.cases.clone());
        }
    }
    for number in gone.into_iter().rev() {
        entries.remove(number);
    }
}

/// Patterns for the cases of an entry that still fail, scenario by scenario.
fn narrowed(known: &[&Outcome], outcomes: &[Outcome]) -> Array {
    let scenarios: BTreeSet<_> = known.iter().map(|it| it.scenario.as_str()).collect();
    let mut patterns = Array::new();
    for scenario in scenarios {
        let ids = known.iter().filter(|it| it.scenario == scenario);
        let ids: Vec<_> = ids.map(|it| it.id.as_str()).collect();
        patterns.extend(cover::patterns(
            scenario,
            &ids,
            &others(scenario, &ids, outcomes),
        ));
    }
    patterns
}

/// The other cases of a scenario.
fn others<'a>(scenario: &str, ids: &[&str], outcomes: &'a [Outcome]) -> Vec<&'a str> {
    let of_scenario = outcomes.iter().filter(|it| it.scenario == scenario);
    let ids: BTreeSet<_> = ids.iter().collect();
    of_scenario
        .map(|it| it.id.as_str())
        .filter(|id| !ids.contains(id))
        .collect()
}

fn add(
    entries: &mut ArrayOfTables,
    group: &Group<'_>,
    ids: &[&str],
    outcomes: &[Outcome],
    updated: &mut Updated,
) {
    let patterns = cover::patterns(group.scenario, ids, &others(group.scenario, ids, outcomes));
    updated.added.push(patterns.join(", "));
    let mut entry = Table::new();
    entry["cases"] = match patterns.as_slice() {
        [one] => value(one),
        more => value(more.iter().collect::<Array>()),
    };
    entry["verdict"] = value(group.verdict.as_str());
    entry["message"] = value(common_beginning(ids, outcomes));
    entry["severity"] = value(group.severity.as_str());
    entry["requirement"] = value(group.requirement);
    entry["reason"] = value(format!("{UNEXPLAINED}: what was seen, in a sentence"));
    if !entries.is_empty() {
        entry.decor_mut().set_prefix("\n");
    }
    entries.push(entry);
}

/// As far as the messages of these cases agree.
fn common_beginning(ids: &[&str], outcomes: &[Outcome]) -> String {
    let mut messages = outcomes
        .iter()
        .filter(|it| ids.contains(&it.id.as_str()))
        .map(|it| it.message.as_str());
    let first = messages.next().unwrap_or_default();
    let end = messages.fold(first.len(), |end, message| {
        let pairs = first[..end].char_indices().zip(message.chars());
        let mut alike = pairs.take_while(|((_, a), b)| a == b);
        let last = alike.by_ref().last();
        last.map_or(0, |((at, c), _)| at + c.len_utf8())
    });
    first[..end].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# The subject's own words.\n\n[[deviation]]\ncases = \"s/*\"\n\
        verdict = \"fail\"\nmessage = \"a\"\nseverity = \"refusal\"\nrequirement = \"x.y\"\n\
        reason = \"It refuses.\" # really\n";

    fn outcome(id: &str, verdict: Verdict, message: &str) -> Outcome {
        Outcome {
            id: id.to_owned(),
            scenario: id.split('/').next().unwrap().to_owned(),
            verdict,
            message: message.to_owned(),
            severity: Severity::WrongFact,
            requirement: "x.y".to_owned(),
        }
    }

    fn updated(outcomes: &[Outcome]) -> Updated {
        update("b.toml", TEXT, "1", outcomes).unwrap()
    }

    #[test]
    fn what_is_true_stays_to_the_character() {
        let same = updated(&[outcome("s/a=1", Verdict::Fail, "a: b")]);
        assert_eq!(same.text, TEXT);
    }

    #[test]
    fn an_entry_that_nothing_fits_goes() {
        let gone = updated(&[outcome("s/a=1", Verdict::Pass, "")]);
        assert_eq!(gone.removed, ["s/*"]);
        assert!(!gone.text.contains("[[deviation]]"), "{}", gone.text);
    }

    #[test]
    fn an_entry_that_covers_a_pass_is_narrowed() {
        let narrow = updated(&[
            outcome("s/a=1", Verdict::Pass, ""),
            outcome("s/a=2", Verdict::Fail, "a"),
        ]);
        assert!(
            narrow.text.contains("cases = [\"s/a=2\"]"),
            "{}",
            narrow.text
        );
        assert!(narrow.text.contains("# really"));
    }

    #[test]
    fn what_is_new_needs_a_reason_before_it_can_be_read() {
        let added = updated(&[
            outcome("s/a=1", Verdict::Fail, "a"),
            outcome("t/a=1", Verdict::WrongData, "at 0: x"),
            outcome("t/a=2", Verdict::WrongData, "at 0: y"),
        ]);
        assert_eq!(added.added, ["t/*"]);
        let error = Baseline::parse("b.toml", &added.text).unwrap_err();
        assert!(error.to_string().contains("gives its reason"), "{error}");
        let told = added
            .text
            .replace("TODO: what was seen, in a sentence", "It was.");
        let baseline = Baseline::parse("b.toml", &told).unwrap();
        assert_eq!(baseline.deviations()[1].message, "at 0: ");
    }
}
