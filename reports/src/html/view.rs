//! The first screen: what the template shows of a run.

use std::collections::BTreeSet;

use askama::Template;
use qconform_scenarios::requirement::{Requirement, Strength};
use qconform_scenarios::verdict::{Level, Verdict};

use super::{shown, source};
use crate::counts::{self, Conclusion, Counts, Group};
use crate::event::RunHeader;
use crate::skips;
use crate::stream::Run;
use crate::tally::{SubjectTally, Tally};

/// How many reasons for skipping are shown.
const REASONS: usize = 50;
/// With more subjects than these, columns of the grid are narrow.
const COLUMNS: usize = 4;

#[derive(Template)]
#[template(path = "report.html")]
pub(super) struct Page {
    headline: String,
    about: Vec<(&'static str, String)>,
    gap: Option<&'static str>,
    subjects: Vec<Subject>,
    /// Whether there are many subjects, so that the grid is drawn narrow.
    many: bool,
    /// Requirements that a subject was seen to break.
    broken: Vec<Row>,
    /// All others.
    kept: Vec<Row>,
    /// Icons with what they mean.
    legend: Vec<(&'static str, &'static str)>,
    /// Groups of verdicts that occur, for the table of levels.
    columns: Vec<&'static str>,
    skipped: Vec<(String, String)>,
    stale: Vec<String>,
    /// Verdicts that occur, for the filter.
    verdicts: Vec<&'static str>,
    levels: Vec<&'static str>,
    severities: Vec<&'static str>,
    /// Ids of requirements, for the filter.
    requirements: Vec<String>,
    style: &'static str,
    script: String,
}

/// A subject's column.
struct Subject {
    name: String,
    label: String,
    conclusion: &'static str,
    icon: &'static str,
    words: String,
    levels: Vec<(&'static str, Vec<u64>)>,
}

/// A requirement's row.
struct Row {
    id: String,
    text: String,
    source: String,
    url: Option<String>,
    strength: &'static str,
    security: bool,
    cells: Vec<Cell>,
    /// The worst that a subject made of it, as a place in the order of reports.
    worst: usize,
}

/// What a subject made of a requirement.
struct Cell {
    subject: String,
    icon: &'static str,
    words: String,
    /// The same, where there is little room.
    brief: String,
    tested: bool,
}

impl Page {
    pub(super) fn of(run: &Run, tally: &Tally<'_>) -> Self {
        let whole = run.gap().is_none();
        let (broken, kept) = rows(&run.header, tally);
        let given: Counts = run.cases.iter().map(|case| case.verdict).collect();
        let levels: BTreeSet<_> = run.cases.iter().map(|c| c.level).collect();
        let shown_groups = Group::ALL
            .into_iter()
            .filter(|group| group.always_shown() || given.group(*group) > 0);
        let groups: Vec<_> = shown_groups.collect();
        Page {
            headline: headline(tally),
            about: about(run),
            gap: run.gap(),
            many: tally.subjects.len() > COLUMNS,
            subjects: tally
                .subjects
                .iter()
                .map(|s| subject(s, whole, &groups))
                .collect(),
            broken,
            kept,
            legend: groups.iter().map(|it| (icon(*it), it.as_str())).collect(),
            columns: groups.iter().map(|group| group.as_str()).collect(),
            skipped: skipped(run),
            stale: stale(run),
            verdicts: Verdict::ALL
                .into_iter()
                .filter(|verdict| given.get(*verdict) > 0)
                .map(Verdict::as_str)
                .collect(),
            levels: levels.into_iter().map(Level::as_str).collect(),
            severities: severities(&run.header),
            requirements: run
                .header
                .requirements
                .iter()
                .map(|r| shown(&r.id))
                .collect(),
            style: include_str!("../../templates/report.css"),
            script: SCRIPTS.concat(),
        }
    }
}

/// The page's scripts, one after the other in one function.
const SCRIPTS: [&str; 5] = [
    "\"use strict\";\n(() => {\n",
    include_str!("../../templates/elements.js"),
    include_str!("../../templates/chain.js"),
    include_str!("../../templates/report.js"),
    "})();\n",
];

fn headline(tally: &Tally<'_>) -> String {
    let subjects: Vec<_> = tally.subjects.iter().map(|s| shown(&s.label())).collect();
    match subjects.as_slice() {
        [] => "nothing was tested".to_owned(),
        few if few.len() <= COLUMNS => few.join(", "),
        many => format!("{} implementations", many.len()),
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
    if let Some(shard) = header.shard {
        about.push(("shard", shard.to_string()));
    }
    let capabilities = header.capabilities.iter().map(|capability| {
        let state = if capability.present { "yes" } else { "no" };
        format!("{}: {state}", shown(&capability.name))
    });
    let capabilities: Vec<_> = capabilities.collect();
    if !capabilities.is_empty() {
        about.push(("capabilities", capabilities.join(", ")));
    }
    about
}

fn subject(tally: &SubjectTally<'_>, whole: bool, groups: &[Group]) -> Subject {
    let levels = tally.levels.iter().map(|(level, counts)| {
        let numbers = groups.iter().map(|group| counts.group(*group));
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
    }
}

/// Strengths of the requirements, strictest first, security before all.
fn severities(header: &RunHeader) -> Vec<&'static str> {
    let requirements = &header.requirements;
    let strengths: BTreeSet<Strength> = requirements.iter().map(|r| r.strength).collect();
    let security = requirements.iter().any(|r| r.security);
    let security = security.then_some("security");
    let strengths = strengths.into_iter().map(Strength::as_str);
    security.into_iter().chain(strengths).collect()
}

/// The grid, worst first: broken requirements, and those that nobody was seen to break.
fn rows(header: &RunHeader, tally: &Tally<'_>) -> (Vec<Row>, Vec<Row>) {
    let requirements = tally.worst_first(&header.requirements);
    let rows = requirements.into_iter();
    let rows = rows.map(|(worst, requirement)| row(requirement, worst, tally));
    let broken = |row: &Row| row.worst <= counts::rank(Verdict::Known);
    rows.partition(broken)
}

fn row(requirement: &Requirement, worst: usize, tally: &Tally<'_>) -> Row {
    let cells = tally.subjects.iter().map(|subject| {
        let counts = subject.requirements.get(requirement.id.as_str());
        cell(subject.name, counts)
    });
    Row {
        id: shown(&requirement.id),
        text: shown(&requirement.text),
        source: shown(&requirement.source),
        url: source::url(&requirement.source),
        strength: requirement.strength.as_str(),
        security: requirement.security,
        cells: cells.collect(),
        worst,
    }
}

fn cell(subject: &str, counts: Option<&Counts>) -> Cell {
    let group = counts.and_then(Counts::telling);
    let (words, brief) = match (counts, group) {
        (Some(counts), Some(group)) => {
            let count = counts.group(group);
            let words = match group.deviates() {
                true => counts.deviations(),
                false if count == counts.total() => format!("{count} {}", group.as_str()),
                false => format!("{count} of {} {}", counts.total(), group.as_str()),
            };
            (words, count.to_string())
        }
        _ => ("not tested".to_owned(), String::new()),
    };
    Cell {
        subject: shown(subject),
        icon: group.map_or("skipped", icon),
        words,
        brief,
        tested: group.is_some(),
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
