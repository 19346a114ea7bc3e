//! The pivot of the design series of 2019-10-07, for real: a raw disk that is in use gets a qcow2
//! image around it, with the raw disk as data file, so that a persistent bitmap has a place to be.

use std::fs;
use std::path::Path;

use qconform_generators::marker::Marker;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::daemon::{Daemon, is_here, run};
use crate::qconform;

const SIZE: u64 = 1 << 20;

/// How much the guest writes at a time.
const SECTOR: u64 = 512;

/// The nodes that `blockdev` prints for a disk, named for this stage of its life. libvirt goes on
/// counting while a domain runs; a domain that is described anew begins with 1.
fn graph(dir: &Path, stage: &str, disk: &str) -> Vec<Value> {
    let xml = format!(
        "<domain><name>d</name><devices><disk type='file' device='disk'>{disk}\
         <target dev='vda'/></disk></devices></domain>"
    );
    let xml = xml.replace("$D", dir.to_str().unwrap());
    fs::write(dir.join("domain.xml"), xml).unwrap();
    let report = json_of(dir, &["blockdev", "--json", "domain.xml"]);
    let text = report["disks"][0]["nodes"].to_string();
    serde_json::from_str(&text.replace("libvirt-", &format!("{stage}-"))).unwrap()
}

fn json_of(dir: &Path, args: &[&str]) -> Value {
    let ran = qconform(dir, args);
    assert_eq!(ran.code, Some(0), "{}{}", ran.stdout, ran.stderr);
    serde_json::from_str(&ran.stdout).unwrap()
}

fn digest(bytes: &[u8]) -> Vec<u8> {
    Sha256::digest(bytes).to_vec()
}

/// How much of the disk the image's bitmap says was written.
fn dirty_bytes(daemon: &mut Daemon, node: &str) -> u64 {
    let nodes = daemon.must("query-named-block-nodes", &json!({"flat": true}));
    let mut nodes = nodes.as_array().unwrap().iter();
    let found = nodes.find(|found| found["node-name"] == node).unwrap();
    found["dirty-bitmaps"][0]["count"].as_u64().unwrap()
}

/// Makes the qcow2 image around the node of the raw disk.
fn create_around(daemon: &mut Daemon, path: &Path, raw: &Value) {
    let file = json!({"driver": "file", "filename": path, "size": 0});
    daemon.run_job("blockdev-create", json!({"options": file}));
    let node = json!({"driver": "file", "filename": path, "node-name": "new"});
    daemon.must("blockdev-add", &node);
    let image = json!({
        "driver": "qcow2", "file": "new", "data-file": raw, "data-file-raw": true, "size": SIZE,
    });
    daemon.run_job("blockdev-create", json!({"options": image}));
    daemon.must("blockdev-del", &json!({"node-name": "new"}));
}

#[test]
fn a_raw_disk_in_use_becomes_the_data_file_of_a_new_image_with_a_bitmap() {
    if !is_here() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().canonicalize().unwrap();
    let (raw, image) = (folder.join("disk.raw"), folder.join("disk.qcow2"));
    fs::write(
        &raw,
        Marker::new(0, "disk.raw").bytes(0, usize::try_from(SIZE).unwrap()),
    )
    .unwrap();

    // The domain runs on the raw disk alone. QEMU makes an image around a node only while nobody
    // holds the node's size, so the guest lets go of it for the moment of the pivot.
    let disk = "<driver type='raw'/><source file='$D/disk.raw'/>";
    let running = graph(&folder, "before", disk);
    let mut daemon = Daemon::with_nodes(&folder, &running);
    let raw_node = &running[0]["node-name"];
    daemon.write(raw_node.as_str().unwrap(), 0, SECTOR, 7);
    let before = fs::read(&raw).unwrap();
    assert_eq!(before[..512], [7; 512]);

    create_around(&mut daemon, &image, raw_node);

    // What runs now is what `blockdev` prints for the new image, with the node that runs already
    // in the place of the one for the data file.
    let disk = "<driver type='qcow2'/><source file='$D/disk.qcow2'/>";
    let [store, storage, format] = &mut graph(&folder, "after", disk)[..] else {
        panic!("an image with a data file has three nodes");
    };
    assert_eq!(store["filename"], running[0]["filename"]);
    assert_eq!(store["read-only"], running[0]["read-only"]);
    assert_eq!(format["data-file"], store["node-name"]);
    format["data-file"] = raw_node.clone();
    daemon.must("blockdev-add", storage);
    daemon.must("blockdev-add", format);
    let top = format["node-name"].as_str().unwrap();
    let bitmap = json!({"node": top, "name": "backup", "persistent": true});
    daemon.must("block-dirty-bitmap-add", &bitmap);
    assert!(daemon.read(top) == before, "the guest sees another disk");
    assert_eq!(digest(&fs::read(&raw).unwrap()), digest(&before));
    assert_eq!(dirty_bytes(&mut daemon, top), 0);

    // From now on the guest writes through the image, into the same raw disk.
    daemon.write(top, 65_536, SECTOR, 9);
    assert_eq!(dirty_bytes(&mut daemon, top), 65_536);
    daemon.quit();
    let mut after = before;
    after[65_536..65_536 + 512].fill(9);
    assert_eq!(digest(&fs::read(&raw).unwrap()), digest(&after));
    assert_described(&folder, &raw, &image);
}

/// QEMU calls both the same disk, and `inspect` and `chain` tell what was made.
fn assert_described(folder: &Path, raw: &Path, image: &Path) {
    let (raw, image) = (raw.to_str().unwrap(), image.to_str().unwrap());
    let compared = run(
        "qemu-img",
        &["compare", "-f", "raw", "-F", "qcow2", raw, image],
    );
    assert_eq!(compared, "Images are identical.\n");
    let report = json_of(folder, &["inspect", "--json", "disk.qcow2"]);
    assert_eq!(report["data_file"]["name"], raw);
    assert_eq!(report["data_file"]["raw"], true);
    assert_eq!(report["autoclear"], json!(["bitmaps", "data-file-raw"]));
    assert_eq!(report["violations"], json!([]));
    let report = json_of(folder, &["chain", "--json", "disk.qcow2"]);
    let files = report["files"].as_array().unwrap().iter();
    let rows: Vec<Value> = files
        .map(|file| json!([file["role"], file["path"], file["source"]]))
        .collect();
    let expected = [
        json!(["top", "disk.qcow2", "given"]),
        json!(["data-file", raw, "header"]),
    ];
    assert_eq!(rows, expected);
}
