//! `qconform report`: what can be done with the event streams of runs.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use qconform_reports::merge::{self, Fault, MergeError};
use qconform_reports::stream::Run;
use qconform_reports::{diff, schema};

use super::Exit;
use super::error::Failure;
use super::formats::FormatArgs;
use super::output::{Output, STREAM};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Tell a run again, in any format.
    Render(RenderArgs),
    /// Put the shards of a run together; exits as that run would have.
    Merge(MergeArgs),
    /// Say what changed between two runs; exits 1 if something got worse.
    Diff(DiffArgs),
    /// Print the JSON Schema of a line of run.jsonl.
    Schema,
}

#[derive(Debug, clap::Args)]
struct RenderArgs {
    /// A run.jsonl, or the folder that holds it.
    #[arg(value_name = "RUN")]
    run: PathBuf,
    /// Only this subject; repeatable.
    #[arg(long, value_name = "NAME")]
    subject: Vec<String>,
    #[command(flatten)]
    formats: FormatArgs,
}

#[derive(Debug, clap::Args)]
struct MergeArgs {
    /// The run.jsonl of every shard, or the folders that hold them.
    #[arg(value_name = "RUN", required = true)]
    runs: Vec<PathBuf>,
    /// Folder for the merged run and its reports, as of `run`.
    #[arg(short, long, value_name = "FOLDER", default_value = "conformance.out")]
    output: PathBuf,
    #[command(flatten)]
    formats: FormatArgs,
}

#[derive(Debug, clap::Args)]
struct DiffArgs {
    /// The earlier run: a run.jsonl, or the folder that holds it.
    #[arg(value_name = "OLD")]
    old: PathBuf,
    /// The later run.
    #[arg(value_name = "NEW")]
    new: PathBuf,
}

pub(super) fn run(args: &Args, out: &mut dyn Write) -> Result<Exit, Failure> {
    match &args.command {
        Command::Render(args) => render(args, out),
        Command::Merge(args) => merge(args, out),
        Command::Diff(args) => diff(args, out),
        Command::Schema => {
            let schema = serde_json::to_string_pretty(&schema::of_events());
            writeln!(out, "{}", schema.map_err(io::Error::other)?)?;
            Ok(Exit::Conforming)
        }
    }
}

/// Opens a run by its stream or by the folder that holds it.
pub(super) fn open(path: &Path) -> Result<Run, Failure> {
    let is_folder = fs::metadata(path).is_ok_and(|metadata| metadata.is_dir());
    let path = match is_folder {
        true => path.join(STREAM),
        false => path.to_owned(),
    };
    Run::open(&path).map_err(|error| Failure::new(Exit::Environment, error.to_string()))
}

fn render(args: &RenderArgs, out: &mut dyn Write) -> Result<Exit, Failure> {
    let mut run = open(&args.run)?;
    if !args.subject.is_empty() {
        let has = |name: &String| run.header.subjects.iter().any(|it| it.name == *name);
        if let Some(name) = args.subject.iter().find(|name| !has(name)) {
            let message = format!("the run has no subject `{name}`");
            return Err(Failure::new(Exit::NothingSelected, message));
        }
        run.keep_subjects(&args.subject);
    }
    args.formats.tell(&run, out)?;
    Ok(Exit::Conforming)
}

fn merge(args: &MergeArgs, out: &mut dyn Write) -> Result<Exit, Failure> {
    let mut runs = Vec::new();
    for path in &args.runs {
        runs.push((path.clone(), open(path)?));
    }
    let merged = merge::merge(runs)?;
    let mut output = Output::create(&args.output)?;
    for event in merged.into_events() {
        output.write(event)?;
    }
    let run = output.finish()?;
    args.formats.tell(&run, out)?;
    match &run.footer {
        Some(footer) => Ok(Exit::of_footer(footer)),
        None => Ok(Exit::Incomplete),
    }
}

fn diff(args: &DiffArgs, out: &mut dyn Write) -> Result<Exit, Failure> {
    let (old, new) = (open(&args.old)?, open(&args.new)?);
    let changes = diff::changes(&old, &new);
    diff::write(&old, &new, &changes, &mut &mut *out)?;
    for (name, run) in [("old", &old), ("new", &new)] {
        if let Some(gap) = run.gap() {
            writeln!(out, "the {name} run is not whole: {gap}")?;
        }
    }
    Ok(if changes.iter().any(|change| change.kind.is_worse()) {
        Exit::NotConforming
    } else if new.gap().is_some() {
        Exit::Incomplete
    } else {
        Exit::Conforming
    })
}

impl From<MergeError> for Failure {
    fn from(error: MergeError) -> Self {
        let (exit, hint) = match error.fault {
            Fault::Gap(_) | Fault::Missing { .. } => {
                (Exit::Incomplete, "every shard has to run to its end")
            }
            _ => (
                Exit::Usage,
                "merge the shards of one run: same suite, seed, subjects and number of shards",
            ),
        };
        Failure::new(exit, error.to_string()).hint(hint)
    }
}
