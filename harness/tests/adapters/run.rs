//! Runs the command line.

use std::path::PathBuf;
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
    let mut command = Command::new(env!("CARGO_BIN_EXE_qconform"));
    command
        .args(args)
        .current_dir(scratch.path())
        .env("QCONFORM_CACHE", scratch.path().join("cache"));
    (command, scratch)
}

/// A folder or file of this test.
pub(crate) fn file(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/adapters")
        .join(name)
}

/// Runs cases against the adapter at a path.
pub(crate) fn run(adapter: &str, cases: &[&str]) -> Finished {
    let subject = format!("adapter:{adapter}");
    let (mut command, scratch) =
        qconform(&[&["run", "--subject", subject.as_str()], cases].concat());
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
