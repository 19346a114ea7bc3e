//! `capture`: from a real case to a file that `generate` and `run` take.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use rstest::rstest;
use rustix::fs::XattrFlags;

use crate::{can_label, names, qconform};

/// Captures into `out` and gives the text of the only file in it.
fn capture(dir: &Path, args: &[&str]) -> String {
    let ran = qconform(dir, &[&["capture", "-o", "out"], args].concat());
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let files = names(&dir.join("out"));
    assert_eq!(files.len(), 1, "{files:?}");
    let path = format!("out/{}", files[0]);
    assert!(ran.stdout.starts_with(&path), "{}", ran.stdout);
    fs::read_to_string(dir.join(path)).unwrap()
}

/// Writes the files of a recipe into `pool`.
fn pool(dir: &Path, files: &str) {
    fs::write(dir.join("recipe.toml"), format!("[files]\n{files}")).unwrap();
    let ran = qconform(dir, &["generate", "recipe.toml", "-o", "pool"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    fs::remove_file(dir.join("pool/MANIFEST.sha256")).unwrap();
}

/// A domain with these disks; `POOL` is the folder of the files.
fn domain(dir: &Path, disks: &str) {
    let pool = dir.join("pool");
    let xml = format!(
        "<domain type='kvm'><name>web server</name>\
         <uuid>0c0f6a52-7d7a-4b8c-9e0e-0d1f2a3b4c5d</uuid><title>payroll</title>\
         <memory>1</memory><devices>{disks}</devices></domain>"
    );
    let xml = xml.replace("POOL", pool.to_str().unwrap());
    fs::write(dir.join("domain.xml"), xml).unwrap();
}

/// A disk in the way most are.
fn disk(name: &str) -> String {
    format!(
        "<disk type='file'><driver type='qcow2' cache='none' discard='unmap'/><source file='POOL/{name}'/>\
         <target dev='vda'/></disk>"
    )
}

#[rstest]
#[case::plain(r#""a.qcow2" = { qcow2 = {} }"#, "a.qcow2", 1)]
#[case::a_data_file(
    r#""a.qcow2" = { qcow2 = { data-file = "a.raw" } }
       "a.raw" = { raw = {} }"#,
    "a.qcow2",
    2
)]
#[case::an_absolute_data_file(
    r#""a.qcow2" = { qcow2 = { data-file = "{dir}/a.raw", data-file-raw = true } }
       "a.raw" = { raw = {} }"#,
    "a.qcow2",
    2
)]
#[case::a_chain_with_a_data_file_at_its_end(
    r#""vm/a.qcow2" = { qcow2 = { backing = "../images/b.qcow2", backing-format = "qcow2" } }
       "images/b.qcow2" = { qcow2 = { data-file = "./b.raw" } }
       "images/b.raw" = { raw = {} }"#,
    "vm/a.qcow2",
    3
)]
#[case::a_linked_data_file(
    r#""a.qcow2" = { qcow2 = { data-file = "link" } }
       "link" = { symlink = { target = "sub/a.raw" } }
       "sub/a.raw" = { raw = {} }"#,
    "a.qcow2",
    2
)]
#[case::an_absolute_link(
    r#""a.qcow2" = { qcow2 = { data-file = "link" } }
       "link" = { symlink = { target = "{dir}/sub/a.raw" } }
       "sub/a.raw" = { raw = {} }"#,
    "a.qcow2",
    2
)]
#[case::a_linked_folder(
    r#""vm/a.qcow2" = { qcow2 = { data-file = "../link/a.raw" } }
       "link" = { symlink = { target = "store" } }
       "store/a.raw" = { raw = {} }"#,
    "vm/a.qcow2",
    2
)]
#[case::an_image_behind_a_link(
    r#""link.qcow2" = { symlink = { target = "store/a.qcow2" } }
       "store/a.qcow2" = { qcow2 = { data-file = "a.raw" } }
       "a.raw" = { raw = {} }"#,
    "link.qcow2",
    2
)]
#[case::a_detour(
    r#""vm/a.qcow2" = { qcow2 = { data-file = "../other/../vm/./a.raw" } }
       "other" = { directory = {} }
       "vm/a.raw" = { raw = {} }"#,
    "vm/a.qcow2",
    2
)]
#[case::spaces(
    r#""my vm/a b.qcow2" = { qcow2 = { data-file = "c d ü.raw" } }
       "my vm/c d ü.raw" = { raw = {} }"#,
    "my vm/a b.qcow2",
    2
)]
#[case::a_name_that_is_not_utf8(
    r#""a.qcow2" = { qcow2 = { data-file = { hex = "64ff2e726177" } } }
       'd\xff.raw' = { raw = {} }"#,
    "a.qcow2",
    2
)]
#[case::a_name_with_a_backslash(
    r#""a.qcow2" = { qcow2 = { data-file = 'd\xff.raw' } }
       'd\\xff.raw' = { raw = {} }
       'd\xff.raw' = { raw = {} }"#,
    "a.qcow2",
    2
)]
#[case::two_names(
    r#""a.qcow2" = { qcow2 = { data-file = "b.raw" } }
       "a.raw" = { raw = {} }
       "b.raw" = { hard-link = { target = "a.raw" } }"#,
    "a.qcow2",
    2
)]
#[case::a_backing_image_by_json(
    r#""vm/a.qcow2" = { qcow2 = { backing = 'json:{"driver":"qcow2","file":{"driver":"file","filename":"{dir}/b.qcow2"}}', backing-format = "qcow2" } }
       "b.qcow2" = { qcow2 = {} }"#,
    "vm/a.qcow2",
    2
)]
#[case::a_backing_image_by_uri(
    r#""vm/a.qcow2" = { qcow2 = { backing = 'file://{dir}/b.raw', backing-format = "raw" } }
       "b.raw" = { raw = {} }"#,
    "vm/a.qcow2",
    2
)]
#[case::bitmaps_and_snapshots(
    r#""a.qcow2" = { qcow2 = { bitmaps = [{ name = "b" }], snapshots = [{ name = "s" }] } }"#,
    "a.qcow2",
    1
)]
fn a_captured_domain_conforms_as_it_stands(
    #[case] files: &str,
    #[case] top: &str,
    #[case] rows: usize,
) {
    if !can_label() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    pool(dir.path(), files);
    domain(dir.path(), &disk(top));
    let text = capture(dir.path(), &["domain.xml"]);
    assert_eq!(text.matches("{ file = ").count(), rows, "{text}");
    let ran = qconform(
        dir.path(),
        &["run", "out/web-server.toml", "--subject", "reference"],
    );
    assert_eq!(ran.code, Some(0), "{}{}", ran.stdout, ran.stderr);
    assert!(ran.stdout.contains("1 passed, 0 failed"), "{}", ran.stdout);
}

#[rstest]
#[case::a_missing_data_file(
    r#""a.qcow2" = { qcow2 = { data-file = "gone.raw" } }"#,
    "missing-file",
    "no such file"
)]
#[case::a_missing_image(r#""other" = { raw = {} }"#, "missing-file", "no such file")]
#[case::a_corrupt_header(r#""a.qcow2" = { qcow2 = { defects = ["cluster-bits=8"] } }"#, "", "")]
#[case::a_name_with_two_readings(
    r#""a.qcow2" = { qcow2 = { data-file = "json:{\"driver\":\"file\"}" } }"#,
    "",
    "two readings"
)]
#[case::a_fifo(
    r#""a.qcow2" = { qcow2 = { data-file = "f" } }
       "f" = { fifo = {} }"#,
    "",
    "is a fifo"
)]
#[case::a_loop(
    r#""a.qcow2" = { qcow2 = { backing = "a.qcow2", backing-format = "qcow2" } }"#,
    "",
    "back"
)]
fn a_domain_that_must_not_start_is_captured_as_such(
    #[case] files: &str,
    #[case] class: &str,
    #[case] reason: &str,
) {
    if !can_label() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    pool(dir.path(), files);
    domain(dir.path(), &disk("a.qcow2"));
    let text = capture(dir.path(), &["domain.xml"]);
    assert!(text.contains("refuse = \"must\""), "{text}");
    assert!(text.contains(reason), "{text}");
    let ran = qconform(
        dir.path(),
        &["run", "out/web-server.toml", "--subject", "reference"],
    );
    assert_eq!(ran.code, Some(0), "{}{}", ran.stdout, ran.stderr);

    fs::remove_dir_all(dir.path().join("out")).unwrap();
    let text = capture(dir.path(), &["domain.xml", "--anonymise"]);
    assert!(
        text.contains(class) && !text.contains("web server"),
        "{text}"
    );
}

#[test]
fn owners_modes_labels_and_records_are_part_of_a_scenario() {
    if !can_label() || !rustix::process::geteuid().is_root() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let files = r#""a.qcow2" = { qcow2 = { data-file = "a.raw" } }
        "a.raw" = { raw = {} }"#;
    pool(dir.path(), files);
    let file = dir.path().join("pool/a.raw");
    std::os::unix::fs::chown(&file, Some(107), Some(100_036)).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
    for (name, value) in [
        (
            "security.selinux",
            &b"system_u:object_r:virt_image_t:s0\0"[..],
        ),
        ("trusted.libvirt.security.dac", b"+0:+0"),
        ("user.qconform.test", b"\x00\xff"),
        ("user.private", b"payroll"),
    ] {
        rustix::fs::setxattr(&file, name, value, XattrFlags::empty()).unwrap();
    }
    domain(dir.path(), &disk("a.qcow2"));
    let text = capture(dir.path(), &["domain.xml"]);
    for part in [
        "# Id 100036 is 9999 here",
        "owner = \"107:9999\"",
        "mode = \"0640\"",
        "label = \"system_u:object_r:virt_image_t:s0\"",
        "\"trusted.libvirt.security.dac\" = \"+0:+0\"",
        "\"user.qconform.test\" = { hex = \"00ff\" }",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
    assert!(!text.contains("payroll"), "{text}");
    // The reference starts anew on its own stale record, and leaves what isn't its own alone.
    fs::write(
        dir.path().join("own.toml"),
        text.replace("user.qconform.test", "user.other"),
    )
    .unwrap();
    let ran = qconform(dir.path(), &["run", "own.toml", "--subject", "reference"]);
    assert_eq!(ran.code, Some(0), "{}{}", ran.stdout, ran.stderr);
}

#[test]
fn an_anonymous_case_has_no_name_of_the_original() {
    let dir = tempfile::tempdir().unwrap();
    let files = r#""payroll/disk-of-alice.qcow2" = { qcow2 = { data-file = "{dir}/secret-folder/alice.raw",
        backing = "../secret-folder/base-of-bob.qcow2", backing-format = "qcow2", bitmaps = [{ name = "alice-backup" }],
        snapshots = [{ name = "before-layoff" }], extensions = [{ type = 5, data = "for bob" }] } }
        "secret-folder/alice.raw" = { raw = {} }
        "secret-folder/base-of-bob.qcow2" = { qcow2 = { backing = "ssh://bob:hunter2@example.org/x" } }"#;
    pool(dir.path(), files);
    domain(dir.path(), &disk("payroll/disk-of-alice.qcow2"));
    let hidden = [
        "payroll",
        "alice",
        "bob",
        "secret",
        "layoff",
        "hunter2",
        "example",
        "web server",
        "0c0f6a52",
    ];
    let pool_path = dir.path().join("pool/payroll/disk-of-alice.qcow2");
    for path in ["domain.xml", pool_path.to_str().unwrap()] {
        let text = capture(dir.path(), &[path, "--anonymise"]);
        for word in hidden {
            assert!(!text.contains(word), "{word} in {text}");
            let hex = qconform_generators::recipe::hex(word.as_bytes());
            assert!(!text.contains(&hex), "{word} in hex in {text}");
        }
        assert!(text.contains(".qcow2\""), "{text}");
        fs::remove_dir_all(dir.path().join("out")).unwrap();
    }
}

#[test]
fn a_password_is_not_written_with_the_names_either() {
    let dir = tempfile::tempdir().unwrap();
    pool(
        dir.path(),
        r#""a.qcow2" = { qcow2 = { backing = "ssh://bob:hunter2@example.org/x" } }
        "b.qcow2" = { qcow2 = { backing = 'json:{"file.url":"https://me:pw@h/x"}' } }"#,
    );
    let text = capture(dir.path(), &["pool/b.qcow2"]);
    let name = r#"'json:{"file.url":"https://xx:xx@h/x"}'"#;
    assert!(text.contains(name), "{text}");
    fs::remove_dir_all(dir.path().join("out")).unwrap();
    let text = capture(dir.path(), &["pool/a.qcow2"]);
    assert!(text.contains("ssh://xxx:xxxxxxx@example.org/x"), "{text}");
}

/// A scenario would take what they enclose for an axis.
#[test]
fn names_with_braces_need_other_names_in_a_scenario() {
    let dir = tempfile::tempdir().unwrap();
    let files = r#""a{b}.qcow2" = { qcow2 = { data-file = "{c}" } }
        "{c}" = { raw = {} }"#;
    pool(dir.path(), files);
    domain(dir.path(), &disk("a{b}.qcow2"));
    let ran = qconform(dir.path(), &["capture", "domain.xml", "-o", "out"]);
    assert_eq!(ran.code, Some(2));
    assert!(ran.stderr.contains("--anonymise"), "{}", ran.stderr);
    let text = capture(dir.path(), &["domain.xml", "--anonymise"]);
    assert!(!text.contains("a{b}"), "{text}");
    fs::remove_dir_all(dir.path().join("out")).unwrap();
    let text = capture(dir.path(), &["pool/a{b}.qcow2"]);
    assert!(text.contains("[files.\"a{b}.qcow2\".qcow2]"), "{text}");
    let ran = qconform(
        dir.path(),
        &["generate", "out/recipe.toml", "-o", "rebuilt"],
    );
    assert_eq!(
        names(&dir.path().join("rebuilt")),
        names_with_manifest(&["a{b}.qcow2", "{c}"]),
        "{}",
        ran.stderr
    );
}

fn names_with_manifest(files: &[&str]) -> Vec<String> {
    let mut names: Vec<String> = files.iter().map(ToString::to_string).collect();
    names.push("MANIFEST.sha256".to_owned());
    names.sort();
    names
}

#[test]
fn an_image_is_rebuilt_with_its_chain() {
    let dir = tempfile::tempdir().unwrap();
    let files = r#""vm/a.qcow2" = { qcow2 = { backing = "../b.qcow2", backing-format = "qcow2", defects = ["l1-entry=512"] } }
        "b.qcow2" = { qcow2 = { data-file = "c d.raw", compressed = [] } }
        "c d.raw" = { raw = { populated = [1] } }"#;
    pool(dir.path(), files);
    let text = capture(dir.path(), &["pool/vm/a.qcow2"]);
    assert!(!text.contains("owner"), "{text}");
    let ran = qconform(
        dir.path(),
        &["generate", "out/recipe.toml", "-o", "rebuilt"],
    );
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    for name in ["vm/a.qcow2", "b.qcow2", "c d.raw"] {
        let (old, new) = (
            dir.path().join("pool").join(name),
            dir.path().join("rebuilt").join(name),
        );
        let (old_file, new_file) = (fs::read(&old).unwrap(), fs::read(&new).unwrap());
        assert_eq!(old_file.len(), new_file.len(), "{name}");
        let first = old_file.len().min(4096);
        assert!(
            name.ends_with(".raw") || old_file[..first] == new_file[..first],
            "{name}"
        );
    }
}

#[test]
fn reading_leaves_no_trace() {
    let dir = tempfile::tempdir().unwrap();
    pool(dir.path(), r#""a.qcow2" = { qcow2 = {} }"#);
    let path = dir.path().join("pool/a.qcow2");
    // Long ago, so that any read would show.
    let times = fs::FileTimes::new().set_accessed(std::time::UNIX_EPOCH);
    fs::File::options()
        .write(true)
        .open(&path)
        .unwrap()
        .set_times(times)
        .unwrap();
    let before = fs::metadata(&path).unwrap();
    capture(dir.path(), &["pool/a.qcow2"]);
    let after = fs::metadata(&path).unwrap();
    assert_eq!(
        (before.atime(), before.mtime()),
        (after.atime(), after.mtime())
    );
}

#[rstest]
#[case::nothing_there("nowhere", 3, "nowhere: no such file")]
#[case::a_folder("pool", 3, "pool: is a directory, not a regular file")]
#[case::a_fifo("pool/f", 3, "pool/f: is a fifo, not a regular file")]
#[case::a_device("/dev/null", 3, "/dev/null: is a character device, not a regular file")]
#[case::a_circle("pool/circle", 3, "pool/circle: Too many levels of symbolic links")]
#[case::no_domain("broken.xml", 2, "line 1, column 1: <disk> is not a domain")]
#[case::no_disks("empty.xml", 2, "the domain has no disk that is a file")]
fn what_cannot_be_captured_leaves_nothing_behind(
    #[case] path: &str,
    #[case] code: i32,
    #[case] message: &str,
) {
    let dir = tempfile::tempdir().unwrap();
    pool(
        dir.path(),
        r#""f" = { fifo = {} }
        "circle" = { symlink = { target = "circle" } }"#,
    );
    fs::write(dir.path().join("broken.xml"), "<disk/>").unwrap();
    domain(dir.path(), "");
    fs::rename(dir.path().join("domain.xml"), dir.path().join("empty.xml")).unwrap();
    let before = names(dir.path());
    let ran = qconform(dir.path(), &["capture", path, "-o", "out"]);
    assert_eq!(ran.code, Some(code), "{}", ran.stderr);
    assert!(ran.stderr.contains(message), "{}", ran.stderr);
    assert_eq!(names(dir.path()), before);
}

#[test]
fn a_target_that_exists_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    pool(dir.path(), r#""a.qcow2" = { qcow2 = {} }"#);
    fs::create_dir(dir.path().join("out")).unwrap();
    let ran = qconform(dir.path(), &["capture", "pool/a.qcow2", "-o", "out"]);
    assert_eq!(ran.code, Some(3), "{}", ran.stderr);
    assert!(
        ran.stderr.contains("out: is there already"),
        "{}",
        ran.stderr
    );
    assert!(names(&dir.path().join("out")).is_empty());
}
