//! The cases as JSON inside the page.

use std::collections::BTreeMap;
use std::io::{self, Write};

use qconform_scenarios::verdict::Verdict;
use serde::Serialize;

use super::{CHARACTERS, Shown, shown, source};
use crate::counts;
use crate::event::{CaseEvent, CellSeen, RunHeader};
use crate::json;
use crate::stream::Run;
use crate::tally::Tally;
use crate::text;

/// Everything that the list of cases is drawn from. Short keys, because there are thousands
/// of cases.
#[derive(Serialize)]
struct Data<'run> {
    /// Every verdict, in the order of reports; letters from `a` stand for them.
    verdicts: Vec<&'static str>,
    /// Names of the subjects.
    subjects: Vec<String>,
    requirements: Vec<Requirement>,
    /// Worst first, then by id.
    cases: Vec<Case<'run>>,
}

#[derive(Serialize)]
struct Requirement {
    id: String,
    strength: &'static str,
    text: String,
    source: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<String>,
    security: bool,
}

/// A case with every run of it.
#[derive(Serialize)]
struct Case<'run> {
    id: Shown<'run>,
    title: Shown<'run>,
    level: &'static str,
    requirements: Vec<Shown<'run>>,
    /// A letter for each subject's verdict, `-` for none.
    v: String,
    /// The command that repeats it, `{}` for the subject.
    #[serde(skip_serializing_if = "Option::is_none")]
    r: Option<String>,
    /// What there is to say, by index of the subject.
    runs: BTreeMap<usize, CaseRun>,
}

#[derive(Serialize, PartialEq, Eq, Default)]
struct CaseRun {
    /// The message, unless the differences say it.
    #[serde(skip_serializing_if = "Option::is_none")]
    m: Option<String>,
    /// Place, expected, observed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    d: Vec<[String; 3]>,
    /// Cells that are not as required: step, file, owner, label, whether it is allowed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    c: Vec<Cell>,
    /// How many steps were observed.
    #[serde(skip_serializing_if = "Option::is_none")]
    n: Option<u32>,
    /// Why the baseline expects it.
    #[serde(skip_serializing_if = "Option::is_none")]
    k: Option<String>,
    /// The command that repeats it, where the case's isn't it.
    #[serde(skip_serializing_if = "Option::is_none")]
    r: Option<String>,
}

#[derive(Serialize, PartialEq, Eq)]
struct Cell(String, String, State, State, bool);

/// Owner and label.
#[derive(Serialize, PartialEq, Eq)]
struct State(String, Option<String>);

/// The events of one case.
pub(super) type Group<'run> = Vec<&'run CaseEvent>;

/// Writes the JSON of a run, in which no character can end the script element that holds it.
pub(super) fn write(
    run: &Run,
    groups: &[Group<'_>],
    tally: &Tally<'_>,
    out: &mut impl Write,
) -> io::Result<()> {
    let data = Data {
        verdicts: Verdict::ALL.into_iter().map(Verdict::as_str).collect(),
        subjects: tally.subjects.iter().map(|s| shown(s.name)).collect(),
        requirements: requirements(&run.header),
        cases: groups
            .iter()
            .map(|events| case(run, events, tally))
            .collect(),
    };
    json::inside_html(&data, out)
}

fn requirements(header: &RunHeader) -> Vec<Requirement> {
    let requirements = header.requirements.iter().map(|requirement| Requirement {
        id: shown(&requirement.id),
        strength: requirement.strength.as_str(),
        text: shown(&requirement.text),
        source: shown(&requirement.source),
        url: source::url(&requirement.source),
        security: requirement.security,
    });
    requirements.collect()
}

/// The events of each case, worst case first.
pub(super) fn groups(run: &Run) -> Vec<Group<'_>> {
    let mut by_id: BTreeMap<&str, Group<'_>> = BTreeMap::new();
    for event in &run.cases {
        by_id.entry(&event.case).or_default().push(event);
    }
    let mut groups: Vec<_> = by_id.into_values().collect();
    // Stable, so that ids stay in order within a verdict.
    groups.sort_by_key(|events| events.iter().map(|event| counts::rank(event.verdict)).min());
    groups
}

fn case<'run>(run: &Run, events: &[&'run CaseEvent], tally: &Tally<'_>) -> Case<'run> {
    let first = events[0];
    let steps = run
        .setups
        .get(&first.case)
        .map_or(0, |setup| setup.steps.len());
    let template = template(first);
    let mut verdicts = vec!['-'; tally.subjects.len()];
    let mut runs = BTreeMap::new();
    for event in events {
        let Some(subject) = tally.position(&event.subject) else {
            continue;
        };
        verdicts[subject] = letter(event.verdict);
        let run = case_run(event, steps, &template);
        if run != CaseRun::default() {
            runs.insert(subject, run);
        }
    }
    Case {
        id: Shown(&first.case),
        title: Shown(&first.title),
        level: first.level.as_str(),
        requirements: first.requirements.iter().map(|id| Shown(id)).collect(),
        v: verdicts.into_iter().collect(),
        r: template.map(|template| shown(&template)),
        runs,
    }
}

fn letter(verdict: Verdict) -> char {
    let letters = ('a'..='z').nth(counts::rank(verdict));
    letters.unwrap_or('-')
}

/// The option that names the subject in a command, as it is for a plain name.
fn option(subject: &str) -> String {
    format!("--subject {subject} ")
}

/// The command that repeats the case for any subject; `None` if it can't be told.
fn template(event: &CaseEvent) -> Option<String> {
    let (before, after) = event.repeat.split_once(&option(&event.subject))?;
    let whole = format!("{before}{}{after}", option("{}"));
    (whole.matches("{}").count() == 1).then_some(whole)
}

fn case_run(event: &CaseEvent, steps: usize, template: &Option<String>) -> CaseRun {
    let differences = event.differences.iter().map(|difference| {
        [
            shown(&difference.place),
            text::value(&difference.expected, CHARACTERS),
            text::value(&difference.observed, CHARACTERS),
        ]
    });
    CaseRun {
        m: event.reason().map(shown),
        d: differences.collect(),
        c: event.cells.iter().map(cell).collect(),
        n: (event.steps as usize != steps).then_some(event.steps),
        k: event.known_reason.as_deref().map(shown),
        r: (self::template(event) != *template || template.is_none()).then(|| shown(&event.repeat)),
    }
}

fn cell(cell: &CellSeen) -> Cell {
    let state =
        |state: &crate::event::State| State(shown(&state.owner), state.label.as_deref().map(shown));
    Cell(
        shown(&cell.step),
        shown(&cell.file),
        state(&cell.expected),
        state(&cell.observed),
        cell.allowed,
    )
}
