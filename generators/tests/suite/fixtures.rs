//! What lands in the folder, and what does not.

use std::env;
use std::fs;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, symlink};
use std::path::Path;
use std::process::Command;

use qconform_generators::fixture::{self, FixtureError, Written};
use qconform_generators::manifest::Manifest;
use qconform_generators::marker::Marker;
use qconform_generators::recipe::{
    Content, Directory, Fifo, Qcow2, Raw, Recipe, RecipeError, Socket, Symlink,
};
use rstest::rstest;

use crate::programs::assert_success;

fn recipe(files: &[(&str, Content)]) -> Recipe {
    let files = files
        .iter()
        .map(|(name, content)| ((*name).to_owned(), content.clone()));
    Recipe {
        seed: 1,
        files: files.collect(),
    }
}

fn every_kind() -> Recipe {
    let link = Symlink {
        target: "{dir}/sub/disk.raw".into(),
    };
    recipe(&[
        (
            "disk.qcow2",
            Content::from(Qcow2 {
                size: 8192,
                populated: [1].into(),
                ..Qcow2::default()
            }),
        ),
        ("empty", Content::Directory(Directory {})),
        ("fifo", Content::Fifo(Fifo {})),
        ("socket", Content::Socket(Socket {})),
        ("link", Content::Symlink(link)),
        ("sub/disk.raw", Content::Raw(Raw::default())),
    ])
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn every_kind_of_file_is_written_and_listed() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let written = fixture::write(&every_kind(), folder.path()).unwrap();
    // Header, refcount table, refcount block, L1, L2, data.
    let sizes = [
        ("disk.qcow2", 6 * 4096),
        ("empty", 0),
        ("fifo", 0),
        ("link", 0),
        ("socket", 0),
        ("sub/disk.raw", 32_768),
    ];
    let sizes = sizes.map(|(name, size)| Written {
        name: name.to_owned(),
        size,
    });
    assert_eq!(written, sizes);
    assert_eq!(
        names(folder.path()),
        ["disk.qcow2", "empty", "fifo", "link", "socket", "sub"]
    );
    assert_eq!(at("disk.qcow2").metadata().unwrap().len(), 6 * 4096);
    assert!(at("empty").symlink_metadata().unwrap().is_dir());
    assert!(at("fifo").symlink_metadata().unwrap().file_type().is_fifo());
    let socket = at("socket").symlink_metadata().unwrap();
    assert!(socket.file_type().is_socket());
    assert_eq!(at("link").read_link().unwrap(), at("sub/disk.raw"));
}

#[test]
fn a_raw_file_holds_its_marker_where_it_is_populated_and_holes_elsewhere() {
    let folder = tempfile::tempdir().unwrap();
    let raw = Raw {
        size: 10_000_100,
        cluster_size: 100_000,
        populated: [100, 3].into(),
        start: None,
    };
    fixture::write(&recipe(&[("a/b", Content::Raw(raw))]), folder.path()).unwrap();
    let path = folder.path().join("a/b");
    let bytes = fs::read(&path).unwrap();
    let marker = Marker::new(1, "a/b");
    let mut expected = vec![0; 10_000_100];
    marker.fill(300_000, &mut expected[300_000..400_000]);
    marker.fill(10_000_000, &mut expected[10_000_000..]);
    assert!(bytes == expected);
    assert!(path.metadata().unwrap().blocks() * 512 < 1_000_000);
}

#[test]
fn modes_do_not_depend_on_the_umask() {
    const CHILD: &str = "QCONFORM_TEST_UMASK";
    if env::var_os(CHILD).is_none() {
        // The umask belongs to the whole process, so this test runs again in one of its own.
        let command = "umask 077; exec \"$0\" --exact fixtures::modes_do_not_depend_on_the_umask";
        let mut shell = Command::new("sh");
        shell
            .args(["-c", command])
            .arg(env::current_exe().unwrap())
            .env(CHILD, "1");
        let output = shell.output().unwrap();
        assert_success("the test with umask 077", &output);
        assert!(String::from_utf8_lossy(&output.stdout).contains("1 passed"));
        return;
    }
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("fixture");
    fixture::write_staged(&every_kind(), &folder).unwrap();
    for (name, mode) in [
        ("", 0o755),
        ("MANIFEST.sha256", 0o644),
        ("disk.qcow2", 0o644),
        ("empty", 0o755),
        ("fifo", 0o644),
        ("sub", 0o755),
        ("sub/disk.raw", 0o644),
    ] {
        let found = folder.join(name).symlink_metadata().unwrap().mode() & 0o7777;
        assert_eq!(found, mode, "{name:?}");
    }
}

#[test]
fn a_file_that_is_there_is_not_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("disk.qcow2");
    fs::write(&path, "precious").unwrap();
    let error = fixture::write(&every_kind(), folder.path()).unwrap_err();
    assert_eq!(error.to_string(), format!("cannot create {path:?}"));
    assert_eq!(fs::read(&path).unwrap(), b"precious");
}

#[test]
fn a_symlink_in_the_folder_is_not_followed() {
    let outside = tempfile::tempdir().unwrap();
    let folder = tempfile::tempdir().unwrap();
    symlink(outside.path(), folder.path().join("sub")).unwrap();
    fixture::write(&every_kind(), folder.path()).unwrap_err();
    assert_eq!(names(outside.path()), [""; 0]);
}

#[test]
fn a_name_that_fits_only_without_its_folder_is_refused_before_anything_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let long = folder.path().join("n".repeat(200)).join("n".repeat(200));
    fs::create_dir_all(&long).unwrap();
    let data_file = Some("{dir}/d".into());
    let image = Qcow2 {
        cluster_bits: 9,
        data_file,
        ..Qcow2::default()
    };
    let recipe = recipe(&[
        ("a", Content::Raw(Raw::default())),
        ("b", Content::from(image)),
    ]);
    assert_eq!(recipe.check(), Ok(()));
    let error = fixture::write(&recipe, &long).unwrap_err();
    let FixtureError::Recipe(RecipeError::DoesNotFit { field, .. }) = error else {
        panic!("{error}")
    };
    assert_eq!(field, "data-file");
    assert_eq!(names(&long), [""; 0]);
}

#[rstest]
#[case::missing(false)]
#[case::empty(true)]
fn a_staged_fixture_lands_with_its_manifest(#[case] exists: bool) {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("fixture");
    if exists {
        fs::create_dir(&folder).unwrap();
    }
    let manifest = fixture::write_staged(&every_kind(), &folder).unwrap();
    assert_eq!(names(parent.path()), ["fixture"]);
    assert_eq!(
        manifest.names().collect::<Vec<_>>(),
        ["OTHERS.jsonl", "disk.qcow2", "sub/disk.raw"]
    );
    assert_eq!(Manifest::load(&folder).unwrap(), manifest);
    assert_eq!(manifest.verify(&folder).unwrap(), []);
    // Not the folder in which it was staged.
    assert_eq!(
        folder.join("link").read_link().unwrap(),
        folder.join("sub/disk.raw")
    );
}

#[rstest]
#[case::a_filled_folder("filled/precious")]
#[case::a_file("filled")]
fn what_is_in_the_way_stays_as_it_is(#[case] precious: &str) {
    let parent = tempfile::tempdir().unwrap();
    let precious = parent.path().join(precious);
    fs::create_dir_all(precious.parent().unwrap()).unwrap();
    fs::write(&precious, "precious").unwrap();
    let folder = parent.path().join("filled");
    let error = fixture::write_staged(&every_kind(), &folder).unwrap_err();
    assert!(
        matches!(&error, FixtureError::Occupied { path } if *path == folder),
        "{error}"
    );
    assert_eq!(names(parent.path()), ["filled"]);
    assert_eq!(fs::read(&precious).unwrap(), b"precious");
}

/// Each of these fails after another file was written.
#[rstest]
#[case::a_name_that_the_file_system_refuses(
    "z".repeat(300), Content::Fifo(Fifo {}), "make the FIFO"
)]
#[case::a_size_that_the_file_system_refuses(
    "z".into(), Content::Raw(Raw { size: u64::MAX, populated: [].into(), ..Raw::default() }), "write"
)]
fn a_failure_half_way_leaves_nothing_behind(
    #[case] name: String,
    #[case] content: Content,
    #[case] expected: &str,
) {
    let parent = tempfile::tempdir().unwrap();
    let recipe = recipe(&[("a", Content::Raw(Raw::default())), (&name, content)]);
    let error = fixture::write_staged(&recipe, &parent.path().join("fixture")).unwrap_err();
    let FixtureError::Io { action, path, .. } = error else {
        panic!("{error}")
    };
    assert_eq!(action, expected);
    assert!(path.ends_with(&name), "{path:?}");
    assert_eq!(names(parent.path()), [""; 0]);
}

/// Nobody can make a file in `/proc`, not even root, whom a read-only mode does not stop.
#[rstest]
#[case::that_refuses("/proc")]
#[case::that_is_not_there("/nowhere/at/all")]
fn a_parent_that_takes_no_folder_is_named(#[case] parent: &str) {
    let folder = Path::new(parent).join("fixture");
    let error = fixture::write_staged(&every_kind(), &folder).unwrap_err();
    let FixtureError::Io { path, .. } = error else {
        panic!("{error}")
    };
    assert_eq!(path, Path::new(parent));
}

#[rstest]
#[case::a_file("{dir}/disk.raw", "/fixture/disk.raw")]
#[case::the_folder_itself("{dir}", "/fixture")]
#[case::twice("{dir}:{dir}", "/fixture:/fixture")]
#[case::none("disk.raw", "disk.raw")]
#[case::other_braces("{file}{{dir}}", "{file}{/fixture}")]
fn the_placeholder_becomes_the_folder(#[case] name: &str, #[case] expected: &str) {
    assert_eq!(fixture::expand_name(name, Path::new("/fixture/")), expected);
}

#[test]
fn the_placeholder_is_absolute_for_a_relative_folder_too() {
    let here = env::current_dir().unwrap();
    let expected = here
        .join("some/where/d")
        .into_os_string()
        .into_string()
        .unwrap();
    assert_eq!(
        fixture::expand_name("{dir}/d", Path::new("some/where")),
        expected
    );
}
