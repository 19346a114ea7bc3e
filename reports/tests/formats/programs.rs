//! Formats read by the programs that they are for.

use std::io::Write;
use std::process::{Command, Output, Stdio};

use qconform_reports::format::Format;
use qconform_reports::stream::Run;
use qconform_scenarios::verdict::Verdict;
use rstest::rstest;

use crate::every::{hostile, written};
use crate::runs::{empty, run_saying, stored};

/// Runs a program on a text; `None` if it isn't installed, which `QCONFORM_REQUIRE=programs`
/// makes a failure.
fn run(program: &str, arguments: &[&str], input: &str) -> Option<Output> {
    let child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = match child {
        Ok(child) => child,
        Err(error) => {
            let required = std::env::var("QCONFORM_REQUIRE").unwrap_or_default();
            let required = required.split(',').any(|name| name == "programs");
            assert!(!required, "{program}: {error}");
            eprintln!("skipped: {program}: {error}");
            return None;
        }
    };
    let mut stdin = child.stdin.take().unwrap();
    // A program that refuses its input early is judged by what it says.
    let _broken_pipe = stdin.write_all(input.as_bytes());
    drop(stdin);
    Some(child.wait_with_output().unwrap())
}

#[rstest]
#[case::stored(stored())]
#[case::empty(empty())]
#[case::hostile(hostile("</a>\u{1b}[2J\u{0}]]>\u{fffe}\u{202e}\"'&"))]
fn junit_is_as_the_schema_of_jenkins_wants_it(#[case] report: Run) {
    let schema = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/jenkins-junit.xsd");
    let xml = written(Format::Junit, &report);
    let Some(output) = run("xmllint", &["--noout", "--schema", schema, "-"], &xml) else {
        return;
    };
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
}

#[test]
fn the_schema_of_jenkins_refuses_what_is_not_junit() {
    let schema = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/jenkins-junit.xsd");
    let xml = written(Format::Junit, &stored()).replace("<testcase ", "<testcase status=\"x\" ");
    let Some(output) = run("xmllint", &["--noout", "--schema", schema, "-"], &xml) else {
        return;
    };
    assert!(!output.status.success());
}

/// What prove says of a TAP report. Perl's older than 5.42 know no later version than 13 and
/// take its word for an error, so that one line is made what they know.
fn prove(report: &Run) -> Option<(bool, String)> {
    let folder = std::env::temp_dir();
    let path = folder.join(format!(
        "qconform-{}-{:?}.tap",
        std::process::id(),
        std::thread::current().id()
    ));
    std::fs::write(
        &path,
        written(Format::Tap, report).replacen("version 14", "version 13", 1),
    )
    .unwrap();
    let output = run("prove", &["--exec", "cat", path.to_str().unwrap()], "");
    std::fs::remove_file(&path).unwrap();
    let output = output?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    Some((output.status.success(), text))
}

#[rstest]
#[case::expected_deviations_pass(
    run_saying("x", &[Verdict::Pass, Verdict::Known, Verdict::Skipped, Verdict::Info]), true, "Tests=4"
)]
#[case::directives_in_names_do_nothing(
    run_saying("# SKIP # TODO \\# x", &[Verdict::Pass, Verdict::Fail]), false, "Failed test:  2"
)]
#[case::hostile_text(hostile("1..7\nok 1\nBail out!\u{0}"), false, "Failed 7/13")]
fn prove_reads_tap(#[case] report: Run, #[case] success: bool, #[case] words: &str) {
    let Some((passed, text)) = prove(&report) else {
        return;
    };
    assert!(!text.contains("Parse errors"), "{text}");
    assert_eq!(passed, success, "{text}");
    assert!(text.contains(words), "{text}");
}

#[test]
fn prove_counts_the_stored_run() {
    let Some((passed, text)) = prove(&stored()) else {
        return;
    };
    assert!(!passed);
    // Six failures, an unexpected pass and a harness error, and the stale baseline.
    assert!(text.contains("Failed 8/19"), "{text}");
}
