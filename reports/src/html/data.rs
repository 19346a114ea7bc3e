//! The cases as JSON inside the page.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{CHARACTERS, shown};
use crate::counts;
use crate::event::{CaseEvent, RunHeader};
use crate::stream::Run;
use crate::tally::Tally;
use crate::text;

/// Everything that the script draws. Short keys, because there are thousands of cases.
#[derive(Serialize)]
struct Data {
    /// Names of the subjects.
    subjects: Vec<String>,
    requirements: Vec<Requirement>,
    /// Worst first, then by id.
    cases: Vec<Case>,
}

#[derive(Serialize)]
struct Requirement {
    id: String,
    strength: &'static str,
    text: String,
    source: String,
    security: bool,
}

/// A case with every run of it.
#[derive(Serialize)]
struct Case {
    id: String,
    title: String,
    level: &'static str,
    requirements: Vec<String>,
    runs: Vec<CaseRun>,
}

#[derive(Serialize)]
struct CaseRun {
    /// Index of the subject.
    s: usize,
    /// The verdict.
    v: &'static str,
    /// The message.
    #[serde(skip_serializing_if = "String::is_empty")]
    m: String,
    /// Place, expected, observed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    d: Vec<[String; 3]>,
    /// Why the baseline expects it.
    #[serde(skip_serializing_if = "Option::is_none")]
    k: Option<String>,
    /// The command that repeats it.
    r: String,
}

/// The JSON of a run, in which no character can end the script element that holds it.
pub(super) fn embed(run: &Run, tally: &Tally<'_>) -> serde_json::Result<String> {
    let data = Data {
        subjects: tally.subjects.iter().map(|s| shown(s.name)).collect(),
        requirements: requirements(&run.header),
        cases: cases(run, tally),
    };
    Ok(contain(&serde_json::to_string(&data)?))
}

/// `<`, `>` and `&` occur in JSON within strings only, where an escape means the same.
fn contain(json: &str) -> String {
    json.replace('<', "\\u003c")
        .replace('>', "\\u003e")
        .replace('&', "\\u0026")
}

fn requirements(header: &RunHeader) -> Vec<Requirement> {
    let requirements = header.requirements.iter().map(|requirement| Requirement {
        id: shown(&requirement.id),
        strength: requirement.strength.as_str(),
        text: shown(&requirement.text),
        source: shown(&requirement.source),
        security: requirement.security,
    });
    requirements.collect()
}

fn cases(run: &Run, tally: &Tally<'_>) -> Vec<Case> {
    let mut by_id: BTreeMap<&str, Vec<&CaseEvent>> = BTreeMap::new();
    for event in &run.cases {
        by_id.entry(&event.case).or_default().push(event);
    }
    let mut groups: Vec<_> = by_id.into_values().collect();
    // Stable, so that ids stay in order within a verdict.
    groups.sort_by_key(|events| events.iter().map(|event| counts::rank(event.verdict)).min());
    groups
        .iter()
        .filter_map(|events| case(events, tally))
        .collect()
}

fn case(events: &[&CaseEvent], tally: &Tally<'_>) -> Option<Case> {
    let first = events.first()?;
    let mut runs: Vec<_> = events
        .iter()
        .filter_map(|event| case_run(event, tally))
        .collect();
    runs.sort_by_key(|run| run.s);
    Some(Case {
        id: shown(&first.case),
        title: shown(&first.title),
        level: first.level.as_str(),
        requirements: first.requirements.iter().map(|id| shown(id)).collect(),
        runs,
    })
}

fn case_run(event: &CaseEvent, tally: &Tally<'_>) -> Option<CaseRun> {
    let differences = event.differences.iter().map(|difference| {
        [
            shown(&difference.place),
            text::value(&difference.expected, CHARACTERS),
            text::value(&difference.observed, CHARACTERS),
        ]
    });
    Some(CaseRun {
        s: tally.position(&event.subject)?,
        v: event.verdict.as_str(),
        m: shown(&event.message),
        d: differences.collect(),
        k: event.known_reason.as_deref().map(shown),
        r: shown(&event.repeat),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contained_json_holds_no_markup_and_means_the_same() {
        let hostile = "</script><!--<script>&lt;";
        let json = serde_json::to_string(hostile).unwrap();
        let contained = contain(&json);
        assert!(!contained.contains(['<', '>', '&']), "{contained}");
        let back: String = serde_json::from_str(&contained).unwrap();
        assert_eq!(back, hostile);
    }
}
