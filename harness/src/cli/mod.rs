//! The command line.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::{ColorChoice, Parser, Subcommand};
use qconform_reports::event::RunFooter;
use qconform_scenarios::verdict::Verdict;

mod baseline;
mod blockdev;
mod capture;
mod doctor;
mod error;
mod formats;
mod generate;
mod image;
mod input;
mod list;
mod output;
mod plan;
mod progress;
mod report;
mod run;
mod select;
mod shard;
mod show;
mod subject;
mod suite;

use error::Failure;

/// How the command ends, for scripts and CI.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Everything conforms.
    Conforming = 0,
    /// Something does not conform.
    NotConforming = 1,
    /// The command line is wrong.
    Usage = 2,
    /// The environment or the harness failed, or an input can't be read.
    Environment = 3,
    /// No case is selected.
    NothingSelected = 4,
    /// A baseline names deviations that are gone.
    StaleBaseline = 5,
    /// Not every selected case ran.
    Incomplete = 6,
    /// Interrupted by a signal.
    Interrupted = 130,
}

impl Exit {
    /// How a command ends that found everything in order, or didn't.
    fn of(conforming: bool) -> Self {
        if conforming {
            Exit::Conforming
        } else {
            Exit::NotConforming
        }
    }
}

impl Exit {
    /// How a run ends that came to its last line.
    fn of_footer(footer: &RunFooter) -> Self {
        let counts = footer.counts.values();
        let given = |count: (&Verdict, &u64)| (*count.1 > 0).then_some(*count.0);
        let verdicts: Vec<Verdict> = counts.flat_map(|it| it.iter().filter_map(given)).collect();
        if verdicts.iter().any(|verdict| verdict.is_failure()) {
            Exit::NotConforming
        } else if verdicts.contains(&Verdict::HarnessError) {
            Exit::Environment
        } else if !footer.complete {
            Exit::Incomplete
        } else if !footer.stale.is_empty() || verdicts.contains(&Verdict::Fixed) {
            Exit::StaleBaseline
        } else {
            Exit::Conforming
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(exit as u8)
    }
}

/// A conformance kit for qcow2 external data files and for whoever labels them.
#[derive(Debug, Parser)]
#[command(
    name = "qconform",
    version,
    after_help = "Exit codes: 0 conforming, 1 not conforming, 2 usage, 3 environment or harness \
        failure or unreadable input, 4 nothing selected, 5 stale baseline, 6 incomplete run, \
        130 interrupted."
)]
struct Cli {
    /// When to use colour; NO_COLOR is honoured.
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    color: ColorChoice,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the suite, or scenarios of your own, against implementations.
    Run(run::Args),
    /// List cases or requirements.
    List(list::Args),
    /// Show one case: its files, domain, expectations and requirements.
    Show(show::Args),
    /// Copy the suite for use without this tool, or say which one it is.
    Suite(suite::Args),
    /// Write the files of a recipe.
    Generate(generate::Args),
    /// Capture a real image or domain without its guest data, to attach it to a bug report.
    Capture(capture::Args),
    /// Print the facts in images' headers.
    Inspect(image::InspectArgs),
    /// Print every file of a chain.
    Chain(image::ChainArgs),
    /// Print the block nodes that QEMU is to be given for a domain.
    Blockdev(blockdev::Args),
    /// Print what relabelling would do to each file, and why.
    Plan(plan::Args),
    /// Keep a subject's known deviations up to date.
    Baseline(baseline::Args),
    /// Tell a run again in another format, merge shards, compare runs.
    Report(report::Args),
    /// List and install adapters.
    #[command(subcommand)]
    Subject(subject::Command),
    /// Say what this machine can do, and how to get what is missing.
    Doctor(doctor::Args),
}

/// Runs the command line of this process.
#[must_use]
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    match cli.color {
        ColorChoice::Always => anstream::ColorChoice::Always.write_global(),
        ColorChoice::Never => anstream::ColorChoice::Never.write_global(),
        ColorChoice::Auto => {}
    }
    let mut out = anstream::stdout().lock();
    let result = dispatch(cli.command, &mut out).and_then(|exit| {
        out.flush()?;
        Ok(exit)
    });
    match result {
        Ok(exit) => exit.into(),
        Err(failure) if failure.is_broken_pipe() => Exit::Conforming.into(),
        Err(failure) => {
            // Nothing is left to be told if standard error is gone, too.
            let _gone = failure.print(&mut anstream::stderr().lock());
            failure.exit.into()
        }
    }
}

fn dispatch(command: Command, out: &mut dyn Write) -> Result<Exit, Failure> {
    match command {
        Command::Run(args) => run::run(&args, out),
        Command::List(args) => list::run(&args, out),
        Command::Show(args) => show::run(&args, out),
        Command::Suite(args) => suite::run(&args, out),
        Command::Generate(args) => generate::run(&args, out),
        Command::Capture(args) => capture::run(&args, out),
        Command::Inspect(args) => image::inspect(&args, out),
        Command::Chain(args) => image::chain(&args, out),
        Command::Blockdev(args) => blockdev::run(&args, out),
        Command::Plan(args) => plan::run(&args, out),
        Command::Baseline(args) => baseline::run(&args, out),
        Command::Report(args) => report::run(&args, out),
        Command::Subject(command) => subject::run(&command, out),
        Command::Doctor(args) => doctor::run(&args, out),
    }
}

/// One line of JSON.
fn json_line(value: &impl serde::Serialize, out: &mut dyn Write) -> io::Result<()> {
    serde_json::to_writer(&mut *out, value)?;
    writeln!(out)
}
