//! Manifests as text, and against folders.

use std::fs;
use std::os::unix::fs::symlink;

use qconform_generators::manifest::{self, Difference, Manifest, ManifestError};
use rstest::rstest;
use tempfile::TempDir;

use crate::programs::{assert_success, find, run};

/// printf abc | sha256sum
const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

fn folder(files: &[&str]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for name in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "abc").unwrap();
    }
    folder
}

#[test]
fn regular_files_are_listed_sorted_and_nothing_else_is() {
    let folder = folder(&["b", "a/z", "MANIFEST.sha256", "a b"]);
    symlink("b", folder.path().join("link")).unwrap();
    let text = Manifest::of(folder.path()).unwrap().to_string();
    assert_eq!(text, format!("{ABC}  a b\n{ABC}  a/z\n{ABC}  b\n"));
}

#[test]
fn a_folder_agrees_with_its_own_manifest() {
    let folder = folder(&["a", "b/c"]);
    let manifest = Manifest::of(folder.path()).unwrap();
    assert_eq!(manifest.names().collect::<Vec<_>>(), ["a", "b/c"]);
    assert_eq!(manifest.verify(folder.path()).unwrap(), []);
}

#[test]
fn verify_names_what_is_missing_changed_and_extra() {
    let folder = folder(&["gone", "changed", "replaced", "same"]);
    let manifest = Manifest::of(folder.path()).unwrap();
    fs::remove_file(folder.path().join("gone")).unwrap();
    fs::remove_file(folder.path().join("replaced")).unwrap();
    symlink("same", folder.path().join("replaced")).unwrap();
    fs::write(folder.path().join("changed"), "abd").unwrap();
    fs::write(folder.path().join("new"), "").unwrap();
    assert_eq!(
        manifest.verify(folder.path()).unwrap(),
        [
            Difference::Changed("changed".into()),
            Difference::Missing("gone".into()),
            Difference::Missing("replaced".into()),
            Difference::Extra("new".into()),
        ]
    );
}

#[rstest]
#[case::plain("disk.raw")]
#[case::backslash("back\\slash")]
#[case::newline("new\nline")]
#[case::carriage_return("line\r")]
#[case::asterisk("*star")]
#[case::spaces("  two")]
#[case::unicode("Größe")]
fn any_name_survives_the_text_and_satisfies_sha256sum(#[case] name: &str) {
    let folder = folder(&[name]);
    let manifest = Manifest::of(folder.path()).unwrap();
    let text = manifest.to_string();
    assert_eq!(Manifest::parse(&text).unwrap(), manifest);
    assert_eq!(manifest.names().collect::<Vec<_>>(), [name]);

    let Some(sha256sum) = find("sha256sum", "coreutils") else {
        return;
    };
    fs::write(folder.path().join(manifest::FILE_NAME), text).unwrap();
    let arguments = ["--check", "--strict", manifest::FILE_NAME];
    assert_success("sha256sum", &run(&sha256sum, folder.path(), &arguments));
}

#[test]
fn what_sha256sum_writes_in_binary_mode_is_understood() {
    let manifest = Manifest::parse(&format!("{ABC} *a\n")).unwrap();
    assert_eq!(manifest.to_string(), format!("{ABC}  a\n"));
}

#[rstest]
#[case::no_hash("a\n".into(), 1, "no SHA-256 in front")]
#[case::an_empty_line(format!("{ABC}  a\n\n"), 2, "no SHA-256 in front")]
#[case::not_hexadecimal(format!("{}  a\n", ABC.replace('b', "g")), 1, "no SHA-256 in front")]
#[case::a_letter_across_the_end_of_the_hash(format!("{}ä  a\n", &ABC[1..]), 1, "no SHA-256 in front")]
#[case::one_space(format!("{ABC} a\n"), 1, "no file name after the SHA-256")]
#[case::no_name(format!("{ABC}  \n"), 1, "no file name after the SHA-256")]
#[case::unknown_escape(format!("\\{ABC}  a\\t\n"), 1, "an unknown escape")]
#[case::twice(format!("{ABC}  a\n{ABC}  a\n"), 2, "a name for the second time")]
fn a_line_that_is_no_entry_is_refused_with_its_number(
    #[case] text: String,
    #[case] line: usize,
    #[case] expected: &str,
) {
    let error = Manifest::parse(&text).unwrap_err();
    let ManifestError::Line { number, problem } = error else {
        panic!("{error}")
    };
    assert_eq!((number, problem), (line, expected));
}

#[test]
fn a_name_that_is_not_utf_8_is_an_error_with_its_path() {
    use std::os::unix::ffi::OsStrExt as _;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(std::ffi::OsStr::from_bytes(b"\xff"));
    fs::write(&path, "").unwrap();
    let error = Manifest::of(folder.path()).unwrap_err();
    let ManifestError::NotUtf8 { path: found } = error else {
        panic!("{error}")
    };
    assert_eq!(found, path);
}
