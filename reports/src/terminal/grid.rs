//! The grid: what each subject made of each requirement, a mark each.

use std::io::{self, Write};

use super::{Options, color};
use crate::counts::Group;
use crate::stream::Run;
use crate::tally::{SubjectTally, Tally};
use crate::text;

/// How many characters of a name are printed.
const CHARACTERS: usize = 60;

/// A requirement with what each subject made of it; `None` where it wasn't tested.
struct Row<'run> {
    id: &'run str,
    cells: Vec<Option<Group>>,
}

impl Row<'_> {
    fn deviates(&self) -> bool {
        self.cells.iter().flatten().any(|group| group.deviates())
    }
}

/// Prints the grid of a run, worst first. Requirements that were tested and from which nobody
/// deviates are only counted, unless everything is to be printed.
///
/// # Errors
/// What `out` returns.
pub fn print(run: &Run, options: Options, out: &mut impl Write) -> io::Result<()> {
    let tally = Tally::of(run);
    let mut rows = rows(run, &tally);
    let tested = rows.len();
    if !options.verbose {
        rows.retain(Row::deviates);
    }
    subjects(&tally, options, out)?;
    marks(&rows, options, out)?;
    table(&rows, tally.subjects.len(), options, out)?;
    if let more @ 1.. = tested - rows.len() {
        writeln!(out, "and {more} more, from which nobody deviates: -v")?;
    }
    match run.gap() {
        Some(gap) => writeln!(out, "incomplete run: {gap}"),
        None => Ok(()),
    }
}

fn rows<'run>(run: &'run Run, tally: &Tally<'_>) -> Vec<Row<'run>> {
    let cell = |subject: &SubjectTally<'_>, id: &str| subject.requirements.get(id)?.telling();
    let requirements = tally.worst_first(&run.header.requirements);
    let rows = requirements.into_iter().map(|(_, requirement)| Row {
        id: &requirement.id,
        cells: (tally.subjects.iter())
            .map(|subject| cell(subject, &requirement.id))
            .collect(),
    });
    rows.filter(|row| row.cells.iter().any(Option::is_some))
        .collect()
}

/// Names of subjects are too long to head columns, so that numbers stand for them.
fn subjects(tally: &Tally<'_>, options: Options, out: &mut impl Write) -> io::Result<()> {
    let dim = options.dim();
    for (index, subject) in tally.subjects.iter().enumerate() {
        let label = text::clipped(&subject.label(), CHARACTERS);
        writeln!(out, "{dim}{:>2}{dim:#}  {label}", index + 1)?;
    }
    writeln!(out)
}

/// Says what the marks mean that occur.
fn marks(rows: &[Row<'_>], options: Options, out: &mut impl Write) -> io::Result<()> {
    let occurs = |group: &Group| rows.iter().any(|row| row.cells.contains(&Some(*group)));
    let words = Group::ALL.into_iter().filter(occurs).map(|group| {
        let style = color(group, options);
        format!("{style}{}{style:#} {}", mark(group), group.as_str())
    });
    let words: Vec<_> = words.collect();
    match words.is_empty() {
        true => Ok(()),
        false => writeln!(out, "{}\n", words.join(", ")),
    }
}

/// The marks stand first: so no text that isn't ours begins a line.
fn table(
    rows: &[Row<'_>],
    subjects: usize,
    options: Options,
    out: &mut impl Write,
) -> io::Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    let dim = options.dim();
    let numbers: String = (1..=subjects)
        .map(|number| format!("{number:>2} "))
        .collect();
    writeln!(out, "{dim}{numbers} requirement{dim:#}")?;
    for row in rows {
        for cell in &row.cells {
            match cell {
                Some(group) => {
                    let style = color(*group, options);
                    write!(out, " {style}{}{style:#} ", mark(*group))?;
                }
                None => write!(out, "   ")?,
            }
        }
        writeln!(out, " {}", text::clipped(row.id, CHARACTERS))?;
    }
    Ok(())
}

/// A sign that says without colour what it means.
fn mark(group: Group) -> char {
    match group {
        Group::Passed => '.',
        Group::Failed => 'F',
        Group::HarnessErrors => 'E',
        Group::Fixed => '^',
        Group::Lenient => 'l',
        Group::Known => 'k',
        Group::Info => 'i',
        Group::Skipped => 's',
        Group::Unsupported => '-',
    }
}
