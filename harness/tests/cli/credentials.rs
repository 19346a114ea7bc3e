//! Credentials of a case stand in no report of it.

use std::fs;
use std::path::Path;

use crate::{can_label, has_qemu, qconform};

const SECRET: &str = "swordfish1";
/// The same as the beginning of an image shows it.
const IN_HEX: &str = "73776f726466697368";

/// A case that fails, so that everything is told of it.
const FAILING: &str = r#"
title = "a name is told: {name}"
level = "header"
requirements = ["header.credentials"]
image = "disk.qcow2"
secrets = { texts = ["swordfish1"] }
[axes]
name = { uri = "https://user:swordfish1@localhost/x" }
[files]
"disk.qcow2" = { qcow2 = { backing = "{name}", backing-format = "raw" } }
[[expect]]
accept = { version = 2 }
"#;

fn assert_secret_is_nowhere(folder: &Path, stdout: &str) {
    let mut texts = vec![("stdout".to_owned(), stdout.to_owned())];
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        texts.push((
            path.display().to_string(),
            fs::read_to_string(&path).unwrap(),
        ));
    }
    assert!(texts.len() > 4);
    assert!(texts.iter().any(|(_, text)| text.contains("***")));
    for (name, text) in texts {
        let found = [SECRET, IN_HEX].iter().any(|secret| text.contains(secret));
        assert!(!found, "{name}");
    }
}

#[test]
fn no_report_shows_the_credentials_of_the_suite() {
    if !can_label() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let mut arguments = vec!["run", "**/credentials/**", "--subject", "reference"];
    if has_qemu() {
        arguments.extend(["--subject", "qemu"]);
    }
    let ran = qconform(dir.path(), &arguments);
    assert_eq!(ran.code, Some(0), "{}", ran.stdout);
    assert_secret_is_nowhere(&dir.path().join("conformance.out"), &ran.stdout);
}

#[test]
fn no_report_of_a_failure_shows_them_either() {
    if !can_label() || !has_qemu() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("t.toml"), FAILING).unwrap();
    let subjects = ["--subject", "reference", "--subject", "qemu"];
    let ran = qconform(dir.path(), &[&["run", "t.toml"][..], &subjects].concat());
    assert_eq!(ran.code, Some(1), "{}", ran.stdout);
    assert!(ran.stdout.contains("a name is told"), "{}", ran.stdout);
    assert_secret_is_nowhere(&dir.path().join("conformance.out"), &ran.stdout);
}
