//! `suite copy` and `suite digest`.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::qconform;

const CASE: &str = "label/data-file/follows-image/disk=rw,known=detected,name=relative,raw=on";

fn text(folder: &Path, name: &str) -> String {
    fs::read_to_string(folder.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

#[test]
fn a_copy_holds_every_case_and_can_be_used_without_the_suite() {
    let dir = tempfile::tempdir().unwrap();
    let ran = qconform(dir.path(), &["suite", "copy", "copy"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let copy = dir.path().join("copy");
    let case: Value = serde_json::from_str(&text(&copy, &format!("cases/{CASE}.json"))).unwrap();
    assert_eq!(case["id"], CASE);
    assert_eq!(case["ask"]["level"], "label");
    let first = &case["expectation"]["label"]["rows"][0];
    assert_eq!(first["file"], "disk.qcow2");
    let wanted = json!({ "grade": "pass", "wanted": { "owner": "vm", "label": "rw" } });
    assert_eq!(first["cells"]["start"][0], wanted);

    // Every scenario is in it, and runs as a file of one's own.
    let listed = qconform(dir.path(), &["list"]).stdout.lines().count();
    let count = |what: &str| {
        let all = walkdir::WalkDir::new(copy.join(what)).into_iter();
        all.filter(|entry| entry.as_ref().unwrap().file_type().is_file())
            .count()
    };
    assert_eq!((count("cases"), count("recipes")), (listed, listed));
    let scenario = "copy/suite/header/plain/qcow2.toml";
    let ran = qconform(dir.path(), &["list", scenario]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert!(text(&copy, "requirements.toml").contains("[[requirement]]"));
    assert!(text(&copy, "bugs/libvirt.toml").contains("[[bug]]"));

    // And so do the recipes.
    let recipe = format!("copy/recipes/{CASE}.toml");
    let ran = qconform(dir.path(), &["generate", &recipe, "-o", "fixture"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert!(dir.path().join("fixture/disk.qcow2").is_file());
}

#[test]
fn a_copy_overwrites_nothing() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("mine")).unwrap();
    fs::write(dir.path().join("mine/file"), "x").unwrap();
    let ran = qconform(dir.path(), &["suite", "copy", "mine"]);
    assert_eq!(ran.code, Some(3));
    assert_eq!(fs::read_dir(dir.path().join("mine")).unwrap().count(), 1);
}

#[test]
fn the_digest_is_that_of_a_copy() {
    let dir = tempfile::tempdir().unwrap();
    let ran = qconform(dir.path(), &["suite", "digest"]);
    let digest = ran.stdout.trim_end().to_owned();
    assert!(
        digest.split(' ').nth(1).is_some_and(|hex| hex.len() == 64),
        "{digest}"
    );
    qconform(dir.path(), &["suite", "copy", "copy"]);
    assert_eq!(text(dir.path(), "copy/VERSION").trim_end(), digest);
}
