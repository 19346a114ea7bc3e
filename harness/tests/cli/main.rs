//! The command line, through the real binary.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod bad_input;
mod baseline;
mod blockdev;
mod blockdev_secret;
mod capture;
mod credentials;
mod daemon;
mod describe;
mod generate;
mod kill;
#[path = "../common/needs.rs"]
mod needs;
mod pivot;
mod qemu_blockdev;
mod real_input;
mod report;
mod run;
mod suite;

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

/// No command of these tests takes this long; one that does hangs.
const DEADLINE: Duration = Duration::from_secs(60);

/// The binary under test. Where another user can't reach the build folder, the variable
/// names a copy.
fn binary() -> PathBuf {
    std::env::var_os("QCONFORM_BIN")
        .map_or_else(|| env!("CARGO_BIN_EXE_qconform").into(), Into::into)
}

/// What a command did.
struct Ran {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

/// Runs `qconform` in a folder; fails the test if it hangs.
fn qconform<S: AsRef<OsStr>>(dir: &Path, args: &[S]) -> Ran {
    let mut child = Command::new(binary())
        .args(args)
        .current_dir(dir)
        .env("NO_COLOR", "1")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let began = Instant::now();
    let waiter = std::thread::spawn({
        let pid = rustix::process::Pid::from_child(&child);
        move || {
            while began.elapsed() < DEADLINE {
                std::thread::sleep(Duration::from_millis(50));
                if rustix::process::test_kill_process(pid).is_err() {
                    return;
                }
            }
            let _gone = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
        }
    });
    drop(child.stdin.take());
    let Output {
        status,
        stdout,
        stderr,
    } = child.wait_with_output().unwrap();
    waiter.join().unwrap();
    Ran {
        code: status.code(),
        stdout: String::from_utf8(stdout).unwrap(),
        stderr: String::from_utf8(stderr).unwrap(),
    }
}

/// Whether a test that needs `name` can run; says why not, or fails where it is required.
fn has(name: &str, present: bool) -> bool {
    let missing = (!present).then(|| format!("{name} is missing"));
    let reason = needs::or_skip(name, missing);
    if let Some(reason) = &reason {
        println!("skipped: {reason}");
    }
    reason.is_none()
}

/// Whether the subject `qemu` can be tested here.
fn has_qemu() -> bool {
    let installed = ["qemu-img", "qemu-io"].map(|program| which::which(program).is_ok());
    has("qemu", !installed.contains(&false))
}

/// Whether workers of the sandbox can be made, with several ids.
fn can_label() -> bool {
    let report = qconform(Path::new("/"), &["doctor", "--json"]).stdout;
    let present = report.lines().any(|line| {
        let capability: serde_json::Value = serde_json::from_str(line).unwrap();
        capability["name"] == "id-range" && capability["present"] == true
    });
    has("id-range", present)
}

/// Names in a folder, sorted.
fn names(dir: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(dir).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// A scenario of the user's own, which the reference fulfils.
const SCENARIO: &str = r#"
title = "a data file follows its image"
level = "label"
requirements = ["label.data-file-follows-image"]

[files]
"disk.qcow2" = { qcow2 = { data-file = "disk.raw" } }
"disk.raw" = { raw = {} }

[domain]
disks = [{ source = "disk.qcow2" }]

[[expect]]
matrix = [
  { file = "disk.qcow2", start = "vm, rw", stop = "original" },
  { file = "disk.raw", start = "vm, rw", stop = "original" },
]
"#;
