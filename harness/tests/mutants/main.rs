//! The suite catches implementations that are wrong: each mutant of the reference is
//! wrong in one known way, and each must fail cases that show just that.
//!
//! A worker is this test program executed again, which is why it has a `main` of its own.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod careless;
mod catches;
mod expectations;
mod mutant;
#[path = "../common/needs.rs"]
mod needs;
mod reader;
mod unruly;

use std::process::ExitCode;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use libtest_mimic::{Arguments, Failed, Trial};
use mutant::Mutant;
use qconform::run::{self, Adapters, Options};
use qconform::sandbox;
use qconform::subject::reference::Reference;
use qconform::subject::{self, Subject};
use qconform::worker::Service;
use qconform_reports::event::{CaseEvent, Event};
use qconform_scenarios::select::{Patterns, Selection};
use qconform_scenarios::suite::Suite;
use qconform_scenarios::verdict::{Level, Verdict};
use reader::WrongReader;
use unruly::{Misbehaving, Unruly};

/// What a case that ends may take, on a slow machine.
const TIMEOUT: Duration = Duration::from_secs(30);

fn main() -> ExitCode {
    let mut service = Service::new(&registry);
    sandbox::run_if_worker(&mut |request| service.serve(request));
    let arguments = Arguments::from_args();
    if let Some(reason) = needs::or_skip_labelling() {
        println!("skipped: {reason}");
        return ExitCode::SUCCESS;
    }
    let mut trials = vec![Trial::test(
        "the_reference_itself_passes_every_case",
        reference_passes,
    )];
    trials.push(Trial::test(
        "the_judge_fails_every_expectation_with_one_thing_wrong",
        expectations::every_wrong_expectation_is_failed,
    ));
    for mutant in Mutant::ALL {
        let name = format!("{}_is_caught", mutant.name().replace('-', "_"));
        trials.push(Trial::test(name, move || caught(mutant)));
    }
    for wrong in reader::all() {
        let name = format!("{}_is_caught", wrong.name.replace('-', "_"));
        trials.push(Trial::test(name, || misread(wrong)));
    }
    for unruly in Unruly::ALL {
        let name = format!("a_subject_that_{}_fails_its_own_case_only", unruly.name());
        trials.push(Trial::test(name, move || {
            unruly::only_its_case_fails(unruly)
        }));
    }
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// The program's own subjects, `mutant:NAME` and `unruly:NAME`.
fn registry(name: &str) -> Option<Box<dyn Subject>> {
    match name.split_once(':') {
        Some(("mutant", name)) => mutated(name),
        Some(("unruly", name)) => Some(Box::new(Misbehaving(
            Unruly::named(name)?,
            Reference::default(),
        ))),
        _ => subject::built_in(name),
    }
}

fn mutated(name: &str) -> Option<Box<dyn Subject>> {
    match Mutant::named(name) {
        Some(mutant) => Some(Box::new(mutant::Mutated::new(mutant))),
        None => Some(Box::new(reader::Misread::named(name)?)),
    }
}

/// The levels at which the mutants can be seen.
fn labelling() -> Selection {
    Selection {
        levels: vec![Level::Access, Level::Label, Level::Blockdev, Level::Xml],
        ..Selection::default()
    }
}

/// Runs a part of the suite against a subject.
fn run_against(subject: &str, selection: Selection, timeout: Duration) -> Vec<CaseEvent> {
    let options = Options {
        suite: Suite::embedded().unwrap(),
        own_files: Vec::new(),
        selection,
        subjects: vec![subject.to_owned()],
        adapters: Adapters::new(),
        shard: None,
        fitting_only: false,
        seed: 0,
        repeat: std::num::NonZeroU32::MIN,
        jobs: None,
        timeout,
        require: Vec::new(),
        baselines: Default::default(),
        command: Vec::new(),
    };
    let mut cases = Vec::new();
    run::run(&options, &AtomicBool::new(false), &mut |event| {
        if let Event::Case(case) = event {
            cases.push((**case).clone());
        }
        Ok(())
    })
    .unwrap();
    cases
}

fn reference_passes() -> Result<(), Failed> {
    let cases = run_against("reference", labelling(), TIMEOUT);
    let others: Vec<_> = cases
        .iter()
        .filter(|case| case.verdict != Verdict::Pass)
        .collect();
    if others.is_empty() {
        Ok(())
    } else {
        Err(format!("{others:#?}").into())
    }
}

/// The reader fails every scenario that is said to catch it.
fn misread(wrong: &WrongReader) -> Result<(), Failed> {
    let scenarios: Vec<String> = wrong.caught_by.iter().map(ToString::to_string).collect();
    let selection = Selection {
        patterns: Some(Patterns::parse(&scenarios, false)?),
        ..Selection::default()
    };
    let cases = run_against(&format!("mutant:{}", wrong.name), selection, TIMEOUT);
    catches::tell(wrong.name, &cases, wrong.caught_by[0]);
    let caught: Vec<_> = cases
        .iter()
        .filter(|case| case.verdict.is_failure())
        .map(|case| &*case.case)
        .collect();
    let missing = wrong
        .caught_by
        .iter()
        .find(|scenario| !caught.iter().any(|id| id.starts_with(**scenario)));
    match missing {
        None => Ok(()),
        Some(scenario) => Err(format!("{scenario} does not catch it, only {caught:?}").into()),
    }
}

/// The mutant fails every scenario that is said to catch it, and none that can't know.
fn caught(mutant: Mutant) -> Result<(), Failed> {
    let cases = run_against(&format!("mutant:{}", mutant.name()), labelling(), TIMEOUT);
    catches::tell(mutant.name(), &cases, mutant.caught_by()[0]);
    let caught: Vec<_> = cases
        .iter()
        .filter(|case| case.verdict.is_failure())
        .collect();
    for scenario in mutant.caught_by() {
        if !caught.iter().any(|case| case.case.starts_with(scenario)) {
            return Err(format!("{scenario} does not catch it").into());
        }
    }
    match caught
        .iter()
        .find(|case| !mutant.levels().contains(&case.level))
    {
        None => Ok(()),
        Some(case) => {
            Err(format!("{} fails for another reason: {}", case.case, case.message).into())
        }
    }
}
