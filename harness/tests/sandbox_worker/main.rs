//! What a worker can see and do, and that nothing of it is left. The worker is this test program executed again.
#![allow(clippy::unwrap_used, clippy::needless_pass_by_value)]

mod acts;
mod ends;
#[path = "../common/ordinary_user.rs"]
mod ordinary_user;
mod seen;

use std::process::ExitCode;
use std::time::Duration;

use libtest_mimic::{Arguments, Failed, Trial};
use qconform::sandbox::{IdMap, Settings, Worker, capabilities, run_if_worker};

type Test = fn() -> Result<(), Failed>;

const SOON: Duration = Duration::from_secs(20);

fn main() -> ExitCode {
    run_if_worker(&mut |request| acts::serve(&String::from_utf8_lossy(request)).into_bytes());
    if let Some((ends::PARENT, seconds)) = std::env::args()
        .nth(1)
        .as_deref()
        .zip(std::env::args().nth(2))
    {
        return ends::be_a_parent(&seconds);
    }
    let tests: [(&str, Test); 18] = [
        (
            "the_worker_is_root_of_its_own_ids",
            seen::the_worker_is_root_of_its_own_ids,
        ),
        (
            "ids_outside_the_map_show_as_the_overflow_id",
            seen::ids_outside_the_map_show_as_the_overflow_id,
        ),
        (
            "the_hosts_folders_are_absent",
            seen::the_hosts_folders_are_absent,
        ),
        (
            "an_extra_folder_is_visible_and_read_only",
            seen::an_extra_folder_is_visible_and_read_only,
        ),
        (
            "system_folders_can_not_be_written",
            seen::system_folders_can_not_be_written,
        ),
        (
            "other_processes_are_not_seen",
            seen::other_processes_are_not_seen,
        ),
        ("there_is_no_network", seen::there_is_no_network),
        (
            "the_environment_is_cleared_but_for_the_path",
            seen::the_environment_is_cleared_but_for_the_path,
        ),
        (
            "the_tmpfs_is_as_large_as_asked_for",
            seen::the_tmpfs_is_as_large_as_asked_for,
        ),
        ("two_workers_share_no_file", seen::two_workers_share_no_file),
        (
            "an_aborted_worker_is_reported_and_replaced",
            ends::an_aborted_worker_is_reported_and_replaced,
        ),
        (
            "a_hung_worker_is_given_up_at_the_deadline",
            ends::a_hung_worker_is_given_up_at_the_deadline,
        ),
        (
            "what_a_worker_prints_is_no_reply",
            ends::what_a_worker_prints_is_no_reply,
        ),
        (
            "a_reply_of_two_lines_ends_the_worker",
            ends::a_reply_of_two_lines_ends_the_worker,
        ),
        (
            "orphans_are_reaped_between_requests",
            ends::orphans_are_reaped_between_requests,
        ),
        (
            "nothing_outlives_a_killed_parent",
            ends::nothing_outlives_a_killed_parent,
        ),
        (
            "every_capability_is_found_by_trying",
            every_capability_is_found_by_trying,
        ),
        (
            "an_ordinary_user_gets_a_sandbox_too",
            an_ordinary_user_gets_a_sandbox_too,
        ),
    ];
    let trials = tests
        .into_iter()
        .map(|(name, test)| Trial::test(name, test))
        .collect();
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

fn settings() -> Settings {
    Settings::new(IdMap::choose().unwrap())
}

fn worker() -> Worker {
    Worker::start(&settings()).unwrap()
}

fn ask(worker: &mut Worker, request: &str) -> String {
    String::from_utf8(worker.call(request.as_bytes(), SOON).unwrap()).unwrap()
}

/// Says so when a test can't look because `/proc` is missing inside.
fn proc_is_missing(worker: &mut Worker) -> bool {
    let missing = ask(worker, "list /proc").is_empty();
    if missing {
        println!("skipped: /proc can't be mounted here");
    }
    missing
}

/// The processes that a worker sees.
fn processes(worker: &mut Worker) -> Vec<u32> {
    let listing = ask(worker, "list /proc");
    let names = listing.split(',');
    names.filter_map(|name| name.parse().ok()).collect()
}

fn equal<T: PartialEq + std::fmt::Debug>(seen: T, wanted: T) -> Result<(), Failed> {
    if seen == wanted {
        Ok(())
    } else {
        Err(format!("seen {seen:?}, wanted {wanted:?}").into())
    }
}

fn that(holds: bool, what: &str) -> Result<(), Failed> {
    if holds {
        Ok(())
    } else {
        Err(what.to_owned().into())
    }
}

fn every_capability_is_found_by_trying() -> Result<(), Failed> {
    let settings = settings();
    let found = capabilities(&settings).unwrap();
    for capability in &found {
        that(capability.detail != "not tried", capability.name)?;
        that(
            capability.present != capability.hint.is_some(),
            &format!("{capability:?}"),
        )?;
    }
    let present = |name: &str| {
        found
            .iter()
            .find(|capability| capability.name == name)
            .is_some_and(|found| found.present)
    };
    for name in [
        "user-namespace",
        "read-only-bind",
        "no-xattr-fs",
        "selinux-xattr",
    ] {
        that(present(name), name)?;
    }
    equal(present("id-range"), !settings.id_map.is_single())?;
    equal(present("chown"), !settings.id_map.is_single())
}

/// Root runs the rest once more as somebody else.
fn an_ordinary_user_gets_a_sandbox_too() -> Result<(), Failed> {
    match ordinary_user::fails() {
        None => Ok(()),
        Some(output) => Err(output.into()),
    }
}
