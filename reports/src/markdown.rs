//! Markdown for a step summary or a merge request: failures first, cut to GitHub's limit.
//!
//! GitHub drops a summary of more than 1 MiB as a whole. Text that is not ours is written
//! as character references throughout, so that it can be no markup of either language.

use std::fmt::Write as _;
use std::io::{self, Write};

use qconform_scenarios::requirement::Requirement;

use crate::counts::{Conclusion, Group};
use crate::event::CaseEvent;
use crate::skips;
use crate::stream::Run;
use crate::tally::{self, Tally};
use crate::text;
use crate::trouble;

/// How many bytes of a document failures may take; the rest has limits of its own.
const LIMIT: usize = 800 << 10;
/// How many differences of a case are told.
const DIFFERENCES: usize = 12;
/// How many characters of a text are written.
const CHARACTERS: usize = 400;
/// How many rows a table has, how many subjects are columns of one.
const ROWS: usize = 60;

/// Writes the summary.
///
/// # Errors
/// What `out` returns.
pub fn write(run: &Run, out: &mut impl Write) -> io::Result<()> {
    let tally = Tally::of(run);
    subjects(run, &tally, out)?;
    for trouble in trouble::of(run).iter().take(ROWS) {
        let message = escaped(&text::clipped(&trouble.message, CHARACTERS));
        writeln!(out, "> **{}**: {message}\n", trouble.kind)?;
    }
    failures(run, &tally, out)?;
    requirements(run, &tally, out)?;
    skipped(run, out)?;
    let header = &run.header;
    writeln!(
        out,
        "suite {}, sha256 `{}`, seed {}, qconform {}",
        shown(&header.suite),
        header
            .suite_digest
            .chars()
            .filter(char::is_ascii_hexdigit)
            .take(12)
            .collect::<String>(),
        header.seed,
        shown(&header.tool),
    )
}

fn subjects(run: &Run, tally: &Tally<'_>, out: &mut impl Write) -> io::Result<()> {
    let whole = run.gap().is_none();
    let occurs = |group: &Group| {
        group.always_shown() || tally.subjects.iter().any(|s| s.counts.group(*group) > 0)
    };
    let columns: Vec<_> = Group::ALL.into_iter().filter(occurs).collect();
    writeln!(out, "## qcow2 external data files: conformance\n")?;
    write!(out, "| subject | result |")?;
    for column in &columns {
        write!(out, " {} |", column.as_str())?;
    }
    write!(out, "\n|---|---|")?;
    for _ in &columns {
        write!(out, "--:|")?;
    }
    writeln!(out)?;
    for subject in tally.subjects.iter().take(ROWS) {
        let conclusion = subject.counts.conclusion(whole);
        let (label, symbol) = (shown(&subject.label()), conclusion_symbol(conclusion));
        write!(out, "| {label} | {symbol} {} |", conclusion.as_str())?;
        for column in &columns {
            write!(out, " {} |", subject.counts.group(*column))?;
        }
        writeln!(out)?;
    }
    writeln!(out)
}

fn conclusion_symbol(conclusion: Conclusion) -> &'static str {
    match conclusion {
        Conclusion::Fails => symbol(Group::Failed),
        Conclusion::Unjudged => symbol(Group::HarnessErrors),
        Conclusion::Nothing | Conclusion::Partial => symbol(Group::Skipped),
        Conclusion::Stale => symbol(Group::Fixed),
        Conclusion::Deviates => symbol(Group::Known),
        Conclusion::Conforms => symbol(Group::Passed),
    }
}

/// A sign that differs in shape, for readers without colour.
fn symbol(group: Group) -> &'static str {
    match group {
        Group::Passed => "\u{2713}",
        Group::Failed => "\u{2716}",
        Group::HarnessErrors => "\u{26a0}",
        Group::Fixed => "\u{2191}",
        Group::Lenient => "\u{25b3}",
        Group::Known => "\u{25c7}",
        Group::Info => "\u{2139}",
        Group::Skipped => "\u{2013}",
        Group::Unsupported => "\u{2205}",
    }
}

fn failures(run: &Run, tally: &Tally<'_>, out: &mut impl Write) -> io::Result<()> {
    let cases = tally::unexpected(run, tally);
    if cases.is_empty() {
        return Ok(());
    }
    writeln!(out, "### {} unexpected\n", cases.len())?;
    let mut used = 0;
    for (number, case) in cases.iter().enumerate() {
        let section = failure(run, case);
        used += section.len();
        if used > LIMIT {
            let more = cases.len() - number;
            return writeln!(out, "... and {more} more: `failures.txt`, `report.html`\n");
        }
        writeln!(out, "{section}")?;
    }
    Ok(())
}

fn failure(run: &Run, case: &CaseEvent) -> String {
    let mut lines = vec![
        format!(
            "<details><summary>{} {}: <b>{}</b> <code>{}</code></summary>\n",
            symbol(Group::of(case.verdict)),
            case.verdict.as_str(),
            shown(&case.subject),
            shown(&case.case)
        ),
        format!("{}\n", shown(&case.title)),
    ];
    lines.extend(case.reason().map(|reason| format!("{}\n", shown(reason))));
    if !case.differences.is_empty() {
        lines.extend(differences(case));
    }
    for id in case.requirements.iter() {
        let known = run.header.requirements.iter().find(|r| *r.id == **id);
        lines.push(match known {
            Some(known) => requirement(known),
            None => format!("- <code>{}</code>", shown(id)),
        });
    }
    lines.push(format!("\n{}</details>\n", command(&case.repeat)));
    lines.join("\n")
}

/// Expected beside observed, as the lines of a table.
pub(crate) fn differences(case: &CaseEvent) -> Vec<String> {
    let mut lines = vec!["| | expected | observed |\n|---|---|---|".to_owned()];
    for difference in case.differences.iter().take(DIFFERENCES) {
        let value = |value| escaped(&text::value(value, CHARACTERS));
        lines.push(format!(
            "| {} | <code>{}</code> | <code>{}</code> |",
            shown(&difference.place),
            value(&difference.expected),
            value(&difference.observed)
        ));
    }
    lines.push(match case.differences.len().checked_sub(DIFFERENCES) {
        Some(more @ 1..) => format!("\nand {more} more differences\n"),
        _ => String::new(),
    });
    lines
}

fn requirement(requirement: &Requirement) -> String {
    let security = if requirement.security {
        ", security"
    } else {
        ""
    };
    format!(
        "- {} ({}{security}; <code>{}</code>; {})",
        shown(&requirement.text),
        requirement.strength.as_str(),
        shown(&requirement.id),
        shown(&requirement.source)
    )
}

/// The requirements that a case deviates from, by subject.
fn requirements(run: &Run, tally: &Tally<'_>, out: &mut impl Write) -> io::Result<()> {
    let mut lines = Vec::new();
    for requirement in &run.header.requirements {
        let told = tally.subjects.iter().filter_map(|subject| {
            let counts = subject.requirements.get(requirement.id.as_str())?;
            let group = Group::of(counts.worst()?);
            let words = format!(
                "{} {}: {}",
                symbol(group),
                shown(subject.name),
                counts.deviations()
            );
            group.deviates().then_some((group, words))
        });
        let told: Vec<_> = told.collect();
        if let Some(worst) = told.iter().map(|(group, _)| *group).min() {
            let words: Vec<_> = told.into_iter().map(|(_, words)| words).take(20).collect();
            let row = (worst, self::requirement(requirement), words.join("; "));
            lines.push(row);
        }
    }
    if lines.is_empty() {
        return Ok(());
    }
    lines.sort_by_key(|(worst, _, _)| *worst);
    writeln!(
        out,
        "<details><summary>{} requirements with deviations</summary>\n",
        lines.len()
    )?;
    for (_, requirement, words) in lines.iter().take(ROWS) {
        writeln!(out, "{requirement}: {words}")?;
    }
    writeln!(out, "\n</details>\n")
}

fn skipped(run: &Run, out: &mut impl Write) -> io::Result<()> {
    let reasons = skips::reasons(run);
    if reasons.is_empty() {
        return Ok(());
    }
    writeln!(out, "Skipped on this machine:\n")?;
    for reason in reasons.iter().take(ROWS) {
        let (name, detail) = (shown(reason.name), shown(reason.detail));
        writeln!(
            out,
            "- <code>{name}</code>: {} skipped. {detail}",
            reason.cases
        )?;
    }
    writeln!(out)
}

pub(crate) fn shown(hostile: &str) -> String {
    escaped(&text::clipped(hostile, CHARACTERS))
}

/// Character references for whatever could begin markup, a mention or a link.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut previous = ' ';
    for c in text.chars() {
        match c {
            // Only after `www` would GitHub make a link of what follows a full stop.
            '.' if !matches!(previous, 'w' | 'W') => out.push(c),
            ' ' | '-' | '/' | ',' | '=' | '(' | ')' | '\'' | ';' => out.push(c),
            // Writing to a string cannot fail.
            c if c.is_ascii_punctuation() => drop(write!(out, "&#{};", u32::from(c))),
            c => out.push(c),
        }
        previous = c;
    }
    out
}

/// A command in a block that it cannot close.
pub(crate) fn command(text: &str) -> String {
    block("sh", &text::printable(text))
}

/// Lines of a language in a block that they cannot close.
pub(crate) fn lines(language: &str, text: &str) -> String {
    let lines: Vec<_> = text.lines().map(text::printable).collect();
    block(language, &lines.join("\n"))
}

fn block(language: &str, text: &str) -> String {
    let fence = fence(text);
    format!("{fence}{language}\n{text}\n{fence}\n")
}

/// A fence that the text cannot close.
fn fence(text: &str) -> String {
    let runs = text.split(|c| c != '`').map(str::len);
    "`".repeat(runs.max().unwrap_or(0).max(2) + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_is_markup() {
        assert_eq!(
            escaped("www.x.y a|b <i>*x*</i> @me #1 [l](u) `c`"),
            "www&#46;x.y a&#124;b &#60;i&#62;&#42;x&#42;&#60;/i&#62; &#64;me &#35;1 &#91;l&#93;(u) &#96;c&#96;"
        );
    }

    #[test]
    fn a_command_cannot_close_its_fence() {
        assert_eq!(fence("qconform run"), "```");
        assert_eq!(fence("a ````` b"), "``````");
    }
}
