//! Workers that end, or are ended, and what is left of them.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use libtest_mimic::Failed;
use qconform::sandbox::CallError;

use crate::{SOON, ask, equal, proc_is_missing, processes, that, worker};

/// First argument of a copy of this program that only starts a worker and waits to be killed.
pub(super) const PARENT: &str = "--parent-to-be-killed";

pub(super) fn an_aborted_worker_is_reported_and_replaced() -> Result<(), Failed> {
    let mut broken = worker();
    let ended = broken.call(b"abort", SOON);
    // Process 1 ignores SIGABRT from inside, so that abort ends in its trap instead.
    that(
        matches!(&ended, Err(CallError::Died { how }) if how.starts_with("signal ")),
        &format!("{ended:?}"),
    )?;
    let again = broken.call(b"echo", SOON);
    that(
        matches!(&again, Err(CallError::Died { .. })),
        &format!("{again:?}"),
    )?;
    equal(ask(&mut worker(), "echo still here").as_str(), "still here")
}

pub(super) fn a_hung_worker_is_given_up_at_the_deadline() -> Result<(), Failed> {
    let mut hung = worker();
    let pid = hung.pid();
    let start = Instant::now();
    let ended = hung.call(b"hang", Duration::from_millis(200));
    that(
        matches!(ended, Err(CallError::TimedOut)),
        &format!("{ended:?}"),
    )?;
    that(
        start.elapsed() >= Duration::from_millis(200),
        "it was given up early",
    )?;
    that(
        start.elapsed() < Duration::from_secs(5),
        "it was given up late",
    )?;
    that(
        !Path::new(&format!("/proc/{pid}")).exists(),
        "the worker is still there",
    )
}

pub(super) fn what_a_worker_prints_is_no_reply() -> Result<(), Failed> {
    let mut worker = worker();
    equal(ask(&mut worker, "print").as_str(), "reply")?;
    equal(ask(&mut worker, "echo next").as_str(), "next")
}

pub(super) fn a_reply_of_two_lines_ends_the_worker() -> Result<(), Failed> {
    let ended = worker().call(b"two-lines", SOON);
    that(
        matches!(ended, Err(CallError::Died { .. })),
        &format!("{ended:?}"),
    )?;
    let ended = worker().call(b"two\nrequests", SOON);
    that(
        matches!(ended, Err(CallError::Broken(_))),
        &format!("{ended:?}"),
    )
}

pub(super) fn orphans_are_reaped_between_requests() -> Result<(), Failed> {
    let mut worker = worker();
    if proc_is_missing(&mut worker) {
        return Ok(());
    }
    equal(ask(&mut worker, "orphan").as_str(), "exit status: 0")?;
    equal(processes(&mut worker), vec![1])
}

/// Starts a worker with a child, names the worker, and waits.
pub(super) fn be_a_parent(seconds: &str) -> ExitCode {
    let mut worker = worker();
    println!(
        "{} {}",
        worker.pid(),
        ask(&mut worker, &format!("sleeper {seconds}"))
    );
    std::thread::sleep(SOON);
    ExitCode::FAILURE
}

/// Whether a process runs with `argument`; one that ended has no arguments, even before it is reaped.
fn runs_with(argument: &str) -> bool {
    let runs = |process: fs::DirEntry| {
        fs::read(process.path().join("cmdline"))
            .is_ok_and(|line| String::from_utf8_lossy(&line).contains(argument))
    };
    fs::read_dir("/proc")
        .unwrap()
        .any(|process| process.is_ok_and(runs))
}

fn becomes(what: &str, holds: impl Fn() -> bool) -> Result<(), Failed> {
    let start = Instant::now();
    while !holds() {
        that(start.elapsed() < SOON, what)?;
        std::thread::sleep(Duration::from_millis(2));
    }
    Ok(())
}

pub(super) fn nothing_outlives_a_killed_parent() -> Result<(), Failed> {
    // A length of sleep that no other process has.
    let seconds = format!("86399.{}", std::process::id());
    let mut parent = Command::new("/proc/self/exe")
        .args([PARENT, &seconds])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(parent.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    let (pid, started) = line.trim().split_once(' ').unwrap();
    let worker_runs =
        || fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| !line.is_empty());
    let before = becomes("the child of the worker does not start", || {
        runs_with(&format!("sleep\0{seconds}"))
    });
    let worker_ran = worker_runs();
    parent.kill().unwrap();
    parent.wait().unwrap();
    before?;
    equal((started, worker_ran), ("started", true))?;
    becomes("the worker or its child outlived the parent", || {
        !worker_runs() && !runs_with(&seconds)
    })
}
