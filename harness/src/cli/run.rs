//! `qconform run`.

use std::io::{self, Write};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use qconform_reports::event::{Event, RunFooter};
use qconform_reports::terminal;
use qconform_scenarios::verdict::Verdict;

use super::Exit;
use super::error::Failure;
use super::output::Output;
use super::progress::Progress;
use super::select::SelectArgs;
use crate::run::{self, Options};
use crate::subject;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    select: SelectArgs,
    /// Who is tested; repeatable. Default: reference, and qemu where it is installed.
    #[arg(long, value_name = "NAME")]
    subject: Vec<String>,
    /// How many workers [default: one for each processor].
    #[arg(long, value_name = "N")]
    jobs: Option<NonZeroUsize>,
    /// Seconds that a case may take.
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..))]
    timeout: u64,
    /// Seed of every fixture.
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// Fail unless this machine has a capability (see `doctor`) or this subject is
    /// installed; repeatable, or separated by commas.
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    require: Vec<String>,
    /// Folder for the reports; what an earlier run left there becomes FOLDER.old.
    #[arg(short, long, value_name = "FOLDER", default_value = "conformance.out")]
    output: PathBuf,
    /// Print passing cases, too.
    #[arg(short, long)]
    verbose: bool,
}

pub(super) fn run(args: &Args, out: &mut dyn Write) -> Result<Exit, Failure> {
    let selected = args.select.load()?;
    let subjects = subjects(args)?;
    let is_subject = |name: &String| subject::BUILT_IN.contains(&name.as_str());
    let options = Options {
        suite: selected.suite,
        own_files: selected.own_files,
        selection: selected.selection,
        subjects,
        fitting_only: args.subject.is_empty(),
        seed: args.seed,
        jobs: args.jobs,
        timeout: Duration::from_secs(args.timeout),
        require: args
            .require
            .iter()
            .filter(|name| !is_subject(name))
            .cloned()
            .collect(),
        command: std::env::args().collect(),
    };
    let stop = stop_on_signals()?;
    let mut output = None;
    let mut progress = None;
    let footer = run::run(&options, &stop, &mut |event| {
        if let Event::Header(header) = event {
            output = Some(Output::create(&args.output)?);
            progress = Some(Progress::new(header));
        }
        if let (Event::Case(case), Some(progress)) = (event, &progress) {
            progress.case(case);
        }
        output.as_mut().map_or(Ok(()), |output| output.write(event))
    })?;
    drop(progress);
    let Some(output) = output else {
        return Err(Failure::new(Exit::Environment, "the run had no header"));
    };
    let finished = output.finish()?;
    terminal::summary(&finished, terminal_options(args.verbose), &mut &mut *out)?;
    writeln!(
        out,
        "\nreports: {}",
        args.output.join("report.html").display()
    )?;
    Ok(exit(&footer, stop.load(Ordering::Relaxed)))
}

fn terminal_options(verbose: bool) -> terminal::Options {
    let width = std::env::var("COLUMNS")
        .ok()
        .and_then(|text| text.parse().ok());
    terminal::Options {
        color: anstream::AutoStream::choice(&io::stdout()) != anstream::ColorChoice::Never,
        width: width.unwrap_or(100),
        verbose,
    }
}

/// The subjects of the command line, or those that are there.
fn subjects(args: &Args) -> Result<Vec<String>, Failure> {
    for name in args.subject.iter().chain(&args.require) {
        let known = subject::BUILT_IN.contains(&name.as_str());
        if known && !subject::is_installed(name) {
            let message = format!("subject `{name}` is not installed");
            return Err(Failure::new(Exit::Environment, message).hint(subject::MISSING));
        }
    }
    if let Some(name) = args
        .subject
        .iter()
        .find(|name| !subject::BUILT_IN.contains(&name.as_str()))
    {
        let message = format!("there is no subject `{name}`");
        return Err(Failure::new(Exit::Usage, message)
            .hint(format!("the subjects are {}", subject::BUILT_IN.join(", "))));
    }
    let mut subjects = args.subject.clone();
    if subjects.is_empty() {
        let all = subject::BUILT_IN
            .iter()
            .filter(|name| subject::is_installed(name));
        subjects.extend(all.map(ToString::to_string));
    }
    let mut unique = Vec::new();
    for name in subjects {
        if !unique.contains(&name) {
            unique.push(name);
        }
    }
    Ok(unique)
}

/// The first signal ends the run in good order; the second one at once.
fn stop_on_signals() -> Result<Arc<AtomicBool>, Failure> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        let code = Exit::Interrupted as i32;
        signal_hook::flag::register_conditional_shutdown(signal, code, Arc::clone(&stop))?;
        signal_hook::flag::register(signal, Arc::clone(&stop))?;
    }
    Ok(stop)
}

fn exit(footer: &RunFooter, interrupted: bool) -> Exit {
    let any = |matches: fn(Verdict) -> bool| {
        footer
            .counts
            .values()
            .flat_map(|counts| counts.keys())
            .any(|verdict| matches(*verdict))
    };
    if interrupted {
        Exit::Interrupted
    } else if any(Verdict::is_failure) {
        Exit::NotConforming
    } else if any(|verdict| verdict == Verdict::HarnessError) {
        Exit::Environment
    } else if !footer.complete {
        Exit::Incomplete
    } else if !footer.stale.is_empty() || any(|verdict| verdict == Verdict::Fixed) {
        Exit::StaleBaseline
    } else {
        Exit::Conforming
    }
}
