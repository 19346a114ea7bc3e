//! A run that is killed leaves nothing but its output folder.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::{binary, can_label, names};

/// Process id and start time of every process below `root`, which tell a process from
/// a later one with the same id.
fn descendants(root: u32) -> Vec<(u32, String)> {
    let mut all = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let Ok(pid) = entry.file_name().to_string_lossy().parse::<u32>() else {
            continue;
        };
        let Some((parent, started)) = stat(pid) else {
            continue;
        };
        all.push((pid, parent, started));
    }
    let mut found = vec![root];
    let mut index = 0;
    while index < found.len() {
        let parent = found[index];
        found.extend(
            all.iter()
                .filter(|(_, of, _)| *of == parent)
                .map(|(pid, ..)| *pid),
        );
        index += 1;
    }
    all.into_iter()
        .filter(|(pid, ..)| *pid != root && found.contains(pid))
        .map(|(pid, _, started)| (pid, started))
        .collect()
}

/// Parent and start time of a live process.
fn stat(pid: u32) -> Option<(u32, String)> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
    (fields.first() != Some(&"Z")).then(|| (fields[1].parse().unwrap(), fields[19].to_owned()))
}

/// A run in `dir` that has begun and isn't over.
fn begin(dir: &Path) -> Child {
    let mut run = Command::new(binary())
        .args(["run", "--jobs", "2"])
        .current_dir(dir)
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let stream = dir.join("conformance.out/run.jsonl");
    let began = Instant::now();
    while fs::read_to_string(&stream)
        .unwrap_or_default()
        .lines()
        .count()
        < 10
    {
        assert!(run.try_wait().unwrap().is_none(), "the run ended too early");
        assert!(
            began.elapsed() < Duration::from_secs(30),
            "the run does not begin"
        );
        std::thread::sleep(Duration::from_millis(1));
    }
    run
}

#[test]
fn a_killed_run_leaves_no_process_mount_or_file() {
    if !can_label() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let mounts = || fs::read_to_string("/proc/self/mountinfo").unwrap();
    let mounts_before = mounts();
    let mut parent = begin(dir.path());
    let workers = descendants(parent.id());
    parent.kill().unwrap();
    parent.wait().unwrap();
    assert!(!workers.is_empty());

    let began = Instant::now();
    let alive = || {
        workers
            .iter()
            .filter(|(pid, started)| stat(*pid).is_some_and(|(_, now)| now == *started))
            .count()
    };
    while alive() > 0 {
        assert!(
            began.elapsed() < Duration::from_secs(5),
            "{} processes are left",
            alive()
        );
        std::thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(mounts(), mounts_before);
    assert_eq!(names(dir.path()), ["conformance.out"]);
    assert_eq!(names(&dir.path().join("conformance.out")), ["run.jsonl"]);
    let stream = dir.path().join("conformance.out/run.jsonl");
    let events = fs::read_to_string(stream).unwrap();
    assert!(
        !events.contains("\"footer\""),
        "the killed run claims to be complete"
    );
}

#[test]
fn an_interrupted_run_says_that_it_is_incomplete() {
    if !can_label() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let mut run = begin(dir.path());
    let pid = rustix::process::Pid::from_child(&run);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    assert_eq!(run.wait().unwrap().code(), Some(130));
    let folder = dir.path().join("conformance.out");
    let run = qconform_reports::stream::Run::open(&folder.join("run.jsonl")).unwrap();
    assert!(!run.footer.unwrap().complete);
    assert_eq!(
        names(&folder),
        [
            "failures.txt",
            "junit.xml",
            "passes.txt",
            "report.html",
            "run.jsonl"
        ]
    );
}
