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
        let mark = if capability.present { "yes" } else { "no " };
        writeln!(out, "{mark}  {:<18} {}", capability.name, capability.detail)?;
        if !capability.present {
            writeln!(out, "     {:<18} means: {}", "", capability.meaning)?;
            if let Some(hint) = &capability.hint {
                writeln!(out, "     {:<18} to get it: {hint}", "")?;
            }
        }
    }
    if !args.json {
        for name in subject::BUILT_IN {
            let installed = if subject::is_installed(name) {
                "yes"
            } else {
                "no "
            };
            writeln!(out, "{installed}  subject {name}")?;
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
