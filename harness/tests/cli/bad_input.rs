//! Bad input gives one clear line with path and reason, the right exit code, and
//! leaves nothing behind.

use std::fs;
use std::path::Path;

use rstest::rstest;

use crate::{SCENARIO, names, qconform};

/// One line on standard error, which names what it is about.
#[track_caller]
fn refused(dir: &Path, args: &[&str], code: i32, line: &str) {
    let before = names(dir);
    let ran = qconform(dir, args);
    assert_eq!(ran.code, Some(code), "{}", ran.stderr);
    assert_eq!(ran.stderr.lines().next(), Some(line));
    let rest: Vec<&str> = ran.stderr.lines().skip(1).collect();
    assert!(
        rest.iter().all(|line| line.starts_with("  hint: ")),
        "{rest:?}"
    );
    assert_eq!(ran.stdout, "");
    assert_eq!(names(dir), before);
}

#[rstest]
#[case::inspect(&["inspect"])]
#[case::chain(&["chain"])]
fn an_image_that_cannot_be_read_is_named(#[case] command: &[&str]) {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("folder")).unwrap();
    let fifo = dir.path().join("fifo");
    let mode = rustix::fs::Mode::from_raw_mode(0o644);
    rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, mode, 0).unwrap();
    for (name, reason) in [
        ("missing", "no such file"),
        ("folder", "is a directory, not a regular file"),
        ("fifo", "is a fifo, not a regular file"),
    ] {
        let args = [command, &[name]].concat();
        refused(dir.path(), &args, 3, &format!("qconform: {name}: {reason}"));
    }
}

#[test]
fn an_image_without_permission_is_named() {
    if rustix::process::geteuid().is_root() {
        println!("skipped: root can read every file");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("secret");
    fs::write(&path, "x").unwrap();
    fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o000)).unwrap();
    let line = "qconform: secret: Permission denied (os error 13)";
    refused(dir.path(), &["inspect", "secret"], 3, line);
}

#[rstest]
#[case::nothing(0, "raw")]
#[case::less_than_the_magic(3, "raw")]
fn a_file_too_short_for_a_magic_is_raw(#[case] length: usize, #[case] format: &str) {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("disk"), &b"QFI\xfb\0\0\0\x03"[..length]).unwrap();
    let ran = qconform(dir.path(), &["inspect", "--json", "disk"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let report: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(report["format"], format);
}

#[test]
fn a_truncated_header_is_rejected_with_its_class_and_offset() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("disk"), b"QFI\xfb\0\0\0\x03").unwrap();
    let ran = qconform(dir.path(), &["inspect", "--json", "disk"]);
    assert_eq!(ran.code, Some(1), "{}", ran.stderr);
    let report: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(report["accepted"], false);
    assert!(report["error"]["class"].is_string() && report["error"]["offset"].is_u64());
    assert!(report["format"].is_null() && report["virtual_size"].is_null());
}

#[rstest]
#[case::an_unknown_key("level =", "levl =", "my-bug.toml:1:1: `level` is missing")]
#[case::an_unknown_key_of_an_image(
    "data-file =",
    "data-fil =",
    "my-bug.toml:7:28: unknown field `data-fil`"
)]
#[case::a_file_that_does_not_exist(
    "{ file = \"disk.raw\"",
    "{ file = \"other.raw\"",
    "my-bug.toml:16:5: the fixture has no file `other.raw`"
)]
fn a_faulty_scenario_is_named_with_its_line(
    #[case] from: &str,
    #[case] to: &str,
    #[case] message: &str,
) {
    let dir = tempfile::tempdir().unwrap();
    fs::write(
        dir.path().join("my-bug.toml"),
        SCENARIO.replacen(from, to, 1),
    )
    .unwrap();
    let ran = qconform(dir.path(), &["run", "my-bug.toml"]);
    assert_eq!(ran.code, Some(2), "{}", ran.stderr);
    assert!(
        ran.stderr.starts_with(&format!("qconform: {message}")),
        "{}",
        ran.stderr
    );
    assert_eq!(names(dir.path()), ["my-bug.toml"]);
}

#[rstest]
#[case::an_unknown_subject(&["run", "--subject", "nobody"], 2,
    "qconform: there is no subject `nobody`")]
#[case::an_unknown_id(&["run", "label/nothing"], 4, "qconform: no case is selected")]
#[case::a_pattern_that_is_none(&["list", "a["], 2,
    "qconform: `a[` is not a pattern: unclosed character class; missing ']'")]
#[case::a_missing_scenario(&["run", "gone.toml"], 3,
    "qconform: gone.toml: No such file or directory (os error 2)")]
#[case::a_missing_domain(&["plan", "gone.xml"], 3,
    "qconform: gone.xml: No such file or directory (os error 2)")]
#[case::a_graph_of_a_missing_domain(&["blockdev", "gone.xml"], 3,
    "qconform: gone.xml: No such file or directory (os error 2)")]
#[case::a_password_in_an_argument(&["inspect", "https://user:S3CRET@host/x"], 3,
    "qconform: https://***@host/x: no such file")]
#[case::a_missing_recipe(&["generate", "gone.toml", "-o", "x"], 3,
    "qconform: gone.toml: No such file or directory (os error 2)")]
fn a_bad_argument_is_named(#[case] args: &[&str], #[case] code: i32, #[case] line: &str) {
    refused(tempfile::tempdir().unwrap().path(), args, code, line);
}

#[test]
fn whoever_names_an_unknown_subject_is_told_which_there_are() {
    let dir = tempfile::tempdir().unwrap();
    let ran = qconform(dir.path(), &["run", "--subject", "nobody"]);
    let told = "hint: reference and qemu are built in; there are adapters for 7zip, ";
    assert!(ran.stderr.contains(told), "{}", ran.stderr);
}

#[test]
fn an_output_folder_that_cannot_be_written_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let ran = qconform(
        dir.path(),
        &["run", "header/plain/raw", "-o", "/proc/none/out"],
    );
    assert_eq!(ran.code, Some(3), "{}", ran.stderr);
    assert!(
        ran.stderr
            .contains("/proc/none/out: No such file or directory"),
        "{}",
        ran.stderr
    );
}

#[test]
fn an_output_folder_of_somebody_else_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("thesis");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("chapter-1"), "years of work").unwrap();
    let ran = qconform(dir.path(), &["run", "header/plain/raw", "-o", "thesis"]);
    assert_eq!(ran.code, Some(3), "{}", ran.stderr);
    assert!(
        ran.stderr.contains("was not made by an earlier run"),
        "{}",
        ran.stderr
    );
    assert_eq!(names(&folder), ["chapter-1"]);
    assert_eq!(names(dir.path()), ["thesis"]);
}

#[rstest]
#[case::uri("https://user:S3CRET@host/x")]
#[case::json(r#"json:{"driver":"https","url":"https://host/x","password-secret":"S3CRET"}"#)]
#[case::ceph("rbd:pool/image:id=admin:key=S3CRET")]
fn no_command_prints_a_password_of_a_header(#[case] name: &str) {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().canonicalize().unwrap();
    let quoted = toml::Value::String(name.to_owned()).to_string();
    let recipe = format!(
        "[files]\n\"data.qcow2\" = {{ qcow2 = {{ data-file = {quoted} }} }}\n\
         \"backing.qcow2\" = {{ qcow2 = {{ backing = {quoted} }} }}\n"
    );
    fs::write(folder.join("r.toml"), recipe).unwrap();
    assert_eq!(
        qconform(&folder, &["generate", "r.toml", "-o", "f"]).code,
        Some(0)
    );
    for image in ["data", "backing"] {
        let path = folder.join("f").join(format!("{image}.qcow2"));
        let path = path.to_str().unwrap();
        let xml = format!(
            "<domain><name>d</name><devices><disk type='file'><driver type='qcow2'/>\
             <source file='{path}'/><target dev='vda'/></disk></devices></domain>"
        );
        fs::write(folder.join("d.xml"), xml).unwrap();
        let commands: [&[&str]; 10] = [
            &["inspect", path],
            &["inspect", "--json", path],
            &["chain", path],
            &["chain", "--json", path],
            &["chain", "d.xml"],
            &["chain", "--json", "d.xml"],
            &["chain", "--xml", "runtime", "d.xml"],
            &["plan", "--json", "d.xml"],
            &["blockdev", "d.xml"],
            &["blockdev", "--json", "d.xml"],
        ];
        for command in commands {
            let ran = qconform(&folder, command);
            let printed = ran.stdout + &ran.stderr;
            assert!(!printed.is_empty(), "{command:?} is silent");
            for secret in ["S3CRET", "533343524554"] {
                assert!(!printed.contains(secret), "{command:?}: {printed}");
            }
        }
    }
}

#[test]
fn a_missing_required_capability_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let args = ["run", "header/plain/raw", "--require", "moonlight"];
    let line = "qconform: capability `moonlight` is required and missing: \
        there is no capability of this name";
    refused(dir.path(), &args, 3, line);
}
