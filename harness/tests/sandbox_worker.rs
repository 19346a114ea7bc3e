//! What a worker can see and do, and that nothing of it is left. The worker is this test program executed again.
#![allow(clippy::unwrap_used, clippy::needless_pass_by_value)]

#[path = "common/ordinary_user.rs"]
mod ordinary_user;

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use libtest_mimic::{Arguments, Failed, Trial};
use qconform::sandbox::{CallError, IdMap, Settings, Worker, capabilities, run_if_worker};

/// First argument of a copy of this program that only starts a worker and waits to be killed.
const PARENT: &str = "--parent-to-be-killed";
type Test = fn() -> Result<(), Failed>;

const SOON: Duration = Duration::from_secs(20);

fn main() -> ExitCode {
    run_if_worker(&mut |request| serve(&String::from_utf8_lossy(request)).into_bytes());
    if let Some((PARENT, seconds)) = std::env::args()
        .nth(1)
        .as_deref()
        .zip(std::env::args().nth(2))
    {
        return be_a_parent(&seconds);
    }
    let tests: [(&str, Test); 18] = [
        (
            "the_worker_is_root_of_its_own_ids",
            the_worker_is_root_of_its_own_ids,
        ),
        (
            "ids_outside_the_map_show_as_the_overflow_id",
            ids_outside_the_map_show_as_the_overflow_id,
        ),
        ("the_hosts_folders_are_absent", the_hosts_folders_are_absent),
        (
            "an_extra_folder_is_visible_and_read_only",
            an_extra_folder_is_visible_and_read_only,
        ),
        (
            "system_folders_can_not_be_written",
            system_folders_can_not_be_written,
        ),
        ("other_processes_are_not_seen", other_processes_are_not_seen),
        ("there_is_no_network", there_is_no_network),
        (
            "the_environment_is_cleared_but_for_the_path",
            the_environment_is_cleared_but_for_the_path,
        ),
        (
            "the_tmpfs_is_as_large_as_asked_for",
            the_tmpfs_is_as_large_as_asked_for,
        ),
        ("two_workers_share_no_file", two_workers_share_no_file),
        (
            "an_aborted_worker_is_reported_and_replaced",
            an_aborted_worker_is_reported_and_replaced,
        ),
        (
            "a_hung_worker_is_given_up_at_the_deadline",
            a_hung_worker_is_given_up_at_the_deadline,
        ),
        (
            "what_a_worker_prints_is_no_reply",
            what_a_worker_prints_is_no_reply,
        ),
        (
            "a_reply_of_two_lines_ends_the_worker",
            a_reply_of_two_lines_ends_the_worker,
        ),
        (
            "orphans_are_reaped_between_requests",
            orphans_are_reaped_between_requests,
        ),
        (
            "nothing_outlives_a_killed_parent",
            nothing_outlives_a_killed_parent,
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

/// The worker: one small act for each request.
fn serve(request: &str) -> String {
    let (verb, rest) = request.split_once(' ').unwrap_or((request, ""));
    match verb {
        "echo" => rest.to_owned(),
        "print" => {
            println!("noise");
            "reply".to_owned()
        }
        "two-lines" => "one\ntwo".to_owned(),
        "ids" => format!(
            "{} {}",
            rustix::process::getuid().as_raw(),
            rustix::process::getpid().as_raw_nonzero()
        ),
        "owner" => {
            fs::metadata(rest).map_or_else(told, |found| format!("{}:{}", found.uid(), found.gid()))
        }
        "list" => fs::read_dir(rest).map_or_else(told, names),
        "write" => fs::write(rest, "x").map_or_else(told, |()| "written".to_owned()),
        "read" => fs::read_to_string(rest).map_or_else(told, |text| text.replace('\n', ";")),
        "fill" => fill(rest),
        "environment" => std::env::vars()
            .map(|(name, _)| name)
            .collect::<Vec<_>>()
            .join(","),
        "orphan" => orphan(),
        "sleeper" => Command::new("sleep")
            .arg(rest)
            .spawn()
            .map_or_else(told, |_| "started".to_owned()),
        "abort" => std::process::abort(),
        "hang" => {
            std::thread::sleep(SOON);
            String::new()
        }
        _ => "what?".to_owned(),
    }
}

fn told(error: std::io::Error) -> String {
    format!("error {}", error.raw_os_error().unwrap_or_default())
}

fn names(entries: fs::ReadDir) -> String {
    let mut names: Vec<_> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names.join(",")
}

fn fill(mebibytes: &str) -> String {
    let bytes = vec![1; mebibytes.parse::<usize>().unwrap() << 20];
    fs::write("/tmp/fill", bytes).map_or_else(told, |()| "filled".to_owned())
}

/// Leaves a grandchild behind that ends at once.
fn orphan() -> String {
    let status = Command::new("sh")
        .args(["-c", "(exit 3) & sleep 0.1 & exit 0"])
        .status();
    std::thread::sleep(Duration::from_millis(300));
    status.map_or_else(told, |status| status.to_string())
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

fn the_worker_is_root_of_its_own_ids() -> Result<(), Failed> {
    let settings = settings();
    let mut worker = Worker::start(&settings).unwrap();
    equal(ask(&mut worker, "ids").as_str(), "0 1")?;
    if proc_is_missing(&mut worker) {
        return Ok(());
    }
    let map = ask(&mut worker, "read /proc/self/uid_map");
    let lines: Vec<Vec<u32>> = map
        .split_terminator(';')
        .map(|line| {
            line.split_whitespace()
                .map(|number| number.parse().unwrap())
                .collect()
        })
        .collect();
    let inside: Vec<_> = lines.iter().map(|line| (line[0], line[2])).collect();
    match &settings.id_map {
        IdMap::Single => equal(inside, vec![(0, 1)])?,
        IdMap::Range { .. } => equal(inside, vec![(0, 10_000), (64_055, 1)])?,
    }
    that(
        lines.iter().all(|line| line[1] > 0),
        "the host's root must not be mapped",
    )
}

fn ids_outside_the_map_show_as_the_overflow_id() -> Result<(), Failed> {
    equal(ask(&mut worker(), "owner /usr").as_str(), "65534:65534")
}

fn the_hosts_folders_are_absent() -> Result<(), Failed> {
    let mut worker = worker();
    let wanted = [
        "bin", "dev", "etc", "lib", "lib64", "nix", "proc", "qconform", "sbin", "tmp", "usr",
    ];
    for name in ask(&mut worker, "list /").split(',') {
        that(wanted.contains(&name), &format!("{name} shows in the root"))?;
    }
    that(
        !Path::new("/etc/passwd").exists() || ask(&mut worker, "read /etc/passwd") == "error 2",
        "passwd is there",
    )?;
    equal(ask(&mut worker, "list /tmp").as_str(), "")
}

fn an_extra_folder_is_visible_and_read_only() -> Result<(), Failed> {
    let folder = tempfile::tempdir().unwrap();
    // Nobody else may pass the parent: the clone is taken before the ids change.
    let shown = folder.path().join("shown");
    fs::create_dir(&shown).unwrap();
    fs::write(shown.join("file"), "content").unwrap();
    fs::write(folder.path().join("hidden"), "content").unwrap();
    let mut settings = settings();
    settings.visible = vec![shown.clone()];
    let mut worker = Worker::start(&settings).unwrap();
    equal(
        ask(&mut worker, &format!("read {}/file", shown.display())).as_str(),
        "content",
    )?;
    equal(
        ask(&mut worker, &format!("write {}/new", shown.display())).as_str(),
        "error 30",
    )?;
    equal(
        ask(&mut worker, &format!("list {}", folder.path().display())).as_str(),
        "shown",
    )
}

fn system_folders_can_not_be_written() -> Result<(), Failed> {
    let mut worker = worker();
    equal(ask(&mut worker, "write /usr/file").as_str(), "error 30")?;
    equal(ask(&mut worker, "write /qconform").as_str(), "error 30")?;
    equal(ask(&mut worker, "write /tmp/file").as_str(), "written")
}

fn other_processes_are_not_seen() -> Result<(), Failed> {
    let mut worker = worker();
    if proc_is_missing(&mut worker) {
        return Ok(());
    }
    let listing = ask(&mut worker, "list /proc");
    let processes: Vec<_> = listing
        .split(',')
        .filter(|name| name.parse::<u32>().is_ok())
        .collect();
    equal(processes, vec!["1"])
}

fn there_is_no_network() -> Result<(), Failed> {
    let mut worker = worker();
    if proc_is_missing(&mut worker) {
        return Ok(());
    }
    let devices = ask(&mut worker, "read /proc/self/net/dev");
    let interfaces: Vec<_> = devices
        .split(';')
        .skip(2)
        .filter_map(|line| line.split_once(':'))
        .collect();
    let names: Vec<_> = interfaces.iter().map(|(name, _)| name.trim()).collect();
    equal(names, vec!["lo"])?;
    // An interface that is down has no route, not even the local one.
    that(
        !ask(&mut worker, "read /proc/self/net/fib_trie").contains("127.0.0.1"),
        "lo is up",
    )
}

fn the_environment_is_cleared_but_for_the_path() -> Result<(), Failed> {
    equal(ask(&mut worker(), "environment").as_str(), "PATH")
}

fn the_tmpfs_is_as_large_as_asked_for() -> Result<(), Failed> {
    let mut settings = settings();
    settings.tmpfs_bytes = 4 << 20;
    let mut worker = Worker::start(&settings).unwrap();
    equal(ask(&mut worker, "fill 3").as_str(), "filled")?;
    equal(ask(&mut worker, "fill 5").as_str(), "error 28")
}

fn two_workers_share_no_file() -> Result<(), Failed> {
    let (mut one, mut other) = (worker(), worker());
    // A name that nobody else makes on the host.
    let file = format!("/tmp/qconform-private-{}", std::process::id());
    equal(ask(&mut one, &format!("write {file}")).as_str(), "written")?;
    equal(ask(&mut other, "list /tmp").as_str(), "")?;
    that(!Path::new(&file).exists(), "the file shows on the host")
}

fn an_aborted_worker_is_reported_and_replaced() -> Result<(), Failed> {
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

fn a_hung_worker_is_given_up_at_the_deadline() -> Result<(), Failed> {
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

fn what_a_worker_prints_is_no_reply() -> Result<(), Failed> {
    let mut worker = worker();
    equal(ask(&mut worker, "print").as_str(), "reply")?;
    equal(ask(&mut worker, "echo next").as_str(), "next")
}

fn a_reply_of_two_lines_ends_the_worker() -> Result<(), Failed> {
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

fn orphans_are_reaped_between_requests() -> Result<(), Failed> {
    let mut worker = worker();
    if proc_is_missing(&mut worker) {
        return Ok(());
    }
    equal(ask(&mut worker, "orphan").as_str(), "exit status: 0")?;
    let listing = ask(&mut worker, "list /proc");
    let processes: Vec<_> = listing
        .split(',')
        .filter(|name| name.parse::<u32>().is_ok())
        .collect();
    equal(processes, vec!["1"])
}

/// Starts a worker with a child, names the worker, and waits.
fn be_a_parent(seconds: &str) -> ExitCode {
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

fn nothing_outlives_a_killed_parent() -> Result<(), Failed> {
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
