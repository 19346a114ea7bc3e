//! `qconform suite`: the suite for use without this tool.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use qconform_generators::fixture::{self, FixtureError};
use qconform_reports::text::printable;
use qconform_scenarios::case::Case;
use qconform_scenarios::error::DataError;
use qconform_scenarios::select::Selection;
use qconform_scenarios::suite::{Suite, VERSION};

use super::Exit;
use super::error::Failure;
use crate::run::words;

/// What a copy says of itself.
const README: &str = include_str!("suite/README.md");

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Write the suite into a new folder: scenarios, requirements, bugs, and of each case the
    /// recipe and everything else as plain JSON.
    Copy {
        /// The folder; it must not exist, or be empty.
        folder: PathBuf,
    },
    /// Print the suite's version and what identifies it, a SHA-256.
    Digest,
}

/// Why a copy can't be made.
#[derive(Debug, thiserror::Error)]
enum CopyError {
    #[error(transparent)]
    Data(#[from] DataError),
    #[error(transparent)]
    Stage(#[from] FixtureError),
    #[error("write {}: {source}", path.display())]
    Write {
        path: PathBuf,
        source: std::io::Error,
    },
}

pub(super) fn run(args: &Args, out: &mut dyn Write) -> Result<Exit, Failure> {
    let suite = Suite::embedded()?;
    match &args.command {
        Command::Digest => writeln!(out, "{VERSION} {}", suite.digest())?,
        Command::Copy { folder } => {
            let cases = fixture::stage(folder, |stage| copy(&suite, stage))
                .map_err(|error| Failure::new(Exit::Environment, error.to_string()))?;
            let folder = folder.to_string_lossy();
            writeln!(out, "{cases} cases in {}", printable(&folder))?;
        }
    }
    Ok(Exit::Conforming)
}

fn copy(suite: &Suite, stage: &Path) -> Result<usize, CopyError> {
    write(stage, "README.md", README)?;
    write(stage, "VERSION", &format!("{VERSION} {}\n", suite.digest()))?;
    for (name, text) in Suite::embedded_files() {
        write(stage, &name, &text)?;
    }
    let mut count = 0;
    for selected in suite.select(&Selection::default()) {
        write_case(&selected.case()?, stage)?;
        count += 1;
    }
    Ok(count)
}

/// The recipe goes into a file of its own, as `qconform generate` takes it.
fn write_case(case: &Case, stage: &Path) -> Result<(), CopyError> {
    let recipe = words::recipe(&case.files, 0);
    write(
        stage,
        &format!("recipes/{}.toml", case.id),
        &(recipe + "\n"),
    )?;
    let path = format!("cases/{}.json", case.id);
    let text = serde_json::to_string_pretty(case).map_err(|error| CopyError::Write {
        path: PathBuf::from(&path),
        source: error.into(),
    })?;
    write(stage, &path, &(text + "\n"))
}

fn write(stage: &Path, name: &str, text: &str) -> Result<(), CopyError> {
    let path = stage.join(name);
    let parent = path.parent().map_or(Ok(()), fs::create_dir_all);
    parent
        .and_then(|()| fs::write(&path, text))
        .map_err(|source| CopyError::Write {
            path: PathBuf::from(name),
            source,
        })
}
