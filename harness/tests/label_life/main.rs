//! Labelling when things go wrong: kills, errors, races, other relabellers, random lives.
//!
//! Everything happens in workers of the sandbox, where owners and labels can be changed. A worker
//! is this test program executed again, and so is a relabeller that gets killed.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod faulty;
mod interleaved;
mod kills;
#[allow(dead_code, reason = "shared with another test program")]
#[path = "../reference_suite/lab.rs"]
mod lab;
mod measured;
mod narrow;
#[path = "../common/needs.rs"]
mod needs;
mod race;
mod random_life;
#[allow(dead_code, reason = "shared with another test program")]
#[path = "../reference_suite/sample.rs"]
mod sample;
mod scene;
mod sigkill;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::time::Duration;

use libtest_mimic::{Arguments, Failed, Trial};
use qconform::sandbox::{IdMap, Settings, Worker, run_if_worker};

/// What the slowest test may take on a slow machine.
const TIMEOUT: Duration = Duration::from_secs(600);

/// A test, run inside a worker; what it gives is printed.
type Test = fn() -> String;

const TESTS: [(&str, Test); 14] = [
    (
        "a_kill_around_any_system_call_loses_nothing",
        kills::attributes,
    ),
    (
        "a_kill_around_any_system_call_loses_nothing_in_a_journal",
        kills::journal,
    ),
    (
        "an_error_of_any_system_call_leaves_a_step_undone_or_done",
        kills::errors,
    ),
    (
        "an_error_of_any_system_call_with_a_journal_does_so_too",
        kills::journal_errors,
    ),
    (
        "a_relabeller_killed_by_a_signal_loses_nothing",
        sigkill::at_every_call,
    ),
    (
        "relabellers_killed_at_any_time_lose_nothing",
        sigkill::at_random_times,
    ),
    (
        "two_processes_on_the_same_files_end_where_they_began",
        sigkill::two_at_once,
    ),
    (
        "ten_thousand_interleavings_end_where_they_began",
        interleaved::many,
    ),
    ("a_renamer_never_gets_another_file_labelled", race::renamer),
    (
        "a_renamer_of_folders_never_gets_another_file_labelled",
        race::folders,
    ),
    ("any_life_of_any_domain_keeps_the_rule", random_life::any),
    (
        "the_reference_agrees_with_measured_libvirt_or_says_why_not",
        measured::table,
    ),
    (
        "an_owner_outside_of_the_id_map_is_an_error",
        narrow::owner_outside,
    ),
    (
        "an_id_outside_of_the_id_map_is_an_error",
        narrow::id_outside,
    ),
];

fn main() -> ExitCode {
    run_if_worker(&mut |request| run(&String::from_utf8_lossy(request)).into_bytes());
    let arguments: Vec<String> = std::env::args().collect();
    if arguments.get(1).is_some_and(|word| word == sigkill::CHILD) {
        return sigkill::child(&arguments[2..]);
    }
    if let Some(reason) = needs::or_skip_labelling() {
        println!("skipped: {reason}");
        return ExitCode::SUCCESS;
    }
    let trials = TESTS
        .iter()
        .map(|(name, _)| Trial::test(*name, || in_worker(name)));
    libtest_mimic::run(&Arguments::from_args(), trials.collect()).exit_code()
}

/// In the worker: runs the test of this name.
fn run(name: &str) -> String {
    let Some((_, test)) = TESTS.iter().find(|(known, _)| *known == name) else {
        return format!("failed: there is no test {name}");
    };
    let ended = catch_unwind(AssertUnwindSafe(test));
    let text = ended.unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string));
        format!("failed: {}", text.unwrap_or_default())
    });
    text.replace('\n', " ")
}

fn in_worker(name: &str) -> Result<(), Failed> {
    let mut worker = Worker::start(&Settings::new(IdMap::choose()?))?;
    let reply = worker.call(name.as_bytes(), TIMEOUT)?;
    let reply = String::from_utf8_lossy(&reply).into_owned();
    if reply.starts_with("failed") {
        return Err(reply.into());
    }
    println!("{name}: {reply}");
    Ok(())
}
