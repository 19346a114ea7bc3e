//! `qconform list`.

use std::io::Write;

use qconform_scenarios::bug::{Bug, Shown};
use qconform_scenarios::suite::Suite;

use super::error::Failure;
use super::select::SelectArgs;
use super::{Exit, json_line};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    select: SelectArgs,
    /// List requirements instead, with the number of cases of each.
    #[arg(long)]
    requirements: bool,
    /// List bugs that happened instead, with the cases that show each.
    #[arg(long, conflicts_with = "requirements")]
    bugs: bool,
    /// Print JSON, one object a line.
    #[arg(long)]
    json: bool,
}

#[derive(serde::Serialize)]
struct CaseLine<'a> {
    id: &'a str,
    level: &'a str,
    requirements: &'a [String],
}

#[derive(serde::Serialize)]
struct RequirementLine<'a> {
    #[serde(flatten)]
    requirement: &'a qconform_scenarios::requirement::Requirement,
    cases: usize,
}

pub(super) fn run(args: &Args, out: &mut dyn Write) -> Result<Exit, Failure> {
    let selected = args.select.load()?;
    if args.bugs {
        return bugs(args, &selected, out);
    }
    let cases: Vec<_> = selected.suite.select(&selected.selection).collect();
    if cases.is_empty() {
        return Err(crate::run::RunError::NothingSelected.into());
    }
    if args.requirements {
        return requirements(args, &selected, &cases, out);
    }
    for case in &cases {
        if args.json {
            let level = case.scenario.level.as_str();
            let requirements = &case.scenario.requirements;
            json_line(
                &CaseLine {
                    id: &case.id,
                    level,
                    requirements,
                },
                out,
            )?;
        } else {
            writeln!(out, "{}", case.id)?;
        }
    }
    Ok(Exit::Conforming)
}

fn requirements(
    args: &Args,
    selected: &super::select::Selected,
    cases: &[qconform_scenarios::suite::Selected<'_>],
    out: &mut dyn Write,
) -> Result<Exit, Failure> {
    for requirement in selected.suite.requirements.iter() {
        let cites = |case: &&qconform_scenarios::suite::Selected<'_>| {
            case.scenario.requirements.contains(&requirement.id)
        };
        let count = cases.iter().filter(cites).count();
        if count == 0 {
            continue;
        }
        if args.json {
            json_line(
                &RequirementLine {
                    requirement,
                    cases: count,
                },
                out,
            )?;
            continue;
        }
        let strength = requirement.strength.as_str();
        let security = if requirement.security {
            ", security"
        } else {
            ""
        };
        writeln!(
            out,
            "{} ({strength}{security}, cases: {count})",
            requirement.id
        )?;
        writeln!(out, "    {}", requirement.text)?;
        writeln!(out, "    why: {}", requirement.why)?;
        writeln!(out, "    source: {}", requirement.source)?;
    }
    Ok(Exit::Conforming)
}

/// The bugs that a selected case shows, or comes near; all of them if every case is selected.
fn bugs(
    args: &Args,
    selected: &super::select::Selected,
    out: &mut dyn Write,
) -> Result<Exit, Failure> {
    let cases: Vec<_> = selected.suite.select(&selected.selection).collect();
    // Bugs are shown by cases of the embedded suite.
    let catalogue = match selected.own_files.is_empty() {
        true => Suite::bugs()?,
        false => Vec::new(),
    };
    let mut found = false;
    for bug in &catalogue {
        let patterns = bug.selects()?;
        let is_named = |case: &qconform_scenarios::suite::Selected<'_>| {
            patterns.iter().any(|it| it.matches(&case.id))
        };
        if !selected.selection.is_everything() && !cases.iter().any(is_named) {
            continue;
        }
        found = true;
        if args.json {
            json_line(bug, out)?;
        } else {
            print_bug(bug, out)?;
        }
    }
    match found {
        true => Ok(Exit::Conforming),
        false => Err(crate::run::RunError::NothingSelected.into()),
    }
}

fn print_bug(bug: &Bug, out: &mut dyn Write) -> std::io::Result<()> {
    let security = if bug.security { ", security" } else { "" };
    writeln!(out, "{} ({}{security})", bug.id, bug.references.join("; "))?;
    writeln!(out, "    {}", bug.cause)?;
    writeln!(out, "    affected: {}", bug.affected)?;
    let named = bug.shown.patterns().join(" ");
    match &bug.shown {
        Shown::By { .. } => writeln!(out, "    shown by: {named}"),
        Shown::Not { not_shown, .. } => {
            writeln!(out, "    not shown: {not_shown}; nearest: {named}")
        }
    }
}
