//! The subject `qemu` at level `blockdev`: the nodes that a real `qemu-storage-daemon` opens.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use qconform_reports::event::CaseEvent;
use qconform_reports::stream::Run;
use qconform_scenarios::verdict::Verdict;

use crate::daemon::is_here;
use crate::{binary, has_qemu, qconform};

/// Runs a scenario of one case against QEMU, and gives what is said of it.
fn judged(scenario: &str) -> CaseEvent {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("t.toml"), scenario).unwrap();
    let ran = qconform(dir.path(), &["run", "t.toml", "--subject", "qemu"]);
    assert!(
        matches!(ran.code, Some(0 | 1)),
        "{}{}",
        ran.stdout,
        ran.stderr
    );
    let run = Run::open(&dir.path().join("conformance.out/run.jsonl")).unwrap();
    assert_eq!(run.cases.len(), 1, "{}", ran.stdout);
    run.cases[0].clone()
}

/// The files of a chain of two images with data files, and a disk over it.
fn scenario(disk: &str, accept: &str) -> String {
    format!(
        r#"
title = "a chain with data files"
level = "blockdev"
requirements = ["blockdev.data-file-node"]

[files]
"top.qcow2" = {{ qcow2 = {{ data-file = "top.raw", backing = "lower/base.qcow2", backing-format = "qcow2" }} }}
"top.raw" = {{ raw = {{}} }}
"other.raw" = {{ raw = {{}} }}
"base.raw" = {{ raw = {{}} }}
"lower/base.qcow2" = {{ qcow2 = {{ data-file = "base.raw" }} }}
"lower/base.raw" = {{ raw = {{}} }}

[domain]
disks = [{{ source = "top.qcow2"{disk} }}]

[[expect]]
accept = [{accept}]
"#
    )
}

const TOP: &str = r#"{ file = "top.qcow2", driver = "qcow2", read-only = false, data-file = "top.raw", backing = "lower/base.qcow2" }"#;

#[test]
fn what_qemu_opens_of_a_chain_is_compared_layer_by_layer() {
    if !is_here() {
        return;
    }
    // Where the name in the base leads to depends on whom one asks.
    let wanted = |data_file: &str| {
        let base = format!(
            r#"{{ file = "lower/base.qcow2", driver = "qcow2", read-only = true, data-file = "{data_file}" }}"#
        );
        scenario("", &format!("{TOP}, {base}"))
    };
    let working_folder = judged(&wanted("base.raw"));
    assert_eq!(working_folder.verdict, Verdict::Pass, "{working_folder:#?}");
    let images_folder = judged(&wanted("lower/base.raw"));
    assert_eq!(images_folder.verdict, Verdict::Fail);
    assert_eq!(
        images_folder.message,
        "lower/base.qcow2: expected qcow2, read-only, data file lower/base.raw, backing none, \
         got not found"
    );
    let found = &images_folder.differences[1].observed;
    assert!(found.contains("data file base.raw"), "{found}");
}

#[test]
fn what_is_declared_is_opened_instead_and_as_the_disk_says() {
    if !is_here() {
        return;
    }
    let disk =
        r#", kind = "readonly", data-store = "declared other.raw", backing-store = "terminated""#;
    let row = |access: bool, data_file: &str| {
        format!(
            r#"{{ file = "top.qcow2", driver = "qcow2", read-only = {access}, data-file = "{data_file}" }}"#
        )
    };
    let declared = judged(&scenario(disk, &row(true, "other.raw")));
    assert_eq!(declared.verdict, Verdict::Pass, "{declared:#?}");
    for (access, data_file) in [(false, "other.raw"), (true, "top.raw")] {
        let wrong = judged(&scenario(disk, &row(access, data_file)));
        assert_eq!(wrong.verdict, Verdict::Fail, "{access} {data_file}");
    }
}

#[test]
fn an_image_that_qemu_refuses_is_refused_in_its_words() {
    if !is_here() {
        return;
    }
    let image = r#""top.qcow2" = { qcow2 = { defects = ["version=4"] } }"#;
    let rejected = scenario("", TOP)
        .lines()
        .map(|line| {
            if line.starts_with("\"top.qcow2\"") {
                image
            } else {
                line
            }
        })
        .fold(String::new(), |text, line| text + line + "\n");
    let event = judged(&rejected);
    assert_eq!(event.verdict, Verdict::Fail);
    let expected = "answer: expected accepted, got rejected (refused: Unsupported qcow2 version 4)";
    assert_eq!(event.message, expected);
}

#[test]
fn a_domain_that_qemu_cannot_be_given_is_not_judged() {
    if !is_here() {
        return;
    }
    let event = judged(&scenario(r#", kind = "transient""#, TOP));
    assert_eq!(event.verdict, Verdict::Unsupported);
    assert!(
        event.message.contains("transient disk"),
        "{}",
        event.message
    );
}

/// Runs the program where QEMU's programs are there but for the daemon.
fn without_daemon(folder: &Path, arguments: &[&str]) -> Output {
    for program in ["qemu-img", "qemu-io"] {
        let link = folder.join(program);
        if !link.exists() {
            std::os::unix::fs::symlink(which::which(program).unwrap(), link).unwrap();
        }
    }
    let mut command = Command::new(binary());
    command
        .args(arguments)
        .current_dir(folder)
        .env("PATH", folder);
    command.output().unwrap()
}

#[test]
fn without_the_daemon_a_level_is_missing_and_says_so() {
    if !has_qemu() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let doctor = without_daemon(dir.path(), &["doctor"]);
    let text = String::from_utf8(doctor.stdout).unwrap();
    let lacking = "without qemu-storage-daemon it isn't asked at level blockdev";
    assert!(
        text.contains(&format!("qemu               subject; {lacking}")),
        "{text}"
    );
    let run = without_daemon(dir.path(), &["run", "--require", "qemu"]);
    assert_eq!(run.status.code(), Some(3));
    let errors = String::from_utf8(run.stderr).unwrap();
    assert!(errors.contains(lacking), "{errors}");
}
