//! Manifests as text, and against folders.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::symlink;
use std::path::Path;

use qconform_generators::file_name;
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
    let text = Manifest::of(folder.path()).unwrap().to_bytes();
    let expected = format!("{ABC}  a b\n{ABC}  a/z\n{ABC}  b\n");
    assert_eq!(text, expected.as_bytes());
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
            Difference::Changed("replaced".into()),
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
#[case::not_utf8(b"\xff\xfe.raw")]
#[case::cut_short_and_a_backslash(b"\xe2\x82\\x")]
fn any_name_survives_the_text_and_satisfies_sha256sum(#[case] name: impl AsRef<[u8]>) {
    let folder = tempfile::tempdir().unwrap();
    let name = name.as_ref();
    fs::write(folder.path().join(OsStr::from_bytes(name)), "abc").unwrap();
    let manifest = Manifest::of(folder.path()).unwrap();
    let bytes = manifest.to_bytes();
    assert_eq!(Manifest::parse(&bytes).unwrap(), manifest);
    let names: Vec<_> = manifest.names().map(file_name::bytes).collect();
    assert_eq!(names, [Some(name.to_owned())]);

    let Some(sha256sum) = find("sha256sum", "coreutils") else {
        return;
    };
    fs::write(folder.path().join(manifest::FILE_NAME), bytes).unwrap();
    let arguments = ["--check", "--strict", manifest::FILE_NAME];
    assert_success("sha256sum", &run(&sha256sum, folder.path(), &arguments));
}

#[test]
fn what_sha256sum_writes_in_binary_mode_is_understood() {
    let manifest = Manifest::parse(format!("{ABC} *a\n").as_bytes()).unwrap();
    assert_eq!(manifest.to_bytes(), format!("{ABC}  a\n").as_bytes());
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
    let error = Manifest::parse(text.as_bytes()).unwrap_err();
    let ManifestError::Line { number, problem } = error else {
        panic!("{error}")
    };
    assert_eq!((number, problem), (line, expected));
}

#[test]
fn an_empty_manifest_lists_nothing() {
    assert_eq!(Manifest::parse(b"").unwrap().names().count(), 0);
}

/// A fixture with a link, a FIFO and files under names that are no UTF-8.
fn fixture(folder: &Path) -> Manifest {
    let recipe = r#"
        [files]
        'data\xff.raw' = { raw = {} }
        'back\\slash.raw' = { raw = {} }
        'sub\xfe/again' = { hard-link = { target = 'data\xff.raw' } }
        link = { symlink = { target = { hex = "64617461ff2e726177" } } }
        pipe = { fifo = {} }
    "#;
    let recipe = toml::from_str(recipe).unwrap();
    qconform_generators::fixture::write_staged(&recipe, folder).unwrap()
}

#[test]
fn what_is_no_regular_file_is_listed_beside_the_manifest() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("fixture");
    let manifest = fixture(&folder);
    assert_eq!(
        fs::read_to_string(folder.join(manifest::OTHERS)).unwrap(),
        "{\"name\":\"link\",\"kind\":\"symlink\",\"target\":\"data\\\\xff.raw\"}\n\
         {\"name\":\"pipe\",\"kind\":\"fifo\"}\n"
    );
    let loaded = Manifest::load(&folder).unwrap();
    assert_eq!(loaded, manifest);
    assert_eq!(loaded.verify(&folder).unwrap(), []);
    assert!(folder.join(OsStr::from_bytes(b"sub\xfe/again")).is_file());
    assert!(folder.join(r"back\slash.raw").is_file());
    assert_eq!(fs::read(folder.join("link")).unwrap().len(), 32_768);
}

#[rstest]
#[case::the_link_points_elsewhere("link", Some("pipe"), Difference::Changed("link".into()))]
#[case::the_link_is_gone("link", None, Difference::Missing("link".into()))]
#[case::the_fifo_is_a_link_now("pipe", Some("x"), Difference::Changed("pipe".into()))]
#[case::another_link("more", Some("x"), Difference::Extra("more".into()))]
fn verify_sees_links_and_fifos(
    #[case] name: &str,
    #[case] target: Option<&str>,
    #[case] expected: Difference,
) {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("fixture");
    let manifest = fixture(&folder);
    let _absent = fs::remove_file(folder.join(name));
    if let Some(target) = target {
        symlink(target, folder.join(name)).unwrap();
    }
    assert_eq!(manifest.verify(&folder).unwrap(), [expected]);
}

#[test]
fn a_fifo_in_the_manifests_place_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(manifest::FILE_NAME);
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &path,
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::from_raw_mode(0o644),
        0,
    )
    .unwrap();
    let error = Manifest::load(folder.path()).unwrap_err();
    assert!(matches!(error, ManifestError::Read { .. }), "{error}");
}
