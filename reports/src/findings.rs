//! Findings: what subjects do otherwise than required, as a page to publish.
//!
//! One finding is what a baseline's reason says, or, where no baseline knows it, a scenario that
//! fails, with every requirement that it breaks. Subjects of one run stand side by side, so that
//! versions of one program can be compared.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::io::{self, Write};

use qconform_scenarios::baseline::Severity;
use qconform_scenarios::requirement::Requirement;

use crate::counts::Group;
use crate::event::{self, CaseEvent};
use crate::markdown::{command, differences, lines, shown};
use crate::stream::Run;
use crate::tally::Tally;

/// Most bytes of a recipe that stands in the page.
const RECIPE: usize = 2000;

/// Writes the page.
///
/// # Errors
/// What `out` returns.
pub fn write(run: &Run, out: &mut impl Write) -> io::Result<()> {
    let tally = Tally::of(run);
    let findings = findings(run, &tally);
    head(run, &tally, out)?;
    if findings.is_empty() {
        return writeln!(out, "No deviation was seen.");
    }
    overview(&findings, &tally, out)?;
    for (number, finding) in findings.iter().enumerate() {
        section(run, number + 1, finding, &tally, out)?;
    }
    Ok(())
}

/// One thing that one or more subjects do otherwise than required.
struct Finding<'run> {
    /// The worst of its cases.
    severity: Severity,
    reason: &'run str,
    /// Whether no baseline knows of it.
    new: bool,
    link: Option<&'run str>,
    /// What it breaks.
    requirements: BTreeMap<&'run str, Broken<'run>>,
}

/// The cases of a finding that break one requirement.
struct Broken<'run> {
    /// How many, by subject.
    cases: Vec<u64>,
    /// Of the worst ones the one with the shortest id.
    shortest: &'run CaseEvent,
}

impl<'run> Finding<'run> {
    /// How many cases show it with each subject.
    fn cases(&self) -> Vec<u64> {
        let mut sums = Vec::new();
        for broken in self.requirements.values() {
            sums.resize(broken.cases.len(), 0);
            for (sum, cases) in sums.iter_mut().zip(&broken.cases) {
                *sum += cases;
            }
        }
        sums
    }

    fn shortest(&self) -> Option<&'run CaseEvent> {
        let cases = self.requirements.values().map(|broken| broken.shortest);
        cases.min_by_key(|case| rank(case))
    }
}

/// What is worst first, then shorter ids, for an example that people read.
fn rank(case: &CaseEvent) -> (Option<Severity>, usize, &str) {
    let severity = of_case(case).map(|(severity, ..)| severity);
    (severity, case.case.len(), &case.case)
}

/// Worst first, then by how many cases show it.
fn findings<'run>(run: &'run Run, tally: &Tally<'run>) -> Vec<Finding<'run>> {
    let mut found: BTreeMap<&str, Finding<'run>> = BTreeMap::new();
    for case in &run.cases {
        let Some(position) = tally.position(&case.subject) else {
            continue;
        };
        let Some((severity, requirement, new)) = of_case(case) else {
            continue;
        };
        let reason = match new {
            true => event::scenario(&case.case),
            false => case.known_reason.as_deref().unwrap_or_default(),
        };
        let finding = found.entry(reason).or_insert_with(|| Finding {
            severity,
            reason,
            new,
            link: case.deviation.as_ref().and_then(|it| it.link.as_deref()),
            requirements: BTreeMap::new(),
        });
        finding.severity = finding.severity.min(severity);
        let broken = finding.requirements.entry(requirement);
        let broken = broken.or_insert_with(|| Broken {
            cases: vec![0; tally.subjects.len()],
            shortest: case,
        });
        broken.cases[position] += 1;
        if rank(case) < rank(broken.shortest) {
            broken.shortest = case;
        }
    }
    let mut found: Vec<_> = found.into_values().collect();
    found.sort_by_cached_key(|finding| {
        let cases: u64 = finding.cases().iter().sum();
        (finding.severity, Reverse(cases), finding.reason)
    });
    found
}

/// Severity and requirement of a deviation, and whether no baseline knows it.
fn of_case(case: &CaseEvent) -> Option<(Severity, &str, bool)> {
    match &case.deviation {
        Some(deviation) => Some((deviation.severity, &deviation.requirement, false)),
        None if case.verdict.is_failure() => {
            let requirement = case.requirements.first().map_or("", |id| id);
            Some((case.severity(), requirement, true))
        }
        None => None,
    }
}

fn head(run: &Run, tally: &Tally<'_>, out: &mut impl Write) -> io::Result<()> {
    let names: Vec<_> = tally.subjects.iter().map(|it| shown(it.name)).collect();
    let header = &run.header;
    let day: String = header.started.chars().take(10).collect();
    writeln!(out, "# Findings: {}\n", names.join(", "))?;
    writeln!(
        out,
        "What the suite saw on {}: suite {}, seed {}, qconform {}. Written by `qconform report \
         render RUN --format findings`.\nNumbers are cases. What was seen is stated, not what \
         follows from it; each finding has the command that repeats it. Before that, an adapter \
         is installed: `qconform subject install NAME`.\n",
        shown(&day),
        shown(&header.suite),
        header.seed,
        shown(&header.tool),
    )?;
    if let Some(gap) = run.gap() {
        writeln!(out, "**This run isn't whole: {gap}.**\n")?;
    }
    writeln!(
        out,
        "| subject | version | passed | deviations | lenient | info | unsupported | skipped |"
    )?;
    writeln!(out, "|---|---|--:|--:|--:|--:|--:|--:|")?;
    for subject in &tally.subjects {
        let count = |group| subject.counts.group(group);
        writeln!(
            out,
            "| {} | {} | {} | {} | {} | {} | {} | {} |",
            shown(subject.name),
            shown(subject.version),
            count(Group::Passed),
            count(Group::Known) + count(Group::Failed),
            count(Group::Lenient),
            count(Group::Info),
            count(Group::Unsupported),
            count(Group::Skipped),
        )?;
    }
    writeln!(out)
}

fn overview(findings: &[Finding<'_>], tally: &Tally<'_>, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "| | severity | finding |{}", names(tally))?;
    writeln!(out, "|--:|---|---|{}", "--:|".repeat(tally.subjects.len()))?;
    for (number, finding) in findings.iter().enumerate() {
        writeln!(
            out,
            "| [{0}](#finding-{0}) | {1} | {2} |{3}",
            number + 1,
            finding.severity.as_str(),
            shown(finding.reason),
            numbers(&finding.cases()),
        )?;
    }
    writeln!(out)
}

/// Cells with the names of all subjects.
fn names(tally: &Tally<'_>) -> String {
    let names = tally.subjects.iter().map(|subject| shown(subject.name));
    names.map(|name| format!(" {name} |")).collect()
}

/// Cells with a number for each subject.
fn numbers(cases: &[u64]) -> String {
    let cell = |cases: &u64| match cases {
        0 => " - |".to_owned(),
        cases => format!(" {cases} |"),
    };
    cases.iter().map(cell).collect()
}

fn section(
    run: &Run,
    number: usize,
    finding: &Finding<'_>,
    tally: &Tally<'_>,
    out: &mut impl Write,
) -> io::Result<()> {
    writeln!(out, "## Finding {number}\n\n{}\n", shown(finding.reason))?;
    if finding.new {
        writeln!(out, "No baseline knows of this.\n")?;
    }
    if let Some(link) = finding.link {
        writeln!(out, "See {}\n", shown(link))?;
    }
    let severity = finding.severity.as_str();
    writeln!(
        out,
        "{severity}, seen with {}.\n",
        seen_with(finding, tally)
    )?;
    writeln!(out, "| required | shortest case |{}", names(tally))?;
    writeln!(out, "|---|---|{}", "--:|".repeat(tally.subjects.len()))?;
    for (id, broken) in &finding.requirements {
        writeln!(
            out,
            "| {} | <code>{}</code> |{}",
            required(run, id),
            shown(&broken.shortest.case),
            numbers(&broken.cases),
        )?;
    }
    writeln!(out)?;
    match finding.shortest() {
        Some(case) => example(run, case, out),
        None => Ok(()),
    }
}

/// A requirement as its sentence, or as its id where the run doesn't tell it.
fn required(run: &Run, id: &str) -> String {
    let known = run.header.requirements.iter().find(|it| it.id == id);
    match known {
        Some(known) => sentence(known),
        None => format!("<code>{}</code>", shown(id)),
    }
}

/// The case that is easiest to read, with what was seen and how to see it again.
fn example(run: &Run, case: &CaseEvent, out: &mut impl Write) -> io::Result<()> {
    writeln!(
        out,
        "For instance {}, of {}:\n",
        shown(&case.title),
        shown(&case.subject)
    )?;
    if let Some(reason) = case.reason() {
        writeln!(out, "{}\n", shown(reason))?;
    }
    if !case.differences.is_empty() {
        for line in differences(case) {
            writeln!(out, "{line}")?;
        }
    }
    fixture(run, case, out)?;
    writeln!(out, "{}", command(&case.repeat))
}

/// The files of an image's case, for whoever wants to have them. A domain is more than its files.
fn fixture(run: &Run, case: &CaseEvent, out: &mut impl Write) -> io::Result<()> {
    let Some(setup) = run.setups.get(&case.case) else {
        return Ok(());
    };
    if setup.domain.is_some() || !(1..=RECIPE).contains(&setup.recipe.len()) {
        return Ok(());
    }
    let ask: Vec<_> = setup.ask.iter().map(|line| shown(line)).collect();
    writeln!(
        out,
        "Asked: {}. The files, which `qconform generate` writes:\n",
        ask.join("; ")
    )?;
    writeln!(out, "{}", lines("toml", &setup.recipe))
}

fn sentence(requirement: &Requirement) -> String {
    let security = match requirement.security {
        true => ", security",
        false => "",
    };
    format!(
        "{} (<code>{}</code>, {}{security})",
        shown(&requirement.text),
        shown(&requirement.id),
        requirement.strength.as_str(),
    )
}

/// The subjects and versions that show it.
fn seen_with(finding: &Finding<'_>, tally: &Tally<'_>) -> String {
    let cases = finding.cases();
    let seen = cases.iter().zip(&tally.subjects);
    let seen = seen.filter(|(cases, _)| **cases > 0);
    let words = seen.map(|(cases, subject)| match cases {
        1 => format!("{} (1 case)", shown(&subject.label())),
        cases => format!("{} ({cases} cases)", shown(&subject.label())),
    });
    words.collect::<Vec<_>>().join(", ")
}
