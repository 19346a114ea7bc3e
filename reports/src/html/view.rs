//! The first page: what the template shows of a run.

use std::collections::BTreeSet;

use askama::Template;
use qconform_scenarios::requirement::Requirement;
use qconform_scenarios::verdict::{Level, Verdict};

use super::{data, shown};
use crate::counts::{self, Conclusion, Counts, Group};
use crate::event::RunHeader;
use crate::skips;
use crate::stream::Run;
use crate::tally::{SubjectTally, Tally};

/// How many reasons for skipping are shown.
const REASONS: usize = 50;

#[derive(Template)]
#[template(path = "report.html")]
pub(super) struct Page {
    headline: String,
    about: Vec<(&'static str, String)>,
    gap: Option<&'static str>,
    subjects: Vec<Subject>,
    /// Requirements that a subject was seen to break.
    broken: Vec<Row>,
    /// All others.
    kept: Vec<Row>,
    skipped: Vec<(String, String)>,
    stale: Vec<String>,
    /// Verdicts that occur, for the filter.
    verdicts: Vec<&'static str>,
    levels: Vec<&'static str>,
    cases: String,
    style: &'static str,
    script: &'static str,
}

/// A subject's card.
struct Subject {
    name: String,
    label: String,
    conclusion: &'static str,
    icon: &'static str,
    words: String,
    columns: Vec<&'static str>,
    levels: Vec<(&'static str, Vec<u64>)>,
}

/// A requirement in the grid.
struct Row {
    id: String,
    text: String,
    source: String,
    strength: &'static str,
    security: bool,
    cells: Vec<Cell>,
    worst: usize,
}

/// A requirement's result for a subject.
struct Cell {
    subject: String,
    icon: &'static str,
    words: String,
    tested: bool,
}

impl Page {
    pub(super) fn of(run: &Run) -> serde_json::Result<Self> {
        let tally = Tally::of(run);
        let (broken, kept) = rows(&run.header, &tally);
        let subjects: Vec<_> = tally
            .subjects
            .iter()
            .map(|tally| subject(tally, run.gap().is_none()))
            .collect();
        let given: Counts = run.cases.iter().map(|case| case.verdict).collect();
        let present = |verdict: &Verdict| given.get(*verdict) > 0;
        let levels: BTreeSet<_> = run.cases.iter().map(|c| c.level).collect();
        Ok(Page {
            headline: headline(&tally),
            about: about(run),
            gap: run.gap(),
            subjects,
            broken,
            kept,
            skipped: skipped(run),
            stale: stale(run),
            verdicts: Verdict::ALL
                .into_iter()
                .filter(present)
                .map(Verdict::as_str)
                .collect(),
            levels: levels.into_iter().map(Level::as_str).collect(),
            cases: data::embed(run, &tally)?,
            style: include_str!("../../templates/report.css"),
            script: include_str!("../../templates/report.js"),
        })
    }
}

fn headline(tally: &Tally<'_>) -> String {
    let subjects: Vec<_> = tally.subjects.iter().map(|s| shown(&s.label())).collect();
    match subjects.is_empty() {
        true => "nothing was tested".to_owned(),
        false => subjects.join(", "),
    }
}

fn about(run: &Run) -> Vec<(&'static str, String)> {
    let header = &run.header;
    let mut about = vec![
        ("suite", shown(&header.suite)),
        ("suite SHA-256", shown(&header.suite_digest)),
        ("tool", shown(&header.tool)),
        ("started", shown(&header.started)),
        ("seed", header.seed.to_string()),
        ("cases selected", header.selected.to_string()),
        ("command", shown(&header.command.join(" "))),
    ];
    if let Some(footer) = &run.footer {
        about.insert(4, ("took", format!("{} ms", footer.millis)));
    }
    about
}

fn subject(tally: &SubjectTally<'_>, whole: bool) -> Subject {
    let columns: Vec<_> = Group::ALL
        .into_iter()
        .filter(|group| group.always_shown() || tally.counts.group(*group) > 0)
        .collect();
    let levels = tally.levels.iter().map(|(level, counts)| {
        let numbers = columns.iter().map(|group| counts.group(*group));
        (level.as_str(), numbers.collect())
    });
    let conclusion = tally.counts.conclusion(whole);
    Subject {
        name: shown(tally.name),
        label: shown(&tally.label()),
        conclusion: conclusion.as_str(),
        icon: match conclusion {
            Conclusion::Fails => "failed",
            Conclusion::Unjudged => "harness-errors",
            Conclusion::Nothing => "skipped",
            Conclusion::Stale => "fixed",
            Conclusion::Partial => "lenient",
            Conclusion::Deviates => "known",
            Conclusion::Conforms => "passed",
        },
        words: tally.counts.words(),
        levels: levels.collect(),
        columns: columns.into_iter().map(Group::as_str).collect(),
    }
}

/// The grid, worst first: broken requirements, and those that nobody was seen to break.
fn rows(header: &RunHeader, tally: &Tally<'_>) -> (Vec<Row>, Vec<Row>) {
    let mut requirements: Vec<_> = header.requirements.iter().collect();
    requirements.sort_by_key(|requirement| {
        let worst = worst(requirement, tally);
        (
            worst,
            !requirement.security,
            requirement.strength,
            &requirement.id,
        )
    });
    let rows = requirements
        .into_iter()
        .map(|requirement| row(requirement, tally));
    let broken = |row: &Row| row.worst <= counts::rank(Verdict::Known);
    rows.partition(broken)
}

fn worst(requirement: &Requirement, tally: &Tally<'_>) -> usize {
    let worst = tally.subjects.iter().filter_map(|subject| {
        let counts = subject.requirements.get(requirement.id.as_str())?;
        // Among failures the requirement's weight decides, not how it failed.
        counts.worst().map(|verdict| match verdict.is_failure() {
            true => 0,
            false => counts::rank(verdict),
        })
    });
    // What was not tested at all stands above what passed, after everything else.
    worst.min().unwrap_or(counts::rank(Verdict::Unsupported))
}

fn row(requirement: &Requirement, tally: &Tally<'_>) -> Row {
    let cells = tally.subjects.iter().map(|subject| {
        let counts = subject.requirements.get(requirement.id.as_str());
        cell(subject.name, counts)
    });
    Row {
        id: shown(&requirement.id),
        text: shown(&requirement.text),
        source: shown(&requirement.source),
        strength: requirement.strength.as_str(),
        security: requirement.security,
        cells: cells.collect(),
        worst: worst(requirement, tally),
    }
}

fn cell(subject: &str, counts: Option<&Counts>) -> Cell {
    let group = counts.and_then(telling);
    let words = match (counts, group) {
        (Some(counts), Some(group)) => {
            let (count, total) = (counts.group(group), counts.total());
            match count == total {
                true => format!("{count} {}", group.as_str()),
                false => format!("{count} of {total} {}", group.as_str()),
            }
        }
        _ => "not tested".to_owned(),
    };
    Cell {
        subject: shown(subject),
        icon: group.map_or("skipped", icon),
        words,
        tested: group.is_some(),
    }
}

/// The group that a requirement's result is told by: the worst deviation, else the
/// passes, else why there are none.
fn telling(counts: &Counts) -> Option<Group> {
    let worst = Group::of(counts.worst()?);
    let neutral = matches!(worst, Group::Info | Group::Skipped | Group::Unsupported);
    match neutral && counts.group(Group::Passed) > 0 {
        true => Some(Group::Passed),
        false => Some(worst),
    }
}

fn icon(group: Group) -> &'static str {
    match group {
        Group::HarnessErrors => "harness-errors",
        group => group.as_str(),
    }
}

fn skipped(run: &Run) -> Vec<(String, String)> {
    let reasons = skips::reasons(run).into_iter().take(REASONS);
    let rows = reasons.map(|reason| {
        let cases = match reason.detail {
            "" => format!("{} skipped", reason.cases),
            detail => format!("{} skipped; {detail}", reason.cases),
        };
        (shown(reason.name), shown(&cases))
    });
    rows.collect()
}

fn stale(run: &Run) -> Vec<String> {
    let stale = run.footer.iter().flat_map(|footer| &footer.stale);
    stale.map(|entry| shown(entry)).collect()
}
