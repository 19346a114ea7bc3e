//! TAP 14, the Test Anything Protocol: a line for each case and subject.

use std::io::{self, Write};

use qconform_scenarios::verdict::Verdict;

use crate::event::CaseEvent;
use crate::json;
use crate::stream::Run;
use crate::text;
use crate::trouble::{self, Trouble};

/// How many characters of a text are written.
const CHARACTERS: usize = 4000;

/// Writes the report. What is wrong with the run as a whole becomes tests that fail.
///
/// # Errors
/// What `out` returns.
pub fn write(run: &Run, out: &mut impl Write) -> io::Result<()> {
    let header = &run.header;
    let troubles = trouble::of(run);
    writeln!(out, "TAP version 14")?;
    writeln!(out, "1..{}", run.cases.len() + troubles.len())?;
    writeln!(
        out,
        "# qconform {}, suite {} (sha256 {}), seed {}",
        text::printable(&header.tool),
        text::printable(&header.suite),
        text::printable(&header.suite_digest),
        header.seed
    )?;
    for (number, case) in (1..).zip(&run.cases) {
        test(number, case, out)?;
    }
    for (number, trouble) in (run.cases.len() + 1..).zip(&troubles) {
        failed_run(number, trouble, out)?;
    }
    Ok(())
}

fn test(number: usize, case: &CaseEvent, out: &mut impl Write) -> io::Result<()> {
    let name = description(&format!("{}: {}", case.subject, case.case));
    let reason = description(case.known_reason.as_ref().unwrap_or(&case.message));
    match case.verdict {
        Verdict::Pass => writeln!(out, "ok {number} - {name}"),
        Verdict::Skipped | Verdict::Unsupported => {
            writeln!(out, "ok {number} - {name} # SKIP {reason}")
        }
        Verdict::Known => {
            writeln!(out, "not ok {number} - {name} # TODO {reason}")?;
            details(case, out)
        }
        Verdict::Lenient | Verdict::Info => {
            writeln!(out, "ok {number} - {name}")?;
            details(case, out)
        }
        _ => {
            writeln!(out, "not ok {number} - {name}")?;
            details(case, out)
        }
    }
}

fn details(case: &CaseEvent, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "  ---")?;
    entry(out, "  ", "verdict", case.verdict.as_str())?;
    entry(out, "  ", "message", &case.message)?;
    if !case.differences.is_empty() {
        writeln!(out, "  differences:")?;
    }
    for difference in &case.differences {
        entry(out, "    - ", "place", &difference.place)?;
        entry(out, "      ", "expected", &difference.expected)?;
        entry(out, "      ", "observed", &difference.observed)?;
    }
    entry(out, "  ", "requirements", &text::joined(&case.requirements))?;
    entry(out, "  ", "repeat", &case.repeat)?;
    writeln!(out, "  ...")
}

/// A key of a YAML block. A JSON string is a YAML string, whatever is in it.
fn entry(out: &mut impl Write, indent: &str, key: &str, value: &str) -> io::Result<()> {
    write!(out, "{indent}{key}: ")?;
    json::compact(&text::clipped(value, CHARACTERS), out)?;
    writeln!(out)
}

fn failed_run(number: usize, trouble: &Trouble<'_>, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "not ok {number} - run: {}", description(&trouble.name))?;
    writeln!(out, "  ---")?;
    entry(out, "  ", "verdict", trouble.kind)?;
    entry(out, "  ", "message", &trouble.message)?;
    writeln!(out, "  ...")
}

/// Text that holds no directive: `#` begins one.
fn description(text: &str) -> String {
    text::clipped(text, CHARACTERS)
        .replace('\\', "\\\\")
        .replace('#', "\\#")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_can_hold_no_directive() {
        assert_eq!(description("a # SKIP \\# b"), "a \\# SKIP \\\\\\# b");
    }
}
