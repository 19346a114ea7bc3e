//! The suite as tests that cargo and nextest list one by one, so that a farm of machines
//! can partition, retry and archive them: `cargo nextest run --test conformance`.
//!
//! Not part of a plain `cargo test`, because `qconform run` does the same much faster. A
//! worker is this test program executed again, which is why it has a `main` of its own.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use libtest_mimic::{Arguments, Completion, Failed, Trial};
use qconform::run::{self, Adapters, Options, Surroundings};
use qconform::sandbox;
use qconform::subject;
use qconform::worker::Service;
use qconform_reports::event::SubjectInfo;
use qconform_reports::stream::Run;
use qconform_reports::terminal;
use qconform_scenarios::select::{Patterns, Selection};
use qconform_scenarios::suite::Suite;
use qconform_scenarios::verdict::Verdict;

const TIMEOUT: Duration = Duration::from_secs(30);

fn main() -> ExitCode {
    let mut service = Service::new(&subject::built_in);
    sandbox::run_if_worker(&mut |request| service.serve(request));
    let arguments = Arguments::from_args();
    let installed = subject::BUILT_IN
        .iter()
        .filter(|name| subject::is_installed(name));
    let installed: Vec<_> = installed.map(ToString::to_string).collect();
    let subjects = run::describe(&installed, &Adapters::new()).unwrap();
    let suite = Arc::new(Suite::embedded().unwrap());
    let trials = trials(&suite, &subjects);
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// A test for each case and each subject that can be asked for it: `subject::id`.
fn trials(suite: &Arc<Suite>, subjects: &[SubjectInfo]) -> Vec<Trial> {
    let mut trials = Vec::new();
    for selected in suite.select(&Selection::default()) {
        let level = selected.scenario.level;
        for subject in subjects.iter().filter(|it| it.levels.contains(&level)) {
            let (suite, id, name) = (Arc::clone(suite), selected.id.clone(), subject.name.clone());
            let test = format!("{name}::{id}");
            trials.push(Trial::ignorable_test(test, move || {
                judge(&suite, &id, &name)
            }));
        }
    }
    trials
}

/// Runs one case for one subject, baseline applied.
fn judge(suite: &Suite, id: &str, subject: &str) -> Result<Completion, Failed> {
    let options = Options {
        suite: suite.clone(),
        own_files: Vec::new(),
        selection: Selection {
            patterns: Some(Patterns::parse(&[id.to_owned()], true).unwrap()),
            ..Selection::default()
        },
        shard: None,
        adapters: Adapters::new(),
        fitting_only: false,
        seed: 0,
        repeat: std::num::NonZeroU32::MIN,
        jobs: std::num::NonZeroUsize::new(1),
        timeout: TIMEOUT,
        require: Vec::new(),
        baselines: Default::default(),
        command: Vec::new(),
    };
    let mut events = Vec::new();
    let never = AtomicBool::new(false);
    let found = Surroundings::look(&[subject.to_owned()], &options.adapters)?;
    run::run(&options, found, &never, &mut |event| {
        events.push(event);
        Ok(())
    })?;
    completion(&Run::of_events(events).ok_or("the run had no header")?)
}

fn completion(run: &Run) -> Result<Completion, Failed> {
    let case = run.cases.first().ok_or("no verdict")?;
    let reason = || format!("{}: {}", case.verdict.as_str(), case.message);
    match case.verdict {
        Verdict::Pass | Verdict::Known | Verdict::Lenient | Verdict::Info => {
            Ok(Completion::Completed)
        }
        Verdict::Skipped | Verdict::Unsupported => Ok(Completion::ignored_with(reason())),
        _ => {
            let options = terminal::Options {
                color: false,
                verbose: true,
                width: 100,
            };
            let mut text = Vec::new();
            terminal::failures(run, options, &mut text)?;
            Err(String::from_utf8_lossy(&text).into_owned().into())
        }
    }
}
