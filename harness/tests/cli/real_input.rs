//! An image made from an existing raw disk, as the design series of 2019-10-07 says:
//! `qemu-img convert` with `data_file` and `data_file_raw`.

use std::fs;
use std::path::Path;
use std::process::Command;

use qconform_generators::marker::Marker;
use serde_json::{Value, json};

use crate::{has, qconform};

/// Converts a raw disk with the real program; `None` where it isn't installed.
fn convert(dir: &Path) -> Option<()> {
    let qemu_img = which::which("qemu-img");
    if !has("qemu", qemu_img.is_ok()) {
        return None;
    }
    fs::write(
        dir.join("existing.raw"),
        Marker::new(0, "existing.raw").bytes(0, 1 << 20),
    )
    .unwrap();
    let options = "data_file=new.raw,data_file_raw=yes";
    let status = Command::new(qemu_img.unwrap())
        .args([
            "convert",
            "-f",
            "raw",
            "-O",
            "qcow2",
            "-o",
            options,
            "existing.raw",
            "new.qcow2",
        ])
        .current_dir(dir)
        .status();
    assert!(status.unwrap().success());
    Some(())
}

fn json_of(dir: &Path, args: &[&str]) -> Value {
    let ran = qconform(dir, args);
    assert_eq!(ran.code, Some(0), "{}{}", ran.stdout, ran.stderr);
    serde_json::from_str(&ran.stdout).unwrap()
}

#[test]
fn a_converted_disk_is_described_and_left_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let Some(()) = convert(dir.path()) else {
        return;
    };
    let folder = dir.path().canonicalize().unwrap();
    let bytes = |name: &str| fs::read(folder.join(name)).unwrap();
    let before = (bytes("new.qcow2"), bytes("new.raw"));
    assert!(
        before.1 == bytes("existing.raw"),
        "the data file is not the raw disk"
    );

    let report = json_of(&folder, &["inspect", "--json", "new.qcow2"]);
    assert_eq!(report["incompatible"], json!(["data-file"]));
    assert_eq!(report["autoclear"], json!(["data-file-raw"]));
    assert_eq!(report["data_file"]["name"], "new.raw");
    assert_eq!(report["data_file"]["raw"], true);
    assert_eq!(report["virtual_size"], 1 << 20);
    assert_eq!(report["violations"], json!([]));

    let report = json_of(&folder, &["chain", "--json", "new.qcow2"]);
    let paths: Vec<&Value> = report["files"]
        .as_array()
        .unwrap()
        .iter()
        .map(|file| &file["role"])
        .collect();
    assert_eq!(paths, ["top", "data-file"]);

    let path = |name: &str| folder.join(name).display().to_string();
    let xml = format!(
        "<domain><name>d</name><devices><disk type='file' device='disk'>\
         <driver type='qcow2'/><source file='{}'/><target dev='vda'/></disk></devices></domain>",
        path("new.qcow2")
    );
    fs::write(folder.join("d.xml"), xml).unwrap();
    let report = json_of(&folder, &["plan", "--json", "d.xml"]);
    for (row, name) in report["files"]
        .as_array()
        .unwrap()
        .iter()
        .zip(["new.qcow2", "new.raw"])
    {
        assert_eq!(row["path"], path(name));
        assert_eq!(row["owner"], "64055:64055");
        assert_eq!(row["restore"], true);
    }
    assert!(
        before == (bytes("new.qcow2"), bytes("new.raw")),
        "a file has changed"
    );
}
