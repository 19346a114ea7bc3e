//! Findings: what subjects do otherwise than required, as a page to publish.
//!
//! One finding is a requirement with the reason that a baseline gives, or, where no baseline
//! knows it, the scenario that shows it. Subjects of one run stand side by side, so that versions
//! of one program can be compared.

use std::collections::BTreeMap;
use std::io::{self, Write};

use qconform_scenarios::baseline::Severity;
use qconform_scenarios::requirement::Requirement;

use crate::counts::Group;
use crate::event::{self, CaseEvent};
use crate::markdown::{command, differences, shown};
use crate::stream::Run;
use crate::tally::Tally;

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

/// What one or more subjects do otherwise than one requirement says, for one reason.
struct Finding<'run> {
    severity: Severity,
    requirement: &'run str,
    reason: &'run str,
    /// Whether no baseline knows of it.
    new: bool,
    link: Option<&'run str>,
    /// How many cases show it, by subject.
    cases: Vec<u64>,
    /// The case with the shortest id.
    shortest: &'run CaseEvent,
}

/// Worst first, then by requirement.
fn findings<'run>(run: &'run Run, tally: &Tally<'run>) -> Vec<Finding<'run>> {
    let mut found: BTreeMap<_, Finding<'run>> = BTreeMap::new();
    for case in &run.cases {
        let Some(position) = tally.position(&case.subject) else {
            continue;
        };
        let Some(finding) = of_case(case, tally.subjects.len()) else {
            continue;
        };
        let key = (finding.severity, finding.requirement, finding.reason);
        let finding = found.entry(key).or_insert(finding);
        finding.cases[position] += 1;
        let size = |case: &CaseEvent| (case.case.len(), case.case.clone());
        if size(case) < size(finding.shortest) {
            finding.shortest = case;
        }
    }
    found.into_values().collect()
}

fn of_case(case: &CaseEvent, subjects: usize) -> Option<Finding<'_>> {
    let (severity, requirement, reason, link) = match &case.deviation {
        Some(deviation) => (
            deviation.severity,
            deviation.requirement.as_str(),
            case.known_reason.as_deref()?,
            deviation.link.as_deref(),
        ),
        None if case.verdict.is_failure() => (
            case.severity(),
            case.requirements.first().map_or("", |id| id),
            event::scenario(&case.case),
            None,
        ),
        None => return None,
    };
    Some(Finding {
        severity,
        requirement,
        reason,
        new: case.deviation.is_none(),
        link,
        cases: vec![0; subjects],
        shortest: case,
    })
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
         follows from it; each finding has the command that repeats it.\n",
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
    write!(out, "| | severity | requirement | finding |")?;
    for subject in &tally.subjects {
        write!(out, " {} |", shown(subject.name))?;
    }
    write!(out, "\n|--:|---|---|---|")?;
    for _ in &tally.subjects {
        write!(out, "--:|")?;
    }
    writeln!(out)?;
    for (number, finding) in findings.iter().enumerate() {
        write!(
            out,
            "| [{0}](#finding-{0}) | {1} | <code>{2}</code> | {3} |",
            number + 1,
            finding.severity.as_str(),
            shown(finding.requirement),
            shown(finding.reason),
        )?;
        for cases in &finding.cases {
            match cases {
                0 => write!(out, " - |")?,
                cases => write!(out, " {cases} |")?,
            }
        }
        writeln!(out)?;
    }
    writeln!(out)
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
    let known = run.header.requirements.iter();
    let requirement = known.into_iter().find(|it| it.id == finding.requirement);
    if let Some(requirement) = requirement {
        writeln!(out, "Required: {}\n", sentence(requirement))?;
    }
    let shortest = finding.shortest;
    writeln!(
        out,
        "{}, seen with {}. The shortest case, of {}: {}\n",
        finding.severity.as_str(),
        seen_with(finding, tally),
        shown(&shortest.subject),
        shown(&shortest.title),
    )?;
    if let Some(reason) = shortest.reason() {
        writeln!(out, "{}\n", shown(reason))?;
    }
    if !shortest.differences.is_empty() {
        for line in differences(shortest) {
            writeln!(out, "{line}")?;
        }
    }
    writeln!(out, "{}", command(&shortest.repeat))
}

fn sentence(requirement: &Requirement) -> String {
    let security = match requirement.security {
        true => ", security",
        false => "",
    };
    format!(
        "{} ({}{security}; {})",
        shown(&requirement.text),
        requirement.strength.as_str(),
        shown(&requirement.source)
    )
}

/// The subjects and versions that show it.
fn seen_with(finding: &Finding<'_>, tally: &Tally<'_>) -> String {
    let seen = finding.cases.iter().zip(&tally.subjects);
    let seen = seen.filter(|(cases, _)| **cases > 0);
    let words = seen.map(|(cases, subject)| match cases {
        1 => format!("{} (1 case)", shown(&subject.label())),
        cases => format!("{} ({cases} cases)", shown(&subject.label())),
    });
    words.collect::<Vec<_>>().join(", ")
}
