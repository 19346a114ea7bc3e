//! What a person sees at the end of `qconform run`.
//!
//! Short by default: what was expected is only counted, what was not is named, and the
//! last lines can be pasted into a mail. Colour repeats what words already say.

mod cases;
mod compare;
mod grid;
mod table;

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};

pub use grid::print as grid;

use crate::counts::{Conclusion, Group};
use crate::skips;
use crate::stream::Run;
use crate::tally::{SubjectTally, Tally};
use crate::text;

/// How many reasons for skipping are printed.
const REASONS: usize = 10;

/// How to print.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Whether to use ANSI colours.
    pub color: bool,
    /// Whether to print every unexpected case, and a line for each of the others.
    pub verbose: bool,
    /// Columns of the terminal; fewer than 40 are taken as 40.
    pub width: usize,
}

impl Options {
    fn width(self) -> usize {
        self.width.max(40)
    }

    fn style(self, style: Style) -> Style {
        if self.color { style } else { Style::new() }
    }

    fn bold(self) -> Style {
        self.style(Style::new().bold())
    }

    fn dim(self) -> Style {
        self.style(Style::new().dimmed())
    }

    fn color(self, color: AnsiColor) -> Style {
        self.style(color.on_default().bold())
    }
}

/// Prints the summary of a run.
///
/// # Errors
/// What `out` returns.
pub fn summary(run: &Run, options: Options, out: &mut impl Write) -> io::Result<()> {
    let tally = Tally::of(run);
    heading(run, &tally, options, out)?;
    table::print(&tally, options, out)?;
    cases::unexpected(run, &tally, options, out)?;
    if options.verbose {
        cases::expected(run, &tally, options, out)?;
    }
    skipped(run, options, out)?;
    stale(run, options, out)?;
    conclusions(run, &tally, options, out)
}

/// Prints what a person must look at, worst first: the middle of [`summary`].
///
/// # Errors
/// What `out` returns.
pub fn failures(run: &Run, options: Options, out: &mut impl Write) -> io::Result<()> {
    cases::unexpected(run, &Tally::of(run), options, out)
}

fn heading(run: &Run, tally: &Tally<'_>, options: Options, out: &mut impl Write) -> io::Result<()> {
    let header = &run.header;
    let digest: String = header.suite_digest.chars().take(12).collect();
    let mut words = vec![
        format!("suite {} (sha256 {digest})", header.suite),
        format!("seed {}", header.seed),
    ];
    if let Some(footer) = &run.footer {
        let tenths = footer.millis / 100;
        words.push(format!("{}.{} s", tenths / 10, tenths % 10));
    }
    let subjects: Vec<_> = tally.subjects.iter().map(SubjectTally::label).collect();
    paragraph(&words.join(", "), "", options, out)?;
    paragraph(&subjects.join(", "), "subjects: ", options, out)?;
    writeln!(out)
}

fn skipped(run: &Run, options: Options, out: &mut impl Write) -> io::Result<()> {
    let reasons = skips::reasons(run);
    if reasons.is_empty() {
        return Ok(());
    }
    title("skipped on this machine", AnsiColor::Yellow, options, out)?;
    for reason in reasons.iter().take(REASONS) {
        let name = text::clipped(reason.name, 200);
        let cases = match reason.cases {
            1 => "1 case".to_owned(),
            cases => format!("{cases} cases"),
        };
        let words = match reason.detail {
            "" => format!("{name}: {cases}"),
            detail => format!("{name}: {cases}; {}", text::clipped(detail, 200)),
        };
        paragraph(&words, "  ", options, out)?;
    }
    if let Some(more @ 1..) = reasons.len().checked_sub(REASONS) {
        writeln!(out, "  and {more} more reasons: report.html")?;
    }
    writeln!(out)
}

fn stale(run: &Run, options: Options, out: &mut impl Write) -> io::Result<()> {
    let stale = run.footer.as_ref().map_or(&[][..], |footer| &footer.stale);
    if stale.is_empty() {
        return Ok(());
    }
    title("stale baseline entries", AnsiColor::Red, options, out)?;
    for entry in stale {
        paragraph(entry, "  ", options, out)?;
    }
    writeln!(out)
}

fn conclusions(
    run: &Run,
    tally: &Tally<'_>,
    options: Options,
    out: &mut impl Write,
) -> io::Result<()> {
    let gap = run.gap();
    if let Some(gap) = gap {
        title("incomplete run", AnsiColor::Red, options, out)?;
        paragraph(gap, "  ", options, out)?;
        let counted = format!("the counts are of {} verdicts", run.cases.len());
        paragraph(&counted, "  ", options, out)?;
        writeln!(out)?;
    }
    for subject in &tally.subjects {
        let conclusion = subject.counts.conclusion(gap.is_none());
        let style = options.color(match conclusion {
            Conclusion::Fails => AnsiColor::Red,
            Conclusion::Conforms | Conclusion::Deviates => AnsiColor::Green,
            _ => AnsiColor::Yellow,
        });
        let partly = if gap.is_some() {
            " (incomplete run)"
        } else {
            ""
        };
        writeln!(
            out,
            "{} {style}{}{style:#}{partly}: {}",
            text::printable(&subject.label()),
            conclusion.as_str(),
            subject.counts.words(),
        )?;
    }
    Ok(())
}

/// The colour of what is counted or marked as one of a group.
fn color(group: Group, options: Options) -> Style {
    match group {
        Group::Passed => options.color(AnsiColor::Green),
        Group::Failed | Group::HarnessErrors => options.color(AnsiColor::Red),
        Group::Fixed | Group::Lenient => options.color(AnsiColor::Yellow),
        _ => Style::new(),
    }
}

/// A line that begins a section.
fn title(words: &str, color: AnsiColor, options: Options, out: &mut impl Write) -> io::Result<()> {
    let style = options.color(color);
    writeln!(out, "{style}{words}{style:#}")
}

/// Prints hostile text after a prefix, wrapped and aligned with where it began.
fn paragraph(words: &str, prefix: &str, options: Options, out: &mut impl Write) -> io::Result<()> {
    let indent = prefix.chars().count();
    let width = options.width().saturating_sub(indent);
    let lines = text::wrap(&text::printable(words), width);
    for (index, line) in lines.iter().enumerate() {
        match index {
            0 => writeln!(out, "{prefix}{line}")?,
            _ => writeln!(out, "{:indent$}{line}", "")?,
        }
    }
    Ok(())
}
