//! `qconform run`.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use qconform_reports::event::{Event, Shard};
use qconform_reports::format::Format;
use qconform_reports::line;
use qconform_scenarios::baseline::Baseline;

use super::Exit;
use super::error::Failure;
use super::formats::FormatArgs;
use super::output::Output;
use super::progress::Progress;
use super::select::SelectArgs;
use super::shard::{self, ShardArg};
use crate::run::{self, Adapters, Options, Surroundings};
use crate::subject;
use crate::subject::adapter::find;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    select: SelectArgs,
    /// Who is tested; repeatable: reference, qemu, adapter:NAME for an installed adapter,
    /// adapter:PATH, or command:LINE for a program that speaks no protocol. Default: reference,
    /// and qemu where it is installed.
    #[arg(long, value_name = "NAME")]
    subject: Vec<String>,
    /// Test every subject that is installed, adapters included.
    #[arg(long, conflicts_with = "subject")]
    all_subjects: bool,
    /// How many workers [default: one for each processor].
    #[arg(long, value_name = "N")]
    jobs: Option<NonZeroUsize>,
    /// Seconds that a case may take.
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..))]
    timeout: u64,
    /// Seed of every fixture.
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// Run each case this often; one that doesn't end in the same way each time fails.
    #[arg(long, value_name = "N", default_value_t = NonZeroU32::MIN)]
    repeat: NonZeroU32,
    /// Fail unless this machine has a capability (see `doctor`) or this subject is
    /// installed; repeatable, or separated by commas.
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    require: Vec<String>,
    /// A subject's known deviations, in the place of those that ship; repeatable.
    #[arg(long, value_name = "SUBJECT=FILE", value_parser = baseline)]
    baseline: Vec<(String, PathBuf)>,
    /// Folder for the reports; what an earlier run left there becomes FOLDER.old.
    #[arg(short, long, value_name = "FOLDER", default_value = "conformance.out")]
    output: PathBuf,
    /// Run one of n parts of the selected cases: i/n, with i from 1; `ci` takes both from the
    /// variables of GitLab, Buildkite, CircleCI or Bazel, `ci/n` the index from Kubernetes.
    #[arg(long, value_name = "I/N", env = "QCONFORM_SHARD", value_parser = shard::parse)]
    shard: Option<ShardArg>,
    #[command(flatten)]
    formats: FormatArgs,
}

pub(super) fn run(args: &Args, out: &mut dyn Write) -> Result<Exit, Failure> {
    let stop = stop_on_signals()?;
    let (subjects, adapters) = subjects(args)?;
    // Both take tens of milliseconds.
    let (selected, found) = std::thread::scope(|scope| {
        let selected = scope.spawn(|| args.select.load());
        let found = Surroundings::look(&subjects, &adapters);
        let selected = selected.join();
        (
            selected.unwrap_or_else(|it| std::panic::resume_unwind(it)),
            found,
        )
    });
    let selected = selected?;
    let is_subject = |name: &String| subject::BUILT_IN.contains(&name.as_str());
    let options = Options {
        suite: selected.suite,
        own_files: selected.own_files,
        selection: selected.selection,
        shard: shard(args)?,
        adapters,
        fitting_only: args.subject.is_empty(),
        seed: args.seed,
        repeat: args.repeat,
        jobs: args.jobs,
        timeout: Duration::from_secs(args.timeout),
        require: args
            .require
            .iter()
            .filter(|name| !is_subject(name))
            .cloned()
            .collect(),
        baselines: baselines(&args.baseline)?,
        command: std::env::args().collect(),
    };
    let mut output = None;
    let mut progress = None;
    let mut began = None;
    let footer = run::run(&options, found?, &stop, &mut |event| {
        if let Event::Header(header) = &event {
            output = Some(Output::create(&args.output)?);
            progress = Some(Progress::new(options.asked(&header.subjects)));
            began = Some(header.clone());
        }
        if let (Event::Case(case), Some(progress)) = (&event, &progress) {
            progress.case(case);
        }
        output.as_mut().map_or(Ok(()), |output| output.write(event))
    })?;
    drop(progress);
    let Some(output) = output else {
        return Err(Failure::new(Exit::Environment, "the run had no header"));
    };
    let finished = output.finish()?;
    args.formats.tell(&finished, out)?;
    if args.formats.format == Format::Terminal {
        let page = args.output.join("report.html");
        if let Some(header) = began {
            writeln!(out, "\n{}", line::line(&header, &footer))?;
        }
        writeln!(out, "\nreports: {}", page.display())?;
    }
    // The process ends here: hundreds of thousands of texts need not be freed one by one.
    std::mem::forget(finished);
    Ok(match stop.load(Ordering::Relaxed) {
        true => Exit::Interrupted,
        false => Exit::of_footer(&footer),
    })
}

fn baseline(text: &str) -> Result<(String, PathBuf), String> {
    match text.rsplit_once('=') {
        Some((name, path)) if !path.is_empty() => Ok((name.to_owned(), PathBuf::from(path))),
        _ => Err("is not of the form SUBJECT=FILE".to_owned()),
    }
}

fn baselines(given: &[(String, PathBuf)]) -> Result<BTreeMap<String, Baseline>, Failure> {
    let mut baselines = BTreeMap::new();
    for (subject, path) in given {
        let text = std::fs::read_to_string(path).map_err(|error| Failure::file(path, &error))?;
        let baseline = Baseline::parse(&path.to_string_lossy(), &text)?;
        baselines.insert(subject.clone(), baseline);
    }
    Ok(baselines)
}

/// The shard of the command line or of CI; says on standard error what CI told.
fn shard(args: &Args) -> Result<Option<Shard>, Failure> {
    let Some(arg) = args.shard else {
        return Ok(None);
    };
    let variable = |name: &str| std::env::var(name).ok();
    let Some((shard, source)) = arg.resolve(&variable)? else {
        return Ok(None);
    };
    if let Some(source) = source {
        writeln!(io::stderr(), "shard {shard}, as {source} says")?;
        shard::acknowledge(&variable)?;
    }
    Ok(Some(shard))
}

/// The subjects of the command line, or those that are there, and how adapters are started.
fn subjects(args: &Args) -> Result<(Vec<String>, Adapters), Failure> {
    let is_built_in = |name: &str| subject::BUILT_IN.contains(&name);
    for name in args.subject.iter().chain(&args.require) {
        if is_built_in(name) && !subject::is_installed(name) {
            let message = format!("subject `{name}` is not installed");
            return Err(Failure::new(Exit::Environment, message).hint(subject::MISSING));
        }
    }
    // Whoever requires a subject must not lose a level of it unnoticed.
    let lacking = |name: &String| Some((name.clone(), subject::lacking(name)?));
    if let Some((name, lacking)) = args.require.iter().find_map(lacking) {
        let message = format!("subject `{name}` is required: {lacking}");
        return Err(Failure::new(Exit::Environment, message).hint(subject::MISSING));
    }
    let mut subjects = Vec::new();
    let mut adapters = Adapters::new();
    let mut given = args.subject.clone();
    if args.all_subjects {
        let built_in = subject::BUILT_IN.into_iter();
        given.extend(
            built_in
                .filter(|name| subject::is_installed(name))
                .map(str::to_owned),
        );
        given.extend(find::installed_names()?);
    }
    for given in &given {
        let mut name = given.clone();
        if !is_built_in(given) {
            let found = find::find(given)?;
            name.clone_from(&found.name);
            adapters.insert(found.name, found.launch);
        }
        if !subjects.contains(&name) {
            subjects.push(name);
        }
    }
    if subjects.is_empty() {
        let all = subject::BUILT_IN
            .iter()
            .filter(|name| subject::is_installed(name));
        subjects.extend(all.map(ToString::to_string));
    }
    Ok((subjects, adapters))
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
