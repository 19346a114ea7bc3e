//! `command:` subjects: programs that speak no protocol.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use qconform_scenarios::verdict::Verdict;
use rstest::rstest;
use tempfile::TempDir;

use crate::run::{Finished, check_subject, run_subject};

/// Tells the magic, and does at other images what its first argument says.
const TOOL: &str = r#"#!/bin/sh
[ "$1" = --version ] && { echo "tool 1.2"; exit 0; }
[ "$1" = domain ] && { grep -q "<domain" "$2" && printf '{"files":[]}'; exit; }
image=$2
if [ "$(head -c 3 "$image")" != QFI ]; then
    echo "no image" >&2
    case $1 in crash) kill -ABRT $$ ;; hang) sleep 60 ;; flood) yes ;; status) exit 3 ;; *) exit 1 ;; esac
fi
case $1 in
    json) printf '{"header":{"format":"qcow2","version":3}}' ;;
    wrong) printf '{"header":{"virtual_size":"many"}}' ;;
    zeros) head -c "$4" /dev/zero ;;
    short) printf x ;;
esac
"#;

fn tool() -> (TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tool");
    fs::write(&path, TOOL).unwrap();
    fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
    fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o755)).unwrap();
    let text = path.to_str().unwrap().to_owned();
    (folder, text)
}

fn one(line: &str, case: &str) -> Finished {
    let (_folder, tool) = tool();
    run_subject(&format!("command:{}", line.replace("TOOL", &tool)), &[case])
}

#[rstest]
#[case::what_is_no_image("TOOL json {image}", "header/plain/raw/as=qcow2", Verdict::Pass, "")]
#[case::facts(
    "TOOL json {image}",
    "header/plain/qcow2/as=qcow2,cluster-bits=9,version=3",
    Verdict::Pass,
    ""
)]
#[case::no_facts(
    "TOOL none {image}",
    "header/plain/qcow2/as=qcow2,cluster-bits=9,version=3",
    Verdict::Pass,
    ""
)]
#[case::facts_of_a_wrong_kind(
    "TOOL wrong {image}",
    "header/plain/qcow2/as=qcow2,cluster-bits=9,version=3",
    Verdict::Crashed,
    "its JSON has facts that the protocol doesn't know"
)]
#[case::not_declared(
    "TOOL json {image}",
    "header/plain/raw/as=probe",
    Verdict::Unsupported,
    "recognising a format"
)]
#[case::another_format(
    "TOOL json {image}",
    "header/plain/raw/as=raw",
    Verdict::Unsupported,
    "format raw"
)]
#[case::a_format_that_it_takes(
    "TOOL json {image} {format}",
    "header/plain/raw/as=raw",
    Verdict::Fail,
    "answer: expected accepted, got rejected (exit-status-1: no image)"
)]
#[case::a_signal(
    "TOOL crash {image}",
    "header/plain/raw/as=qcow2",
    Verdict::Crashed,
    "signal 6: no image"
)]
#[case::another_status(
    "TOOL status {image}",
    "header/plain/raw/as=qcow2",
    Verdict::Crashed,
    "exit status 3: no image"
)]
#[case::much_output(
    "TOOL flood {image}",
    "header/plain/raw/as=qcow2",
    Verdict::Crashed,
    "too much output"
)]
#[case::guest_bytes(
    "read= TOOL zeros {image} {offset} {length}",
    "read/plain/cluster-bits=9,version=3",
    Verdict::WrongData,
    "guest offset 0: expected disk.qcow2@0, got zeros"
)]
#[case::too_few_bytes(
    "read= TOOL short {image} {offset} {length}",
    "read/plain/cluster-bits=9,version=3",
    Verdict::Crashed,
    "it printed 1 bytes, not the 512 at 0"
)]
fn a_program_answers_with_its_exit_status_and_its_output(
    #[case] line: &str,
    #[case] case: &str,
    #[case] verdict: Verdict,
    #[case] message: &str,
) {
    let finished = one(line, case);
    let found = finished.cases.first();
    let found = found.unwrap_or_else(|| panic!("{}", finished.text));
    assert_eq!(found.verdict, verdict, "{}", found.message);
    assert!(found.message.starts_with(message), "{}", found.message);
}

#[test]
fn a_domain_is_given_as_a_file_and_a_version_is_told() {
    let line = "access= TOOL domain {domain} ; version= TOOL --version";
    let finished = one(line, "access/data-file/disk=rw,known=detected,raw=off");
    assert!(finished.text.contains("tool 1.2"), "{}", finished.text);
    assert_eq!(
        finished.cases[0].verdict,
        Verdict::Fail,
        "{}",
        finished.text
    );
    assert!(
        finished.cases[0].message.contains("disk.qcow2"),
        "{}",
        finished.text
    );
}

#[test]
fn a_command_is_checked_as_far_as_it_can_be_asked() {
    let (_folder, tool) = tool();
    let line = format!(
        "command:header= {tool} json {{image}} ; read= {tool} zeros {{image}} {{offset}} {{length}}"
    );
    let checked = check_subject(&line);
    assert_eq!(checked.code, 1, "{}", checked.text);
    assert!(
        checked
            .text
            .contains("ok    header: a path that is not UTF-8"),
        "{}",
        checked.text
    );
    assert!(
        checked.text.contains("ok    read: no file"),
        "{}",
        checked.text
    );
    assert!(
        checked
            .text
            .contains("problem   at offset 0 there are other bytes"),
        "{}",
        checked.text
    );
}

#[rstest]
#[case::a_faulty_line(
    "command:sh image",
    2,
    "the command line for `header` has no `{image}`"
)]
#[case::no_program(
    "command:no-such-program {image}",
    3,
    "there is no program `no-such-program`"
)]
fn a_command_that_could_not_work_is_refused(
    #[case] subject: &str,
    #[case] code: i32,
    #[case] message: &str,
) {
    let finished = run_subject(subject, &["header/plain/**"]);
    assert_eq!(finished.code, code, "{}", finished.text);
    assert!(finished.text.contains(message), "{}", finished.text);
    assert!(finished.cases.is_empty());
}
