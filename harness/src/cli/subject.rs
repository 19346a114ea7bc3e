//! `qconform subject`.

use std::io::Write;

use clap::Subcommand;

use qconform_reports::text::printable;

use super::error::Failure;
use super::{Exit, json_line};
use crate::run;
use crate::subject::adapter::check::{Line, Outcome};
use crate::subject::adapter::{find, install, shipped};
use crate::subject::{BUILT_IN, is_installed};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// List the subjects: built in, and adapters with version, licence and whether they are
    /// installed.
    List,
    /// Check an adapter before it is used: what it was asked, what came back, what is expected.
    Check {
        /// adapter:NAME, adapter:PATH or command:LINE, as for `run --subject`.
        adapter: String,
        /// Print JSON, one object a line.
        #[arg(long)]
        json: bool,
    },
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
        Command::Check { adapter, json } => check(adapter, *json, out),
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

/// Bytes of a line that are shown to people; JSON has more.
const SHOWN: usize = 400;

fn check(given: &str, json: bool, out: &mut dyn Write) -> Result<Exit, Failure> {
    if BUILT_IN.contains(&given) {
        let message = format!("subject `{given}` is built in");
        return Err(Failure::new(Exit::Usage, message).hint("an adapter or a command is checked"));
    }
    let found = find::find(given)?;
    let lines = run::check(&found.name, &found.launch)?;
    for line in &lines {
        if json {
            json_line(line, out)?;
        } else {
            tell(line, out)?;
        }
    }
    let count = |outcome| lines.iter().filter(|line| line.outcome == outcome).count();
    let failed = count(Outcome::Failed);
    if !json {
        let (ok, warnings) = (count(Outcome::Ok), count(Outcome::Warning));
        writeln!(
            out,
            "\n{given}: {ok} ok, {warnings} warnings, {failed} failed"
        )?;
    }
    Ok(Exit::of(failed == 0))
}

/// One line for what is right; for the rest what its author needs.
fn tell(line: &Line, out: &mut dyn Write) -> std::io::Result<()> {
    let mark = match line.outcome {
        Outcome::Ok => "ok  ",
        Outcome::Warning => "warn",
        Outcome::Failed => "FAIL",
    };
    writeln!(out, "{mark}  {}  ({} ms)", line.check, line.micros / 1000)?;
    if line.outcome == Outcome::Ok {
        return Ok(());
    }
    for (name, text) in [
        ("asked", &line.asked),
        ("came", &line.came),
        ("expected", &line.expected),
        ("problem", &line.problem),
    ] {
        if !text.is_empty() {
            writeln!(out, "        {name:<9} {}", printable(&shortened(text)))?;
        }
    }
    writeln!(out, "        {:<9} docs/adapters.md: {}", "see", line.see)
}

fn shortened(text: &str) -> String {
    let mut chars = text.chars();
    let start: String = chars.by_ref().take(SHOWN).collect();
    match chars.next() {
        None => start,
        Some(_) => format!("{start}..."),
    }
}
