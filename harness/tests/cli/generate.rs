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

#[test]
fn a_pack_is_the_same_each_time_and_tells_what_is_in_it() {
    let dir = tempfile::tempdir().unwrap();
    let packed = qconform(dir.path(), &["generate", "--pack", "pack"]);
    assert_eq!(packed.code, Some(0), "{}", packed.stderr);
    let again = qconform(dir.path(), &["generate", "--pack", "again"]);
    assert_eq!(again.code, Some(0), "{}", again.stderr);
    let manifest = |name: &str| fs::read(dir.path().join(name).join("MANIFEST.sha256")).unwrap();
    assert!(manifest("pack") == manifest("again"));
    assert_eq!(
        qconform(dir.path(), &["generate", "--verify", "pack"]).code,
        Some(0)
    );

    let index = fs::read_to_string(dir.path().join("pack/index.jsonl")).unwrap();
    let lines: Vec<serde_json::Value> = index
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let entries = qconform(dir.path(), &["generate", "--entries"]).stdout;
    assert_eq!(lines.len(), entries.lines().count());
    let find = |id: &str| lines.iter().find(|line| line["id"] == id).unwrap();
    let twice = find("defect/data-file-twice");
    assert_eq!(twice["defect"], "data-file-twice");
    let annotations = &twice["annotations"];
    assert_eq!(annotations["inspect"]["data_file"]["name"], "other.raw");
    assert_eq!(
        annotations["requirements"],
        serde_json::json!(["header.duplicate-extension"])
    );
    assert_eq!(
        find("defect/version=4")["annotations"]["inspect"]["accepted"],
        false
    );
    // Each recipe makes the files that lie beside it.
    let recipe = find("valid/zstd/v3-c12")["recipe"].as_str().unwrap();
    fs::write(dir.path().join("recipe.toml"), recipe).unwrap();
    qconform(dir.path(), &["generate", "recipe.toml", "-o", "one"]);
    let made = fs::read(dir.path().join("one/image.qcow2")).unwrap();
    let packed = fs::read(dir.path().join("pack/valid/zstd/v3-c12/image.qcow2")).unwrap();
    assert!(made == packed);
}

#[test]
fn an_archive_holds_what_the_folder_holds() {
    let dir = tempfile::tempdir().unwrap();
    for target in ["pack", "one.tar.zst", "two.tar.zst"] {
        let ran = qconform(dir.path(), &["generate", "--pack", target]);
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    }
    let bytes = |name: &str| fs::read(dir.path().join(name)).unwrap();
    assert!(bytes("one.tar.zst") == bytes("two.tar.zst"));
    let folder = dir.path().join("unpacked");
    fs::create_dir(&folder).unwrap();
    let plain = zstd::decode_all(bytes("one.tar.zst").as_slice()).unwrap();
    fs::write(dir.path().join("one.tar"), plain).unwrap();
    let tar = Command::new("tar")
        .args(["-xf", "../one.tar"])
        .current_dir(&folder)
        .status();
    assert!(tar.unwrap().success());
    assert_eq!(
        fs::read(folder.join("MANIFEST.sha256")).unwrap(),
        bytes("pack/MANIFEST.sha256")
    );
    assert_eq!(
        qconform(dir.path(), &["generate", "--verify", "unpacked"]).code,
        Some(0)
    );
    // Nothing is overwritten.
    let ran = qconform(dir.path(), &["generate", "--pack", "one.tar.zst"]);
    assert_eq!(ran.code, Some(3));
    assert!(ran.stderr.contains("exists"), "{}", ran.stderr);
    assert!(bytes("one.tar.zst") == bytes("two.tar.zst"));
}

const PIVOT: &str = r#"
[files]
"disk.raw" = { given = {} }
"thin.qcow2" = { qcow2 = { data-file = "disk.raw", data-file-raw = true, bitmaps = [{}] } }
"#;

/// The pivot of a disk in use, and starting over with a new image.
#[test]
fn a_thin_image_goes_over_a_disk_that_stays_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("recipe.toml"), PIVOT).unwrap();
    let disk = dir.path().join("disk.raw");
    let over = |more: &[&str]| {
        let args = [&["generate", "recipe.toml", "--over", "."][..], more].concat();
        qconform(dir.path(), &args)
    };
    let missing = over(&[]);
    assert_eq!(missing.code, Some(3), "{}", missing.stderr);
    assert!(missing.stderr.contains("disk.raw"), "{}", missing.stderr);
    fs::write(&disk, vec![7; 32_768]).unwrap();
    let before = fs::metadata(&disk).unwrap().modified().unwrap();
    assert_eq!(over(&[]).code, Some(0));
    let thin = fs::read(dir.path().join("thin.qcow2")).unwrap();
    let again = over(&[]);
    assert_eq!(again.code, Some(3), "{}", again.stderr);
    assert_eq!(over(&["--replace"]).code, Some(0));
    assert!(fs::read(dir.path().join("thin.qcow2")).unwrap() == thin);
    assert_eq!(fs::read(&disk).unwrap(), vec![7; 32_768]);
    assert_eq!(fs::metadata(&disk).unwrap().modified().unwrap(), before);
    assert_eq!(names(dir.path()), ["disk.raw", "recipe.toml", "thin.qcow2"]);
}

/// A file system of its own, too small for the disk; it needs a user namespace.
#[test]
fn a_full_disk_is_a_clear_error_and_leaves_nothing_behind() {
    let dir = tempfile::tempdir().unwrap();
    let recipe = "[files]\n\"big.raw\" = { raw = { size = 4194304, populated = [\"0..1024\"] } }\n";
    fs::write(dir.path().join("recipe.toml"), recipe).unwrap();
    fs::create_dir(dir.path().join("small")).unwrap();
    let script = "mount -t tmpfs -o size=1m tmpfs small && \
        { \"$0\" generate recipe.toml -o small/new; echo \"exit $?\"; ls -A small | wc -l; }";
    let output = Command::new("unshare")
        .args(["-Urm", "sh", "-c", script])
        .arg(crate::binary())
        .current_dir(dir.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    if !crate::has("user-namespace", !said.contains("unshare failed")) {
        return;
    }
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        "exit 3\n0\n",
        "{said}"
    );
    assert!(said.contains("big.raw"), "{said}");
    assert!(said.contains("No space left on device"), "{said}");
}
