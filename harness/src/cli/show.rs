//! `qconform show`: one case in full.

use std::io::{self, Write};

use qconform_reports::text::printable;
use qconform_scenarios::case::{Ask, Case};

use super::Exit;
use super::error::Failure;
use super::select::SelectArgs;
use crate::run::{RunError, repeat, words};

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
        Ask::Header(image) | Ask::Open(image) | Ask::Read { image, .. } => {
            writeln!(out, "\n{}", words::image(image))?;
        }
        Ask::Access(domain) | Ask::Blockdev(domain) => {
            writeln!(out, "\ndomain:\n{}", domain.xml)?;
        }
        Ask::Xml(ask) => {
            writeln!(out, "\ndomain:\n{}\n{}", ask.xml, words::form(ask.form))?;
        }
        Ask::Label(label) => {
            writeln!(out, "\ndomain:\n{}\n", label.xml)?;
            for line in words::steps(label) {
                writeln!(out, "{line}")?;
            }
            writeln!(out, "\nconfig:")?;
            lines(&words::config(&label.config), out)?;
        }
    }
    writeln!(out, "\nexpected:")?;
    lines(&words::expected(case), out)?;
    let command = repeat::command(&selected.own_files, 0, None, &case.id);
    writeln!(out, "\nrepeat: {}", printable(&command))
}

fn files(case: &Case, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "\nfiles in {}:", qconform_scenarios::FIXTURE_DIR)?;
    for (name, file) in &*case.files {
        let label = file.label.as_deref().unwrap_or("no label");
        let decoy = if file.decoy { ", a decoy" } else { "" };
        writeln!(
            out,
            "  {name}  {} {:04o} {label}{decoy}",
            file.owner, file.mode
        )?;
        writeln!(out, "      {}", words::inline_toml(&file.content))?;
    }
    Ok(())
}

fn lines(lines: &[String], out: &mut dyn Write) -> io::Result<()> {
    for line in lines {
        writeln!(out, "  {line}")?;
    }
    Ok(())
}
