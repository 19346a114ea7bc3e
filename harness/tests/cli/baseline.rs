//! Baselines of one's own, and bringing one up to date.

use std::fs;

use crate::{can_label, has_qemu, qconform};

/// Claims that the reference fails a case that it passes.
const WRONG: &str = "[[deviation]]\ncases = \"header/**\"\nverdict = \"fail\"\nmessage = \"\"\n\
    severity = \"refusal\"\nrequirement = \"header.version\"\nreason = \"A test says so.\"\n";

#[test]
fn a_baseline_of_ones_own_is_held_to_what_happens() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("b.toml"), WRONG).unwrap();
    let given = [
        "run",
        "--subject",
        "reference",
        "--baseline",
        "reference=b.toml",
    ];
    let ran = qconform(dir.path(), &[&given[..], &["header/data-file/**"]].concat());
    assert_eq!(ran.code, Some(5), "{}{}", ran.stdout, ran.stderr);
    assert!(ran.stdout.contains("fixed"), "{}", ran.stdout);
}

#[test]
fn a_baseline_is_not_brought_up_to_date_with_a_part_of_the_suite() {
    let dir = tempfile::tempdir().unwrap();
    let part = ["run", "--subject", "reference", "header/data-file/**"];
    assert_eq!(qconform(dir.path(), &part).code, Some(0));
    let ran = qconform(
        dir.path(),
        &["baseline", "update", "reference", "--file", "b.toml"],
    );
    assert_eq!(ran.code, Some(6));
    assert!(ran.stderr.contains("cases were selected"), "{}", ran.stderr);
    assert!(!dir.path().join("b.toml").exists());
}

#[test]
fn a_baseline_that_was_empty_waits_for_reasons() {
    if !has_qemu() || !can_label() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("b.toml"), "# QEMU\n").unwrap();
    let run = ["run", "--subject", "qemu", "--baseline", "qemu=b.toml"];
    assert_eq!(qconform(dir.path(), &run).code, Some(1));
    let update = ["baseline", "update", "qemu", "--file", "b.toml"];
    let ran = qconform(dir.path(), &update);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert!(ran.stdout.contains("added: read/data-file/other-folder/*"));
    let text = fs::read_to_string(dir.path().join("b.toml")).unwrap();
    assert!(text.starts_with("# QEMU\n"), "{text}");
    assert_eq!(qconform(dir.path(), &run).code, Some(2));
    let told = text.replace("TODO: what was seen, in a sentence", "It was seen.");
    fs::write(dir.path().join("b.toml"), &told).unwrap();
    // The same run bears it out.
    assert_eq!(qconform(dir.path(), &update).code, Some(0));
    assert_eq!(fs::read_to_string(dir.path().join("b.toml")).unwrap(), told);
}
