//! `qconform subject`.

use std::io::Write;

use clap::Subcommand;

use super::Exit;
use super::error::Failure;
use crate::subject::adapter::{find, install, shipped};
use crate::subject::{BUILT_IN, is_installed};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// List the subjects: built in, and adapters with version, licence and whether they are
    /// installed.
    List,
    /// Install adapters into the cache folder (QCONFORM_CACHE, else the user's own); nothing else
    /// on the machine changes.
    Install {
        /// Names as `subject list` has them.
        #[arg(required = true)]
        names: Vec<String>,
    },
}

pub(super) fn run(command: &Command, out: &mut dyn Write) -> Result<Exit, Failure> {
    match command {
        Command::List => list(out),
        Command::Install { names } => {
            for name in names {
                let place = install::install(name)?;
                writeln!(out, "{name}: {}", place.install.display())?;
            }
            Ok(Exit::Conforming)
        }
    }
}

fn list(out: &mut dyn Write) -> Result<Exit, Failure> {
    let there = |there: bool| if there { "installed" } else { "-" };
    for name in BUILT_IN {
        writeln!(out, "{name:22} {:12} built in", there(is_installed(name)))?;
    }
    let installed = find::installed_names()?;
    for adapter in shipped::all()? {
        for name in adapter.names() {
            let state = there(installed.contains(&name));
            let manifest = &adapter.manifest;
            writeln!(
                out,
                "{name:22} {state:12} {:12} {:22} {}",
                manifest.version, manifest.licence, manifest.description
            )?;
        }
    }
    Ok(Exit::Conforming)
}
