//! `generate`: the same bytes each time, checkable with `sha256sum`.

use std::fs;
use std::process::Command;

use crate::{names, qconform};

const RECIPE: &str = r#"
seed = 3

[files]
"disk.qcow2" = { qcow2 = { data-file = "disk.raw", data-file-raw = true } }
"disk.raw" = { raw = {} }
"#;

#[test]
fn a_recipe_gives_the_same_files_each_time_and_a_manifest() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("recipe.toml"), RECIPE).unwrap();
    let first = qconform(dir.path(), &["generate", "recipe.toml", "-o", "one"]);
    let second = qconform(dir.path(), &["generate", "recipe.toml", "-o", "two"]);
    assert_eq!(
        (first.code, second.code),
        (Some(0), Some(0)),
        "{}",
        first.stderr
    );
    assert_eq!(first.stdout, second.stdout);
    let folder = dir.path().join("one");
    assert_eq!(
        names(&folder),
        ["MANIFEST.sha256", "disk.qcow2", "disk.raw"]
    );
    let check = Command::new("sha256sum")
        .args(["-c", "--quiet", "MANIFEST.sha256"])
        .current_dir(folder)
        .status();
    assert!(check.unwrap().success());
    assert_eq!(
        qconform(dir.path(), &["generate", "--verify", "one"]).code,
        Some(0)
    );
}

#[test]
fn verify_names_every_difference() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("recipe.toml"), RECIPE).unwrap();
    qconform(dir.path(), &["generate", "recipe.toml", "-o", "one"]);
    fs::write(dir.path().join("one/disk.raw"), "x").unwrap();
    fs::write(dir.path().join("one/new\x1b[2J"), "x").unwrap();
    fs::remove_file(dir.path().join("one/disk.qcow2")).unwrap();
    let ran = qconform(dir.path(), &["generate", "--verify", "one"]);
    assert_eq!(ran.code, Some(1));
    assert_eq!(
        ran.stdout,
        "missing: disk.qcow2\nchanged: disk.raw\nextra: new\\u{1b}[2J\n"
    );
}

#[test]
fn an_existing_target_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("recipe.toml"), RECIPE).unwrap();
    fs::create_dir(dir.path().join("one")).unwrap();
    fs::write(dir.path().join("one/mine"), "x").unwrap();
    let ran = qconform(dir.path(), &["generate", "recipe.toml", "-o", "one"]);
    assert_eq!(ran.code, Some(3), "{}", ran.stderr);
    assert_eq!(names(&dir.path().join("one")), ["mine"]);
    assert_eq!(names(dir.path()), ["one", "recipe.toml"]);
}

#[test]
fn a_faulty_recipe_is_named_with_its_line() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(
        dir.path().join("recipe.toml"),
        RECIPE.replace("data-file-raw", "data-file-rw"),
    )
    .unwrap();
    let ran = qconform(dir.path(), &["generate", "recipe.toml", "-o", "one"]);
    assert_eq!(ran.code, Some(2));
    assert!(
        ran.stderr
            .starts_with("qconform: recipe.toml:5: unknown field `data-file-rw`"),
        "{}",
        ran.stderr
    );
}
