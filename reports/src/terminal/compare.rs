//! Expected beside observed, cell by cell.

use std::io::{self, Write};

use anstyle::AnsiColor;

use super::Options;
use crate::event::Difference;
use crate::text;

/// How many differences of a case are printed.
const DIFFERENCES: usize = 12;
/// How many characters of a value are printed.
const CHARACTERS: usize = 400;
/// Before each line, and between columns.
const INDENT: &str = "    ";
const GAP: &str = "  ";

/// Prints a row for each difference: where, expected, observed. Where that is too wide for
/// the terminal, expected stands above observed, so that a different character still stands
/// under its counterpart.
pub(super) fn print(
    differences: &[Difference],
    options: Options,
    out: &mut impl Write,
) -> io::Result<()> {
    let rows: Vec<[String; 3]> = differences
        .iter()
        .take(DIFFERENCES)
        .map(|difference| {
            [
                text::clipped(&difference.place, CHARACTERS),
                text::value(&difference.expected, CHARACTERS),
                text::value(&difference.observed, CHARACTERS),
            ]
        })
        .collect();
    if rows.is_empty() {
        return Ok(());
    }
    let widths: [usize; 3] = std::array::from_fn(|column| {
        let title = ["", "expected", "observed"][column].len();
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.max().unwrap_or(0).max(title)
    });
    let wide = INDENT.len() + 2 * GAP.len() + widths.iter().sum::<usize>();
    match wide <= options.width() {
        true => beside(&rows, widths, options, out)?,
        false => above(&rows, out)?,
    }
    match differences.len().checked_sub(DIFFERENCES) {
        Some(more @ 1..) => writeln!(out, "{INDENT}and {more} more differences: report.html"),
        _ => Ok(()),
    }
}

fn beside(
    rows: &[[String; 3]],
    [place, expected, _]: [usize; 3],
    options: Options,
    out: &mut impl Write,
) -> io::Result<()> {
    let dim = options.dim();
    let (green, red) = (
        options.color(AnsiColor::Green),
        options.color(AnsiColor::Red),
    );
    writeln!(
        out,
        "{INDENT}{dim}{:place$}{GAP}{:expected$}{GAP}observed{dim:#}",
        "", "expected"
    )?;
    for [at, wanted, seen] in rows {
        writeln!(
            out,
            "{INDENT}{at:place$}{GAP}{green}{wanted:expected$}{green:#}{GAP}{red}{seen}{red:#}"
        )?;
    }
    Ok(())
}

fn above(rows: &[[String; 3]], out: &mut impl Write) -> io::Result<()> {
    for [at, wanted, seen] in rows {
        writeln!(out, "{INDENT}{at}")?;
        writeln!(out, "{INDENT}  expected  {wanted}")?;
        writeln!(out, "{INDENT}  observed  {seen}")?;
    }
    Ok(())
}
