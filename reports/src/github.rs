//! Annotations for GitHub Actions: workflow commands, one a line.
//!
//! GitHub shows ten of each kind for a step and drops the rest in silence, so the tenth
//! says how many there are.

use std::io::{self, Write};

use qconform_scenarios::verdict::Verdict;

use crate::event::CaseEvent;
use crate::stream::Run;
use crate::tally::{self, Tally};
use crate::text;
use crate::trouble;

/// How many annotations of a kind name a case.
const CAP: usize = 9;
/// How many differences of a case are told.
const DIFFERENCES: usize = 5;
/// How many characters of a text are written.
const CHARACTERS: usize = 300;

/// Writes failures and harness errors as errors, unexpected passes and stale baseline
/// entries as warnings, worst first.
///
/// # Errors
/// What `out` returns.
pub fn write(run: &Run, out: &mut impl Write) -> io::Result<()> {
    let cases = tally::unexpected(run, &Tally::of(run));
    let is_warning = |case: &&CaseEvent| case.verdict == Verdict::Fixed;
    let (warnings, errors): (Vec<_>, Vec<_>) = cases.into_iter().partition(is_warning);
    let (incomplete, stale): (Vec<_>, Vec<_>) = trouble::of(run)
        .into_iter()
        .map(|trouble| (trouble.kind, text::clipped(&trouble.message, CHARACTERS)))
        .partition(|(kind, _)| *kind == "incomplete");
    annotate("error", &incomplete, &errors, out)?;
    annotate("warning", &stale, &warnings, out)
}

fn annotate(
    kind: &str,
    troubles: &[(&str, String)],
    cases: &[&CaseEvent],
    out: &mut impl Write,
) -> io::Result<()> {
    let troubles = troubles.iter().map(|(name, message)| {
        let title = format!("qconform: {name}");
        (title, message.clone())
    });
    let cases = cases.iter().map(|case| (title(case), message(case)));
    let total = troubles.len() + cases.len();
    for (title, message) in troubles.chain(cases).take(CAP) {
        let (title, message) = (property(&title), data(&message));
        writeln!(out, "::{kind} title={title}::{message}")?;
    }
    match total.saturating_sub(CAP) {
        0 => Ok(()),
        more => writeln!(
            out,
            "::{kind} title=qconform::and {more} more: failures.txt"
        ),
    }
}

fn title(case: &CaseEvent) -> String {
    let name = format!("{}: {}", case.subject, case.case);
    format!(
        "{} {}",
        case.verdict.as_str(),
        text::clipped(&name, CHARACTERS)
    )
}

fn message(case: &CaseEvent) -> String {
    let mut lines = vec![text::clipped(&case.title, CHARACTERS)];
    lines.extend(
        case.reason()
            .map(|reason| text::clipped(reason, CHARACTERS)),
    );
    for difference in case.differences.iter().take(DIFFERENCES) {
        let value = |value| text::value(value, CHARACTERS);
        lines.push(format!(
            "{}: expected {}, observed {}",
            text::clipped(&difference.place, CHARACTERS),
            value(&difference.expected),
            value(&difference.observed)
        ));
    }
    lines.push(format!("repeat: {}", text::printable(&case.repeat)));
    lines.join("\n")
}

/// A message, in which a percent sign or a new line would mean something.
fn data(text: &str) -> String {
    text.replace('%', "%25")
        .replace('\r', "%0D")
        .replace('\n', "%0A")
}

/// A property, which colons and commas would end.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}
