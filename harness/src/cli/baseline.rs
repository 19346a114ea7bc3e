//! `qconform baseline`: a subject's known deviations, as a file that people maintain.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use qconform_reports::event::{self, CaseEvent};
use qconform_reports::stream::Run;
use qconform_scenarios::baseline::update::{Outcome, Updated, update};
use qconform_scenarios::suite::Suite;
use qconform_scenarios::verdict::Verdict;

use super::Exit;
use super::error::Failure;
use super::formats;
use super::report;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Make a baseline say what a whole run saw: entries that are true stay as they are, those
    /// that aren't go, and each new deviation waits for its reason.
    Update(UpdateArgs),
}

#[derive(Debug, clap::Args)]
struct UpdateArgs {
    /// Whose baseline.
    #[arg(value_name = "SUBJECT")]
    subject: String,
    /// A run.jsonl of the whole suite, or the folder that holds it.
    #[arg(long, value_name = "RUN", default_value = "conformance.out")]
    run: PathBuf,
    /// The baseline [default: scenarios/baselines/SUBJECT.toml].
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
}

pub(super) fn run(args: &Args, out: &mut dyn Write) -> Result<Exit, Failure> {
    match &args.command {
        Command::Update(args) => update_file(args, out),
    }
}

fn update_file(args: &UpdateArgs, out: &mut dyn Write) -> Result<Exit, Failure> {
    let run = report::open(&args.run)?;
    let version = whole(&run, &args.subject)?;
    let name = format!("scenarios/baselines/{}.toml", args.subject);
    let path = args.file.clone().unwrap_or_else(|| PathBuf::from(name));
    let text = read(&path)?;
    let of_subject = |case: &&CaseEvent| *case.subject == *args.subject;
    let outcomes: Vec<_> = run.cases.iter().filter(of_subject).map(outcome).collect();
    let updated = update(&path.to_string_lossy(), &text, version, &outcomes)?;
    if updated.text != text {
        formats::write_file(&path, |out| out.write_all(updated.text.as_bytes()))?;
    }
    tell(&path, &updated, out)?;
    Ok(Exit::Conforming)
}

/// The subject's version, if the run can speak for all of the suite.
fn whole<'a>(run: &'a Run, subject: &str) -> Result<&'a str, Failure> {
    let refuse = |message: String| {
        let failure = Failure::new(Exit::Incomplete, message);
        Err(failure.hint(format!("run all of it: qconform run --subject {subject}")))
    };
    if let Some(gap) = run.gap() {
        return refuse(format!("this run isn't whole: {gap}"));
    }
    let suite = Suite::embedded()?;
    let cases = suite.select(&Default::default()).count() as u64;
    if run.header.suite_digest != suite.digest() {
        return refuse("this run is of another suite".to_owned());
    }
    if run.header.selected != cases || run.header.shard.is_some() {
        let selected = run.header.selected;
        return refuse(format!("only {selected} of {cases} cases were selected"));
    }
    let found = run.header.subjects.iter().find(|it| it.name == subject);
    match found {
        Some(found) => Ok(&found.version),
        None => refuse(format!("subject `{subject}` isn't part of this run")),
    }
}

/// A missing baseline is an empty one.
fn read(path: &Path) -> Result<String, Failure> {
    match fs::read_to_string(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
        result => result.map_err(|error| Failure::file(path, &error)),
    }
}

fn outcome(case: &CaseEvent) -> Outcome {
    let verdict = match (&case.deviation, case.verdict) {
        (Some(deviation), _) => deviation.verdict,
        (None, Verdict::Fixed) => Verdict::Pass,
        (None, verdict) => verdict,
    };
    Outcome {
        id: case.case.to_string(),
        scenario: event::scenario(&case.case).to_owned(),
        verdict,
        message: case.message.clone(),
        severity: case.severity(),
        requirement: case.requirements.first().map_or("", |id| id).to_owned(),
    }
}

fn tell(path: &Path, updated: &Updated, out: &mut dyn Write) -> io::Result<()> {
    let lists = [
        ("removed", &updated.removed),
        ("narrowed", &updated.narrowed),
        ("added", &updated.added),
    ];
    for (word, cases) in lists {
        for cases in cases {
            writeln!(out, "{word}: {cases}")?;
        }
    }
    match updated.added.len() {
        0 => writeln!(out, "{} is up to date", path.display()),
        count => writeln!(
            out,
            "{}: {count} new entries; write a reason into each before the next run",
            path.display()
        ),
    }
}
