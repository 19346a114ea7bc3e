//! `docs/mutants.md`: by which cases each mutant is caught.
//!
//! Every test of a mutant compares its own row with what is checked in; with `QCONFORM_UPDATE`
//! set, rows are collected instead and written once all are there.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Mutex;

use libtest_mimic::Failed;
use qconform_reports::event::CaseEvent;
use qconform_scenarios::verdict::{Level, Verdict};

use crate::mutant::table;
use crate::reader;

const STORED: &str = include_str!("../../../docs/mutants.md");

const HEAD: &str = "# Mutants

Made by `QCONFORM_UPDATE=1 cargo test -p qconform --test mutants`. Each mutant is the reference, made
wrong from outside in one way that somebody could get wrong. It is run against every case of the
levels at which it can be seen: its row says how many of them fail, and quotes the shortest of those
in the first scenario that must catch it. A mutant that nothing catches is a missing case.
";

const COLUMNS: &str = "| mutant | what it does wrong | cases that catch it | for instance |
|---|---|---:|---|
";

/// Rows of this run, by the name of the mutant.
static ROWS: Mutex<BTreeMap<&str, String>> = Mutex::new(BTreeMap::new());

/// One mutant for the page: its name, what is wrong with it, and the scenarios that must catch it.
pub(crate) struct Subject {
    pub(crate) name: &'static str,
    pub(crate) what: &'static str,
    pub(crate) caught_by: &'static [&'static str],
}

/// Whether the page is to be written.
pub(crate) fn is_updated() -> bool {
    std::env::var_os("QCONFORM_UPDATE").is_some()
}

/// Compares what a run showed of a mutant with its row, or keeps it for the new page.
pub(crate) fn compare(subject: &Subject, cases: &[CaseEvent]) -> Result<(), Failed> {
    let row = row(subject, cases);
    println!("{row}");
    if is_updated() {
        let mut rows = ROWS.lock().map_err(|error| error.to_string())?;
        rows.insert(subject.name, row);
        return Ok(());
    }
    let skipped = cases
        .iter()
        .filter(|case| case.verdict == Verdict::Skipped)
        .count();
    if skipped > 0 {
        println!("row not compared: this machine skips {skipped} cases");
        return Ok(());
    }
    match STORED.lines().any(|line| line == row) {
        true => Ok(()),
        false => Err(format!("docs/mutants.md is old: QCONFORM_UPDATE=1 writes it\n{row}").into()),
    }
}

fn row(subject: &Subject, cases: &[CaseEvent]) -> String {
    let Subject {
        name,
        what,
        caught_by,
    } = subject;
    let caught: Vec<_> = cases
        .iter()
        .filter(|case| case.verdict.is_failure())
        .collect();
    let examples = caught
        .iter()
        .filter(|case| case.case.starts_with(caught_by[0]));
    let example = examples.min_by_key(|case| (case.case.len() + case.message.len(), &case.case));
    let example = example.map_or_else(
        || "none".to_owned(),
        |case| format!("{}: {}", code(&case.case), code(&case.message)),
    );
    format!("| `{name}` | {what} | {} | {example} |", caught.len())
}

/// Text as it is, inside of a table. Names may hold bytes that no page should.
fn code(text: &str) -> String {
    let one = |character: char| match character {
        '`' => "'".to_owned(),
        '|' => "\\|".to_owned(),
        control if control.is_control() => control.escape_default().to_string(),
        other => other.to_string(),
    };
    let text: String = text.chars().map(one).collect();
    format!("`{text}`")
}

/// The parts of the page, each with its mutants.
fn parts() -> [(&'static str, Vec<&'static str>); 3] {
    let readers = |level: Level| {
        let readers = reader::all().filter(|wrong| wrong.level == level);
        readers.map(|wrong| wrong.name).collect()
    };
    let relabellers = table::ALL.iter().map(|entry| entry.name);
    [
        ("Files, labels, graphs and XML", relabellers.collect()),
        ("Headers", readers(Level::Header)),
        ("Guest bytes", readers(Level::Read)),
    ]
}

/// What no test of a mutant compares: the text above the rows, and rows of mutants that are gone.
pub(crate) fn rest_is_up_to_date() -> Result<(), Failed> {
    if is_updated() {
        return Ok(());
    }
    let rows = STORED.lines().filter_map(|line| line.strip_prefix("| `"));
    let stored: Vec<_> = rows.filter_map(|row| row.split('`').next()).collect();
    let mutants: Vec<_> = parts()
        .into_iter()
        .flat_map(|(_, mutants)| mutants)
        .collect();
    match STORED.starts_with(HEAD) && stored == mutants {
        true => Ok(()),
        false => Err(format!("docs/mutants.md has {stored:?}, but there are {mutants:?}").into()),
    }
}

/// Writes the page from the rows of this run, if there is one for each mutant.
pub(crate) fn write() -> Result<(), Failed> {
    let rows = ROWS.lock().map_err(|error| error.to_string())?;
    let mut page = HEAD.to_owned();
    for (title, mutants) in parts() {
        page.push_str(&["\n## ", title, "\n\n", COLUMNS].concat());
        for name in mutants {
            let row = rows
                .get(name)
                .ok_or("run every test: a page of a part is none")?;
            page.push_str(row);
            page.push('\n');
        }
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/mutants.md");
    Ok(std::fs::write(path, page)?)
}
