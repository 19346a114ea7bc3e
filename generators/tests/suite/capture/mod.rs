//! Captures real images and rebuilds them.

mod broken;
mod catalogue;
mod rebuilt;
mod secrets;

use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use qconform_generators::capture::{self, Captured, Data, SameNames};
use qconform_generators::recipe::{Content, Recipe};
use serde_json::Value;

use crate::programs::{Qemu, assert_success};

/// What no captured recipe may contain, and what fills the guests of these tests.
const SECRET: &str = "TOPSECRET-of-the-guest:";

fn capture(path: &Path, data: Data) -> Captured {
    let file = File::open(path).unwrap();
    capture::qcow2(&file, data, &mut SameNames)
        .unwrap()
        .unwrap()
}

/// Captures every file of a folder; an image is what is called one.
fn capture_folder(folder: &Path, data: Data) -> Recipe {
    let mut recipe = Recipe::default();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let content = if name.ends_with(".qcow2") {
            Content::from(capture(&path, data).image)
        } else {
            Content::Raw(capture::raw(&File::open(&path).unwrap(), data).unwrap().0)
        };
        recipe.files.insert(name, content);
    }
    // What is written down is all that is kept.
    let json = serde_json::to_string(&recipe).unwrap();
    assert!(!json.contains(SECRET));
    assert!(!json.contains(&qconform_generators::recipe::hex(&SECRET.as_bytes()[..8])));
    serde_json::from_str(&json).unwrap()
}

fn first_cluster(path: &Path, bits: u32) -> Vec<u8> {
    let mut bytes = vec![0; 1 << bits];
    let file = File::open(path).unwrap();
    let _short = file.read_at(&mut bytes, 0).unwrap();
    bytes
}

/// What QEMU says, without what differs between two folders.
fn said(qemu: &Qemu, folder: &Path, arguments: &[&str]) -> String {
    let output = qemu.img(folder, arguments);
    let text = format!(
        "{}\n{}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    text.replace(folder.to_str().unwrap(), "FOLDER")
}

/// `qemu-img info` without sizes on disk and what a LUKS header says.
fn info(qemu: &Qemu, folder: &Path, name: &str) -> Value {
    let arguments = ["info", "-U", "--output=json", "-f", "qcow2", name];
    let output = qemu.img(folder, &arguments);
    let mut value: Value = serde_json::from_slice(&output.stdout).unwrap_or(Value::Null);
    if let Some(object) = value.as_object_mut() {
        object.remove("actual-size");
        object.remove("children");
        if let Some(data) = object["format-specific"]["data"].as_object_mut() {
            data.remove("encrypt");
        }
    }
    value
}

fn assert_same(qemu: &Qemu, one: &Path, two: &Path, recipe: &Recipe) {
    for (name, content) in &recipe.files {
        let (old, new) = (one.join(name), two.join(name));
        assert_eq!(
            fs::metadata(&old).unwrap().len(),
            fs::metadata(&new).unwrap().len(),
            "length of {name}"
        );
        let Content::Qcow2(image) = content else {
            continue;
        };
        let bits = image.cluster_bits;
        assert!(
            first_cluster(&old, bits) == first_cluster(&new, bits),
            "first cluster of {name}"
        );
        let again = capture(&new, Data::Markers);
        assert_eq!(&again.image, &**image, "tables of {name}");
        assert_eq!(info(qemu, one, name), info(qemu, two, name));
        for arguments in [
            ["map", "-U", "--output=json", "-f", "qcow2", name.as_str()],
            ["check", "-U", "--output=json", "-f", "qcow2", name.as_str()],
            ["snapshot", "-U", "-l", "-q", "", name.as_str()],
        ] {
            let arguments: Vec<&str> = arguments.into_iter().filter(|a| !a.is_empty()).collect();
            assert_eq!(
                said(qemu, one, &arguments),
                said(qemu, two, &arguments),
                "{arguments:?}"
            );
        }
    }
}

/// Runs each line of a script: `img ARGUMENTS` or `io IMAGE COMMAND`.
fn run_script(qemu: &Qemu, folder: &Path, script: &str) {
    for line in script
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
    {
        let (program, rest) = line.split_once(' ').unwrap();
        let output = match program {
            "img" => qemu.img(folder, &rest.split(' ').collect::<Vec<_>>()),
            _ => {
                let (image, command) = rest.split_once(' ').unwrap();
                let write = command.replace("SECRET", "-s secret.pattern");
                qemu.io(folder, &["-f", "qcow2", "-c", &write, image])
            }
        };
        assert_success(line, &output);
    }
}

/// A folder with a file of the guest's secrets, which is no part of it once the script has run.
fn made(qemu: &Qemu, script: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let pattern = SECRET.repeat(3000);
    fs::write(folder.path().join("secret.pattern"), pattern).unwrap();
    run_script(qemu, folder.path(), script);
    fs::remove_file(folder.path().join("secret.pattern")).unwrap();
    let _gone = fs::remove_file(folder.path().join("source.raw"));
    folder
}
