//! `inspect`, `chain`, `plan`, `list` and `show` on generated images.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::qconform;

const RECIPE: &str = r#"
[files]
"top.qcow2" = { qcow2 = { backing = "base.qcow2", backing-format = "qcow2", data-file = "top.raw" } }
"top.raw" = { raw = {} }
"base.qcow2" = { qcow2 = { data-file = "base.raw", data-file-raw = true } }
"base.raw" = { raw = {} }
"#;

fn fixture() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("recipe.toml"), RECIPE).unwrap();
    let ran = qconform(dir.path(), &["generate", "recipe.toml", "-o", "f"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    dir
}

fn json_of(dir: &Path, args: &[&str]) -> Value {
    let ran = qconform(dir, args);
    assert_eq!(ran.code, Some(0), "{}{}", ran.stdout, ran.stderr);
    serde_json::from_str(&ran.stdout).unwrap()
}

#[test]
fn inspect_tells_the_facts_of_a_header() {
    let dir = fixture();
    let expected = json!({
        "path": "f/top.qcow2", "accepted": true, "error": null, "format": "qcow2", "version": 3,
        "virtual_size": 32768, "cluster_bits": 12, "header_length": 112,
        "incompatible": ["data-file"], "compatible": [], "autoclear": [],
        "refcount_bits": 16, "compression": "deflate", "encryption": "none", "luks": null,
        "backing": {
            "name": "base.qcow2", "name_hex": "626173652e71636f7732",
            "format": "qcow2", "format_hex": "71636f7732",
        },
        "data_file": { "name": "top.raw", "name_hex": "746f702e726177", "raw": false },
        "unused_data_file": null,
        "snapshots": { "count": 0, "offset": 0, "listed": [] }, "bitmaps": null,
        "feature_names": [],
        "extensions": [
            { "type": "e2792aca", "offset": 112, "length": 5 },
            { "type": "44415441", "offset": 128, "length": 7 },
        ],
        "violations": [],
    });
    assert_eq!(
        json_of(dir.path(), &["inspect", "--json", "f/top.qcow2"]),
        expected
    );
}

#[test]
fn a_declared_raw_image_has_no_facts() {
    let dir = fixture();
    let report = json_of(
        dir.path(),
        &["inspect", "--json", "--as", "raw", "f/top.qcow2"],
    );
    assert_eq!(report["format"], "raw");
    assert!(report["data_file"].is_null() && report["backing"].is_null());
}

#[test]
fn chain_tells_every_file_with_its_role() {
    let dir = fixture();
    let report = json_of(dir.path(), &["chain", "--json", "f/top.qcow2"]);
    let rows: Vec<Value> = report["files"]
        .as_array()
        .unwrap()
        .iter()
        .map(|file| {
            json!([
                file["role"],
                file["path"],
                file["format"],
                file["depth"],
                file["source"]
            ])
        })
        .collect();
    assert_eq!(
        rows,
        [
            json!(["top", "f/top.qcow2", "qcow2", 0, "given"]),
            json!(["data-file", "f/top.raw", "raw", 0, "header"]),
            json!(["backing", "f/base.qcow2", "qcow2", 1, "header"]),
            json!(["backing-data-file", "f/base.raw", "raw", 1, "header"]),
        ]
    );
}

#[test]
fn plan_tells_what_a_start_would_do_and_touches_nothing() {
    let dir = fixture();
    let folder = dir.path().join("f").canonicalize().unwrap();
    let xml = format!(
        "<domain><name>d</name><devices><disk type='file' device='disk'>\
         <driver name='qemu' type='qcow2'/><source file='{}/top.qcow2'/>\
         <target dev='vda'/></disk></devices></domain>",
        folder.display()
    );
    fs::write(dir.path().join("d.xml"), xml).unwrap();
    let args = ["plan", "--json", "--category-pair", "c1,c2", "d.xml"];
    let report = json_of(dir.path(), &args);
    let rows: Vec<Value> = report["files"]
        .as_array()
        .unwrap()
        .iter()
        .map(|file| {
            json!([
                file["disk"],
                file["role"],
                file["owner"],
                file["label"],
                file["restore"]
            ])
        })
        .collect();
    let writable = "system_u:object_r:svirt_image_t:s0:c1,c2";
    let read_only = "system_u:object_r:virt_content_t:s0";
    assert_eq!(
        rows,
        [
            json!(["vda", "top", "64055:64055", writable, true]),
            json!(["vda", "data-file", "64055:64055", writable, true]),
            json!(["vda", "backing", "64055:64055", read_only, false]),
            json!(["vda", "backing-data-file", "64055:64055", read_only, false]),
        ]
    );
    assert_eq!(
        qconform(dir.path(), &["generate", "--verify", "f"]).code,
        Some(0)
    );
}

#[test]
fn a_chain_that_must_be_refused_has_an_error_and_no_files() {
    let dir = fixture();
    fs::remove_file(dir.path().join("f/base.raw")).unwrap();
    let ran = qconform(dir.path(), &["chain", "--json", "f/top.qcow2"]);
    assert_eq!(ran.code, Some(1));
    let report: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(report["files"], json!([]));
    assert!(report["error"]["class"].is_string(), "{report}");
}

#[test]
fn show_tells_files_domain_matrix_requirements_and_the_command() {
    let dir = tempfile::tempdir().unwrap();
    let id = "label/data-file/unlabelled";
    let ran = qconform(dir.path(), &["show", "--exact", id]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    for part in [
        id,
        "label.data-file-follows-image (must)",
        "disk.raw  4002:5002 0600 no label",
        "<source file=\"/fixture/disk.qcow2\"/>",
        "start  disk.raw         vm, rw",
        "repeat: qconform run --exact 'label/data-file/unlabelled'",
    ] {
        assert!(
            ran.stdout.contains(part),
            "{part} is missing in\n{}",
            ran.stdout
        );
    }
}

#[test]
fn list_can_be_narrowed_by_level_and_requirement() {
    let dir = tempfile::tempdir().unwrap();
    let args = [
        "list",
        "--level",
        "access",
        "--requirement",
        "access.declared-*",
    ];
    let both = qconform(dir.path(), &args).stdout;
    let level = qconform(dir.path(), &args[..3]).stdout;
    assert!(both.lines().any(|id| id == "access/declared-other"));
    assert!(
        both.lines()
            .all(|id| level.lines().any(|other| other == id))
    );
    // A case of the level that cites no such requirement, and one of another level that does.
    for other in ["access/transient", "blockdev/declared-other"] {
        assert!(!both.lines().any(|id| id.starts_with(other)), "{both}");
    }
}

#[test]
fn list_tells_bugs_with_the_cases_that_show_them() {
    let dir = tempfile::tempdir().unwrap();
    let ran = qconform(dir.path(), &["list", "--bugs"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    for known in [
        "CVE-2024-4467",
        "CVE-2024-32498",
        "shown by: ",
        "not shown: ",
    ] {
        assert!(ran.stdout.contains(known), "{known}");
    }
    let ran = qconform(
        dir.path(),
        &["list", "--bugs", "--json", "label/second/conflicting-label"],
    );
    let first: Value = serde_json::from_str(ran.stdout.lines().next().unwrap()).unwrap();
    assert_eq!(first["id"], "libvirt-refused-user-counted");
    assert_eq!(first["cases"][0], "label/second/conflicting-label");
}
