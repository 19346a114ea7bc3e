//! Cases by name: the unexpected ones in full, the expected ones in a line each.

use std::io::{self, Write};

use anstyle::AnsiColor;
use qconform_scenarios::verdict::Verdict;

use super::{Options, compare, paragraph, title};
use crate::counts;
use crate::event::CaseEvent;
use crate::stream::Run;
use crate::tally::{self, Tally};
use crate::text;

/// How many unexpected cases are printed in full.
const CAP: usize = 20;
/// How many characters of a message or value are printed.
const CHARACTERS: usize = 400;

/// Prints what a person must look at, worst first.
pub(super) fn unexpected(
    run: &Run,
    tally: &Tally<'_>,
    options: Options,
    out: &mut impl Write,
) -> io::Result<()> {
    let cases = tally::unexpected(run, tally);
    let cap = if options.verbose { cases.len() } else { CAP };
    for case in cases.iter().take(cap) {
        in_full(run, case, options, out)?;
    }
    if let Some(more @ 1..) = cases.len().checked_sub(cap) {
        writeln!(out, "and {more} more: failures.txt\n")?;
    }
    Ok(())
}

/// Prints a line for each case that is not unexpected, with a reason if it has one.
pub(super) fn expected(
    run: &Run,
    tally: &Tally<'_>,
    options: Options,
    out: &mut impl Write,
) -> io::Result<()> {
    let mut cases: Vec<_> = run
        .cases
        .iter()
        .filter(|case| !counts::is_unexpected(case.verdict))
        .collect();
    cases.sort_by_cached_key(|case| {
        let subject = tally.position(&case.subject);
        (counts::rank(case.verdict), subject, &*case.case)
    });
    for case in &cases {
        let verdict = case.verdict.as_str();
        let words = format!("{}  {}", text::printable(&case.subject), case.case);
        paragraph(&words, &format!("{verdict:11} "), options, out)?;
        let reason = case.known_reason.as_ref().unwrap_or(&case.message);
        if !reason.is_empty() {
            let reason = text::clipped(reason, CHARACTERS);
            paragraph(&reason, "            ", options, out)?;
        }
    }
    if !cases.is_empty() {
        writeln!(out)?;
    }
    Ok(())
}

fn in_full(run: &Run, case: &CaseEvent, options: Options, out: &mut impl Write) -> io::Result<()> {
    let color = match case.verdict {
        Verdict::Fixed => AnsiColor::Yellow,
        _ => AnsiColor::Red,
    };
    let bold = options.bold();
    let name = format!(
        "{}: {}",
        text::printable(&case.subject),
        text::printable(&case.case)
    );
    title(&verdict_words(case.verdict), color, options, out)?;
    writeln!(out, "  {bold}{name}{bold:#}")?;
    paragraph(&case.title, "  ", options, out)?;
    if let Some(reason) = case.reason() {
        paragraph(
            &text::clipped(reason, CHARACTERS),
            "  because   ",
            options,
            out,
        )?;
    }
    compare::print(&case.differences, options, out)?;
    for id in case.requirements.iter() {
        requirement(run, id, options, out)?;
    }
    // Never wrapped: it is there to be pasted.
    writeln!(out, "  repeat    {}\n", text::printable(&case.repeat))
}

fn verdict_words(verdict: Verdict) -> String {
    let word = verdict.as_str().replace('-', " ").to_uppercase();
    match verdict {
        Verdict::Fixed => format!("{word}: it passes, but the baseline expects a failure"),
        _ => word,
    }
}

fn requirement(run: &Run, id: &str, options: Options, out: &mut impl Write) -> io::Result<()> {
    let Some(requirement) = run.header.requirements.iter().find(|r| r.id == id) else {
        return paragraph(id, "  requires  ", options, out);
    };
    let security = if requirement.security {
        ", security"
    } else {
        ""
    };
    let words = format!(
        "{} ({}{security}; {})",
        requirement.text,
        requirement.strength.as_str(),
        requirement.id
    );
    paragraph(&words, "  requires  ", options, out)
}
