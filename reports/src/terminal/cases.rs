//! Cases by name: the unexpected ones in full, the expected ones in a line each.

use std::io::{self, Write};

use anstyle::AnsiColor;
use qconform_scenarios::verdict::Verdict;

use super::{Options, paragraph, title};
use crate::counts;
use crate::event::{CaseEvent, Difference};
use crate::stream::Run;
use crate::tally::{self, Tally};
use crate::text;

/// How many unexpected cases are printed in full.
const CAP: usize = 20;
/// How many differences of a case are printed.
const DIFFERENCES: usize = 8;
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

/// Prints one line for each case that is neither unexpected nor a plain pass.
pub(super) fn expected(
    run: &Run,
    tally: &Tally<'_>,
    options: Options,
    out: &mut impl Write,
) -> io::Result<()> {
    let mut cases: Vec<_> = run
        .cases
        .iter()
        .filter(|case| case.verdict != Verdict::Pass && !counts::is_unexpected(case.verdict))
        .collect();
    cases.sort_by_cached_key(|case| {
        let subject = tally.position(&case.subject);
        (counts::rank(case.verdict), subject, case.case.as_str())
    });
    for case in &cases {
        let verdict = case.verdict.as_str();
        let words = format!("{}  {}", text::printable(&case.subject), case.case);
        paragraph(&words, &format!("{verdict:11} "), options, out)?;
        let reason = case.known_reason.as_ref().unwrap_or(&case.message);
        paragraph(
            &text::clipped(reason, CHARACTERS),
            "            ",
            options,
            out,
        )?;
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
    if !case.message.is_empty() {
        paragraph(
            &text::clipped(&case.message, CHARACTERS),
            "  because   ",
            options,
            out,
        )?;
    }
    for difference in case.differences.iter().take(DIFFERENCES) {
        compare(difference, out)?;
    }
    if let Some(more @ 1..) = case.differences.len().checked_sub(DIFFERENCES) {
        writeln!(out, "    and {more} more differences: report.html")?;
    }
    for id in &case.requirements {
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

/// Expected above observed, so that a different character stands under its counterpart.
fn compare(difference: &Difference, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "    {}", text::clipped(&difference.place, CHARACTERS))?;
    writeln!(
        out,
        "      expected  {}",
        text::value(&difference.expected, CHARACTERS)
    )?;
    writeln!(
        out,
        "      observed  {}",
        text::value(&difference.observed, CHARACTERS)
    )
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
