//! The table of subjects and levels.

use std::io::{self, Write};

use anstyle::Style;

use super::{Options, color};
use crate::counts::{Counts, Group};
use crate::tally::Tally;
use crate::text;

/// Prints a row for each subject and level. Columns that are zero everywhere are left
/// out, except those that are always shown.
pub(super) fn print(tally: &Tally<'_>, options: Options, out: &mut impl Write) -> io::Result<()> {
    let columns: Vec<_> = Group::ALL
        .into_iter()
        .filter(|group| {
            group.always_shown() || tally.subjects.iter().any(|s| s.counts.group(*group) > 0)
        })
        .collect();
    let names: Vec<_> = tally
        .subjects
        .iter()
        .map(|subject| text::clipped(subject.name, 40))
        .collect();
    let widest = names.iter().map(|name| name.chars().count()).max();
    let width = widest.unwrap_or(0).max("subject".len());
    let tested = tally.subjects.iter().flat_map(|it| it.levels.keys());
    let longest = tested.map(|level| level.as_str().len()).max();
    let level_width = longest.unwrap_or(0).max("header".len());
    let dim = options.dim();
    write!(out, "{dim}{:width$}  {:level_width$}", "subject", "level")?;
    for column in &columns {
        write!(out, "  {}", column.as_str())?;
    }
    writeln!(out, "{dim:#}")?;
    for (subject, name) in tally.subjects.iter().zip(&names) {
        // The name stands on the first of its rows only.
        let mut name = name.as_str();
        for (level, counts) in &subject.levels {
            write!(out, "{name:width$}  {:level_width$}", level.as_str())?;
            row(counts, &columns, options, out)?;
            name = "";
        }
        if subject.levels.is_empty() {
            writeln!(out, "{name:width$}  nothing was tested")?;
        }
    }
    writeln!(out)
}

fn row(
    counts: &Counts,
    columns: &[Group],
    options: Options,
    out: &mut impl Write,
) -> io::Result<()> {
    for column in columns {
        let count = counts.group(*column);
        let width = column.as_str().len();
        let style = style(*column, count, options);
        write!(out, "  {style}{count:>width$}{style:#}")?;
    }
    writeln!(out)
}

fn style(group: Group, count: u64, options: Options) -> Style {
    match count {
        0 => options.dim(),
        _ => color(group, options),
    }
}
