//! Runs the command line.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use qconform_reports::event::CaseEvent;
use qconform_reports::stream::Run;
use tempfile::TempDir;

/// A finished run.
pub(crate) struct Finished {
    /// Exit code.
    pub(crate) code: i32,
    /// Standard output and error.
    pub(crate) text: String,
    /// The verdicts; none if the run did not begin.
    pub(crate) cases: Vec<CaseEvent>,
}

/// `qconform` with these arguments and no installed adapter.
pub(crate) fn qconform(args: &[&str]) -> (Command, TempDir) {
    let scratch = tempfile::tempdir().unwrap();
    let mut command = Command::new(binary());
    command
        .args(args)
        .current_dir(scratch.path())
        .env("QCONFORM_CACHE", scratch.path().join("cache"));
    (command, scratch)
}

/// The binary under test. Where another user can't reach the build folder, the variable
/// names a copy.
fn binary() -> PathBuf {
    std::env::var_os("QCONFORM_BIN")
        .map_or_else(|| env!("CARGO_BIN_EXE_qconform").into(), Into::into)
}

/// Whether this machine gives workers more than one id.
pub(crate) fn has_range() -> bool {
    let (mut doctor, _scratch) = qconform(&["doctor", "--json"]);
    let output = doctor.output().unwrap();
    let mut lines = output.stdout.split(|byte| *byte == b'\n');
    lines.any(|line| {
        let capability: serde_json::Value = serde_json::from_slice(line).unwrap_or_default();
        capability["name"] == "id-range" && capability["present"] == true
    })
}

/// Writes an adapter's files into a new folder: the source tree may be out of reach, too.
pub(crate) fn staged(folder: &Path, files: &[(&str, &str)]) {
    fs::create_dir(folder).unwrap();
    for (name, text) in files {
        fs::write(folder.join(name), text).unwrap();
    }
}

/// Runs cases against the adapter at a path.
pub(crate) fn run(adapter: &str, cases: &[&str]) -> Finished {
    run_subject(&format!("adapter:{adapter}"), cases)
}

/// Runs cases against a subject.
pub(crate) fn run_subject(subject: &str, cases: &[&str]) -> Finished {
    let (mut command, scratch) = qconform(&[&["run", "--subject", subject], cases].concat());
    let output = command.output().unwrap();
    let path = scratch.path().join("conformance.out/run.jsonl");
    let cases = std::fs::read(&path).map_or_else(
        |_| Vec::new(),
        |bytes| Run::read(&path, bytes.as_slice()).unwrap().cases,
    );
    let text = [output.stdout, output.stderr].concat();
    Finished {
        code: output.status.code().unwrap(),
        text: String::from_utf8_lossy(&text).into_owned(),
        cases,
    }
}

/// What `subject check` said.
pub(crate) struct Checked {
    /// Exit code.
    pub(crate) code: i32,
    /// Standard output and error.
    pub(crate) text: String,
}

impl Checked {
    /// How many lines begin with this mark.
    pub(crate) fn count(&self, mark: &str) -> usize {
        let mark = format!("{mark}  ");
        self.text
            .lines()
            .filter(|line| line.starts_with(&mark))
            .count()
    }
}

/// Checks the adapter at a path.
pub(crate) fn check(adapter: &str) -> Checked {
    check_subject(&format!("adapter:{adapter}"))
}

/// Checks a subject.
pub(crate) fn check_subject(subject: &str) -> Checked {
    let (mut command, _scratch) = qconform(&["subject", "check", subject]);
    let output = command.output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    Checked {
        code: output.status.code().unwrap(),
        text: String::from_utf8_lossy(&text).into_owned(),
    }
}
