//! The suite catches implementations that are wrong: each mutant of the reference is
//! wrong in one known way, and each must fail cases that show just that.
//!
//! A worker is this test program executed again, which is why it has a `main` of its own.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod careless;
mod expectations;
mod litter;
mod mutant;
#[path = "../common/needs.rs"]
mod needs;
mod page;
mod reader;
mod unruly;

use std::num::{NonZeroU32, NonZeroUsize};
use std::process::ExitCode;
use std::sync::LazyLock;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use libtest_mimic::{Arguments, Failed, Trial};
use mutant::table::{self, Entry};
use qconform::run::{self, Adapters, Options, Surroundings};
use qconform::sandbox;
use qconform::subject::reference::Reference;
use qconform::subject::{self, Subject};
use qconform::worker::Service;
use qconform_reports::event::{CaseEvent, Event};
use qconform_scenarios::select::Selection;
use qconform_scenarios::suite::Suite;
use qconform_scenarios::verdict::{Level, Verdict};
use reader::WrongReader;
use unruly::{Misbehaving, Unruly};

static SUITE: LazyLock<Suite> = LazyLock::new(|| Suite::embedded().unwrap());

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
    trials.push(Trial::test(
        "files_that_a_subject_left_changed_are_as_they_should_be_in_the_next_case",
        litter::the_next_case_has_its_own_files,
    ));
    trials.push(Trial::test(
        "files_that_a_subject_left_alone_stay_for_the_next_case",
        litter::files_stay_for_the_next_case,
    ));
    trials.push(Trial::test(
        "the_rest_of_the_page_is_up_to_date",
        page::rest_is_up_to_date,
    ));
    for entry in &table::ALL {
        let name = format!("{}_is_caught", entry.name.replace('-', "_"));
        trials.push(Trial::test(name, || caught(entry)));
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
    let conclusion = libtest_mimic::run(&arguments, trials);
    if !page::is_updated() || conclusion.has_failed() {
        return conclusion.exit_code();
    }
    match page::write() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!(
                "{}",
                error.message().unwrap_or("docs/mutants.md isn't written")
            );
            ExitCode::FAILURE
        }
    }
}

/// The program's own subjects, `mutant:NAME` and `unruly:NAME`.
fn registry(name: &str) -> Option<Box<dyn Subject>> {
    match name.split_once(':') {
        Some(("mutant", name)) => mutated(name),
        Some(("unruly", name)) => Some(Box::new(Misbehaving(
            Unruly::named(name)?,
            Reference::default(),
        ))),
        _ if name == litter::TIDY => Some(Box::new(litter::Tidy)),
        _ if name == litter::NAME => Some(Box::new(litter::Littering(Reference::default()))),
        _ => subject::built_in(name),
    }
}

fn mutated(name: &str) -> Option<Box<dyn Subject>> {
    match table::named(name) {
        Some(mutant) => Some(Box::new(mutant::Mutated::new(mutant))),
        None => Some(Box::new(reader::Misread::named(name)?)),
    }
}

/// The levels of the reference's own life: the mutants that aren't readers are seen there.
const LABELLING: [Level; 4] = [Level::Access, Level::Label, Level::Blockdev, Level::Xml];

/// Every case of these levels.
fn of_levels(levels: &[Level]) -> Selection {
    Selection {
        levels: levels.to_vec(),
        ..Selection::default()
    }
}

/// Runs a part of the suite against a subject.
fn run_against(subject: &str, selection: Selection, timeout: Duration) -> Vec<CaseEvent> {
    run(&[subject], selection, timeout, None)
}

/// Runs a part of the suite against several subjects, each case against one after the other in
/// the same worker.
fn run_in_turn(subjects: &[&str], selection: Selection, timeout: Duration) -> Vec<CaseEvent> {
    run(subjects, selection, timeout, Some(NonZeroUsize::MIN))
}

fn run(
    subjects: &[&str],
    selection: Selection,
    timeout: Duration,
    jobs: Option<NonZeroUsize>,
) -> Vec<CaseEvent> {
    let options = Options {
        suite: SUITE.clone(),
        own_files: Vec::new(),
        selection,
        adapters: Adapters::new(),
        shard: None,
        fitting_only: false,
        seed: 0,
        repeat: NonZeroU32::MIN,
        jobs,
        timeout,
        require: Vec::new(),
        baselines: Default::default(),
        command: Vec::new(),
    };
    let mut cases = Vec::new();
    let subjects: Vec<_> = subjects.iter().map(ToString::to_string).collect();
    let found = Surroundings::look(&subjects, &options.adapters).unwrap();
    run::run(&options, found, &AtomicBool::new(false), &mut |event| {
        if let Event::Case(case) = event {
            cases.push(*case);
        }
        Ok(())
    })
    .unwrap();
    cases
}

fn reference_passes() -> Result<(), Failed> {
    let cases = run_against("reference", of_levels(&LABELLING), TIMEOUT);
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
    let subject = page::Subject {
        name: wrong.name,
        what: wrong.what,
        caught_by: wrong.caught_by,
    };
    caught_at(&subject, &[wrong.level]).map(drop)
}

/// The mutant fails every scenario that is said to catch it, and none that can't know.
fn caught(entry: &Entry) -> Result<(), Failed> {
    let subject = page::Subject {
        name: entry.name,
        what: entry.what,
        caught_by: entry.caught_by,
    };
    let caught = caught_at(&subject, &LABELLING)?;
    let elsewhere = |case: &&CaseEvent| !entry.levels.contains(&case.level);
    match caught.iter().find(elsewhere) {
        None => Ok(()),
        Some(case) => {
            Err(format!("{} fails for another reason: {}", case.case, case.message).into())
        }
    }
}

/// The cases that fail, if each scenario that must catch the mutant is among them.
fn caught_at(mutant: &page::Subject, levels: &[Level]) -> Result<Vec<CaseEvent>, Failed> {
    let name = format!("mutant:{}", mutant.name);
    let mut cases = run_against(&name, of_levels(levels), TIMEOUT);
    page::compare(mutant, &cases)?;
    cases.retain(|case| case.verdict.is_failure());
    for scenario in mutant.caught_by {
        if !cases.iter().any(|case| case.case.starts_with(scenario)) {
            return Err(format!("{scenario} does not catch it").into());
        }
    }
    Ok(cases)
}
