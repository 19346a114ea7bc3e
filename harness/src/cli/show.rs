//! `qconform show`: one case in full.

use std::io::{self, Write};

use qconform_reports::text::printable;
use qconform_scenarios::case::{Ask, Case, LabelAsk, LabelConfig};
use qconform_scenarios::expect::{
    Allowed, Cell, Expectation, LabelWanted, Matrix, Outcome, OwnerWanted, Refusal,
};
use qconform_scenarios::verdict::Grade;

use super::Exit;
use super::error::Failure;
use super::select::SelectArgs;
use crate::run::{RunError, repeat};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    select: SelectArgs,
}

pub(super) fn run(args: &Args, out: &mut dyn Write) -> Result<Exit, Failure> {
    let selected = args.select.load()?;
    let mut cases = selected.suite.select(&selected.selection);
    let first = cases.next().ok_or(RunError::NothingSelected)?;
    let case = first.case()?;
    print(&case, &selected, out)?;
    let more = cases.count();
    if more > 0 {
        writeln!(
            out,
            "\n({more} more cases match; `qconform list` prints their ids)"
        )?;
    }
    Ok(Exit::Conforming)
}

fn print(case: &Case, selected: &super::select::Selected, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "{}\n{}\n", case.id, case.title)?;
    for id in &case.requirements {
        if let Some(requirement) = selected.suite.requirements.get(id) {
            writeln!(
                out,
                "{id} ({}): {}",
                requirement.strength.as_str(),
                requirement.text
            )?;
            writeln!(out, "    source: {}", requirement.source)?;
        }
    }
    files(case, out)?;
    match &case.ask {
        Ask::Header(image) | Ask::Read { image, .. } => {
            let format = image.format.as_deref().unwrap_or("probed");
            writeln!(out, "\nimage: {} (format: {format})", image.file)?;
        }
        Ask::Access(domain) | Ask::Blockdev(domain) => {
            writeln!(out, "\ndomain:\n{}", domain.xml)?;
        }
        Ask::Label(label) => {
            writeln!(out, "\ndomain:\n{}", label.xml)?;
            steps(label, out)?;
            config(&label.config, out)?;
        }
    }
    writeln!(out, "\nexpected:")?;
    expected(&case.expectation, &case.ask, out)?;
    let command = repeat::command(&selected.own_files, 0, None, &case.id);
    writeln!(out, "\nrepeat: {}", printable(&command))
}

fn config(config: &LabelConfig, out: &mut dyn Write) -> io::Result<()> {
    let on = |flag| if flag { "on" } else { "off" };
    let drivers: Vec<&str> = config
        .drivers
        .iter()
        .map(|driver| driver.as_str())
        .collect();
    let (low, high) = config.category_pair;
    writeln!(out, "\nconfig:")?;
    writeln!(out, "  user               {}", config.user)?;
    writeln!(out, "  remember           {}", on(config.remember))?;
    writeln!(out, "  dynamic ownership  {}", on(config.dynamic_ownership))?;
    writeln!(out, "  drivers            {}", drivers.join(", "))?;
    writeln!(out, "  category pair      c{low},c{high}")
}

fn files(case: &Case, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "\nfiles in {}:", qconform_scenarios::FIXTURE_DIR)?;
    for (name, file) in &case.files {
        let label = file.label.as_deref().unwrap_or("no label");
        let decoy = if file.decoy { ", a decoy" } else { "" };
        writeln!(
            out,
            "  {name}  {} {:04o} {label}{decoy}",
            file.owner, file.mode
        )?;
        writeln!(out, "      {}", inline_toml(&file.content))?;
    }
    Ok(())
}

fn expected(expectation: &Expectation, ask: &Ask, out: &mut dyn Write) -> io::Result<()> {
    match expectation {
        Expectation::Header(allowed) => outcomes(allowed, out),
        Expectation::Read(allowed) => outcomes(allowed, out),
        Expectation::Access(allowed) => outcomes(allowed, out),
        Expectation::Blockdev(allowed) => outcomes(allowed, out),
        Expectation::Label(matrix) => {
            match matrix.refuse {
                Refusal::Never => {}
                Refusal::May => writeln!(out, "  the first step may be refused")?,
                Refusal::Must => writeln!(out, "  the first step is refused")?,
            }
            for step in &matrix.refused {
                writeln!(out, "  {} is refused", step.as_str())?;
            }
            matrix_rows(matrix, ask, out)?;
            writeln!(out, "  every other file stays as it is")
        }
    }
}

/// The cells in the order of the steps.
fn matrix_rows(matrix: &Matrix, ask: &Ask, out: &mut dyn Write) -> io::Result<()> {
    let Ask::Label(label) = ask else {
        return Ok(());
    };
    let names = label.steps.iter().map(|ask| ask.step.as_str().len());
    let width = names.max().unwrap_or_default();
    for row in &matrix.rows {
        for step in label.steps.iter().map(|ask| ask.step) {
            if let Some(cell) = row.cells.get(&step) {
                let (name, file) = (step.as_str(), &row.file);
                writeln!(out, "  {name:<width$}  {file:<16} {}", words(cell))?;
            }
        }
    }
    Ok(())
}

/// The steps, with the domain where one changes it.
fn steps(label: &LabelAsk, out: &mut dyn Write) -> io::Result<()> {
    let names: Vec<&str> = label.steps.iter().map(|ask| ask.step.as_str()).collect();
    writeln!(out, "\nsteps: {}", names.join(", "))?;
    for ask in &label.steps {
        let name = ask.step.as_str();
        if let Some(commit) = &ask.commit {
            let top = commit.top.as_deref().unwrap_or("the disk's top image");
            writeln!(out, "\n{name}: from {top} to {}", commit.base)?;
        } else if ask.step.changes_disks() || ask.step.is_of_second() {
            writeln!(out, "\n{name}:\n{}", ask.xml)?;
        }
    }
    Ok(())
}

/// A value as a scenario would write it.
fn inline_toml(value: &impl serde::Serialize) -> String {
    toml::Value::try_from(value).map_or_else(|error| error.to_string(), |value| value.to_string())
}

fn outcomes<F: serde::Serialize>(allowed: &Allowed<F>, out: &mut dyn Write) -> io::Result<()> {
    for graded in allowed {
        let grade = grade(graded.grade);
        match &graded.wanted {
            Outcome::Accept(facts) => writeln!(out, "  {grade}accepted: {}", inline_toml(facts))?,
            Outcome::Reject => writeln!(out, "  {grade}rejected")?,
        }
    }
    Ok(())
}

fn grade(grade: Grade) -> &'static str {
    match grade {
        Grade::Pass => "",
        Grade::Lenient => "lenient: ",
        Grade::Info => "info: ",
    }
}

/// A cell in the words of the matrix.
fn words(cell: &Cell) -> String {
    let states = cell.0.iter().map(|graded| {
        let owner = match &graded.wanted.owner {
            OwnerWanted::Original => "original".to_owned(),
            OwnerWanted::Kept => "kept".to_owned(),
            OwnerWanted::Vm => "vm".to_owned(),
            OwnerWanted::Is(owner) => owner.to_string(),
        };
        let label = match &graded.wanted.label {
            LabelWanted::Original => "original",
            LabelWanted::Kept => "kept",
            LabelWanted::Rw => "rw",
            LabelWanted::SecondRw => "second-rw",
            LabelWanted::Shared => "shared",
            LabelWanted::Ro => "ro",
            LabelWanted::Is(label) => label,
        };
        format!("{}{owner}, {label}", grade(graded.grade))
    });
    states.collect::<Vec<_>>().join(" | ")
}
