//! Runs: reports, exit codes, what becomes of an earlier run.

use std::fs;
use std::io::Read;
use std::process::{Command, Stdio};

use qconform_reports::stream::Run;
use qconform_scenarios::verdict::Verdict;

use crate::{SCENARIO, binary, can_label, has_qemu, names, qconform};

const REPORTS: [&str; 5] = [
    "failures.txt",
    "junit.xml",
    "passes.txt",
    "report.html",
    "run.jsonl",
];

#[test]
fn the_whole_suite_passes_against_the_reference() {
    if !can_label() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let ran = qconform(dir.path(), &["run", "--subject", "reference"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stdout);
    assert_eq!(names(dir.path()), ["conformance.out"]);
    assert_eq!(names(&dir.path().join("conformance.out")), REPORTS);
    let run = Run::open(&dir.path().join("conformance.out/run.jsonl")).unwrap();
    let cases = qconform(dir.path(), &["list"]).stdout.lines().count();
    assert_eq!(run.cases.len(), cases);
    let others: Vec<_> = run
        .cases
        .iter()
        .filter(|case| case.verdict != Verdict::Pass)
        .collect();
    assert!(others.is_empty(), "{others:#?}");
}

#[test]
fn qemu_deviates_only_as_its_baseline_says() {
    if !has_qemu() || !can_label() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let ran = qconform(dir.path(), &["run", "--subject", "qemu"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stdout);
    let run = Run::open(&dir.path().join("conformance.out/run.jsonl")).unwrap();
    let known = run
        .cases
        .iter()
        .filter(|case| case.verdict == Verdict::Known);
    assert!(known.clone().count() > 0);
    assert!(known.clone().all(|case| case.known_reason.is_some()));
}

#[test]
fn a_scenario_of_the_users_own_runs() {
    if !can_label() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("my-bug.toml"), SCENARIO).unwrap();
    let ran = qconform(
        dir.path(),
        &["run", "my-bug.toml", "--subject", "reference"],
    );
    assert_eq!(ran.code, Some(0), "{}", ran.stdout);
    let run = Run::open(&dir.path().join("conformance.out/run.jsonl")).unwrap();
    assert_eq!(&*run.cases[0].case, "my-bug");
}

#[test]
fn a_failure_is_named_with_the_command_that_repeats_it() {
    if !can_label() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let wrong = SCENARIO.replace(
        "\"disk.raw\", start = \"vm, rw\"",
        "\"disk.raw\", start = \"vm, ro\"",
    );
    assert_ne!(wrong, SCENARIO);
    fs::write(dir.path().join("my-bug.toml"), wrong).unwrap();
    let ran = qconform(
        dir.path(),
        &["run", "my-bug.toml", "--subject", "reference"],
    );
    assert_eq!(ran.code, Some(1), "{}", ran.stdout);
    let failures = fs::read_to_string(dir.path().join("conformance.out/failures.txt")).unwrap();
    assert!(
        failures.starts_with("fail\treference\tmy-bug\tstart: disk.raw label: "),
        "{failures}"
    );
    let run = Run::open(&dir.path().join("conformance.out/run.jsonl")).unwrap();
    let [cell] = run.cases[0].cells.as_slice() else {
        panic!("{:?}", run.cases[0].cells);
    };
    assert_eq!((&*cell.step, &*cell.file), ("start", "disk.raw"));
    assert!(!cell.allowed);
    assert_eq!(cell.expected.owner, cell.observed.owner);
    let type_of =
        |label: &Option<String>| label.clone().unwrap().split(':').nth(2).map(str::to_owned);
    assert_eq!(type_of(&cell.expected.label).unwrap(), "virt_content_t");
    assert_eq!(type_of(&cell.observed.label).unwrap(), "svirt_image_t");
    let repeat = "qconform run 'my-bug.toml' --subject reference --exact 'my-bug'";
    assert!(ran.stdout.contains(repeat), "{}", ran.stdout);
    let again = [
        "run",
        "my-bug.toml",
        "--subject",
        "reference",
        "--exact",
        "my-bug",
    ];
    assert_eq!(qconform(dir.path(), &again).code, Some(1));
}

#[test]
fn an_earlier_run_is_kept_as_old() {
    let dir = tempfile::tempdir().unwrap();
    for _ in 0..3 {
        let ran = qconform(
            dir.path(),
            &["run", "header/plain/raw", "--subject", "reference"],
        );
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    }
    assert_eq!(
        names(dir.path()),
        ["conformance.out", "conformance.out.old"]
    );
    assert_eq!(names(&dir.path().join("conformance.out.old")), REPORTS);
}

#[test]
fn the_same_seed_gives_the_same_events() {
    let dir = tempfile::tempdir().unwrap();
    let run = |out: &str| {
        let args = [
            "run",
            "read",
            "--subject",
            "reference",
            "--seed",
            "7",
            "-o",
            out,
        ];
        assert_eq!(qconform(dir.path(), &args).code, Some(0));
        let mut cases = Run::open(&dir.path().join(out).join("run.jsonl"))
            .unwrap()
            .cases;
        cases.sort_by(|a, b| a.case.cmp(&b.case));
        cases.iter_mut().for_each(|case| case.micros = 0);
        cases
    };
    assert_eq!(run("one"), run("two"));
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let mut child = Command::new(binary())
        .arg("list")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let mut stderr = String::new();
    child
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut stderr)
        .unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert_eq!(stderr, "");
}
