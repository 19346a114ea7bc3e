//! `qconform doctor`.

use std::io::Write;

use super::error::Failure;
use super::{Exit, json_line};
use crate::sandbox::{self, IdMap, Settings};
use crate::subject;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Print JSON, one object a line.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args, out: &mut dyn Write) -> Result<Exit, Failure> {
    let capabilities = sandbox::capabilities(&Settings::new(IdMap::choose()?))?;
    for capability in &capabilities {
        if args.json {
            json_line(capability, out)?;
            continue;
        }
        line(capability.present, capability.name, &capability.detail, out)?;
        if !capability.present {
            writeln!(out, "     {:<18} gives: {}", "", capability.meaning)?;
            if let Some(hint) = &capability.hint {
                writeln!(out, "     {:<18} to get it: {hint}", "")?;
            }
        }
    }
    if !args.json {
        for name in subject::BUILT_IN {
            let present = subject::is_installed(name);
            let detail = match subject::lacking(name) {
                Some(lacking) => &format!("subject; {lacking}"),
                None if present => "subject",
                None => subject::MISSING,
            };
            line(present, name, detail, out)?;
        }
    }
    let usable = capabilities
        .iter()
        .any(|c| c.name == "user-namespace" && c.present);
    Ok(if usable {
        Exit::Conforming
    } else {
        Exit::Environment
    })
}

fn line(present: bool, name: &str, detail: &str, out: &mut dyn Write) -> std::io::Result<()> {
    let mark = if present { "yes" } else { "no " };
    writeln!(out, "{mark}  {name:<18} {detail}")
}
