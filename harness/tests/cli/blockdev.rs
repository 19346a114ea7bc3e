//! The graph that `blockdev` prints, in a real QEMU: the header's own name always leads somewhere
//! else, so only the node that is given can explain the bytes.

use std::fs;
use std::path::{Path, PathBuf};

use qconform_generators::marker::Marker;
use rstest::rstest;
use serde_json::Value;

use crate::daemon::{Daemon, is_here};
use crate::qconform;

const CLUSTER: u64 = 4096;
const DISK: u64 = 32_768;

/// Every header names `decoy.raw` or a file that isn't there.
const RECIPE: &str = r#"
[files]
"one.qcow2" = { qcow2 = { data-file = "decoy.raw" } }
"gone.qcow2" = { qcow2 = { data-file = "gone.raw" } }
"nameless.qcow2" = { qcow2 = { data-file-bit = true } }
"real.raw" = { raw = {} }
"decoy.raw" = { raw = { populated = [0, 1, 2, 3, 4, 5, 6, 7] } }
"top.qcow2" = { qcow2 = { populated = [1], data-file = "decoy.raw", backing = "base.qcow2", backing-format = "qcow2" } }
"top.raw" = { raw = { populated = [1] } }
"plain.qcow2" = { qcow2 = { populated = [2], backing = "base.qcow2", backing-format = "qcow2" } }
"three.qcow2" = { qcow2 = { populated = [3], backing = "top.qcow2", backing-format = "qcow2" } }
"base.qcow2" = { qcow2 = { data-file = "decoy.raw" } }
"base.raw" = { raw = {} }
"elsewhere/real.raw" = { raw = { populated = [7] } }
"detected.qcow2" = { qcow2 = { data-file = "real.raw" } }
"#;

fn fixture() -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("recipe.toml"), RECIPE).unwrap();
    let ran = qconform(dir.path(), &["generate", "recipe.toml", "-o", "f"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let folder = dir.path().join("f").canonicalize().unwrap();
    (dir, folder)
}

/// A disk; `layers` are images from the top down, each with its declared store.
fn disk(layers: &[(&str, &str)], end: &str, extra: &str) -> String {
    let source = |(image, store): &(&str, &str)| {
        let store = match *store {
            "" => String::new(),
            file => format!(
                "<dataStore type='file'><format type='raw'/><source file='$D/{file}'/></dataStore>"
            ),
        };
        format!("<source file='$D/{image}'>{store}</source>")
    };
    let below = layers[1..]
        .iter()
        .rev()
        .fold(end.to_owned(), |below, layer| {
            format!(
                "<backingStore type='file'><format type='qcow2'/>{}{below}</backingStore>",
                source(layer)
            )
        });
    format!(
        "<disk type='file' device='disk'><driver name='qemu' type='qcow2'/>{}{below}\
         <target dev='vda'/>{extra}</disk>",
        source(&layers[0])
    )
}

/// What `blockdev` prints for a disk: the name of the topmost node, and all nodes.
fn graph(folder: &Path, disk: &str) -> (String, Vec<Value>) {
    let xml = format!("<domain><name>d</name><devices>{disk}</devices></domain>")
        .replace("$D", folder.to_str().unwrap());
    fs::write(folder.join("domain.xml"), xml).unwrap();
    let ran = qconform(folder, &["blockdev", "--json", "domain.xml"]);
    assert_eq!(ran.code, Some(0), "{}{}", ran.stdout, ran.stderr);
    let report: Value = serde_json::from_str(&ran.stdout).unwrap();
    let disk = &report["disks"][0];
    let nodes = disk["nodes"].as_array().unwrap().clone();
    (disk["drive"].as_str().unwrap().to_owned(), nodes)
}

/// What the guest sees of a disk that QEMU opens from another folder.
fn seen(folder: &Path, disk: &str) -> Vec<u8> {
    let (drive, nodes) = graph(folder, disk);
    Daemon::with_nodes(&folder.join("elsewhere"), &nodes).read(&drive)
}

/// A disk whose clusters hold the markers of these files, and zeros everywhere else.
fn wanted(clusters: &[(u64, &str)]) -> Vec<u8> {
    let mut bytes = vec![0; usize::try_from(DISK).unwrap()];
    for (cluster, file) in clusters {
        let start = usize::try_from(cluster * CLUSTER).unwrap();
        let end = start + usize::try_from(CLUSTER).unwrap();
        Marker::new(0, file).fill(cluster * CLUSTER, &mut bytes[start..end]);
    }
    bytes
}

/// Which file and offset each cluster shows, for messages.
fn describe(bytes: &[u8]) -> Vec<String> {
    let clusters = bytes.chunks(usize::try_from(CLUSTER).unwrap());
    clusters
        .map(|cluster| String::from_utf8_lossy(&cluster[..44]).replace('\0', "0"))
        .collect()
}

#[rstest]
#[case::another_store(&[("one.qcow2", "real.raw")], "", &[(0, "real.raw"), (5, "real.raw")])]
#[case::a_missing_file_in_the_header(
    &[("gone.qcow2", "real.raw")], "", &[(0, "real.raw"), (5, "real.raw")]
)]
#[case::no_name_in_the_header(
    &[("nameless.qcow2", "real.raw")], "", &[(0, "real.raw"), (5, "real.raw")]
)]
#[case::a_base_with_a_store(
    &[("plain.qcow2", ""), ("base.qcow2", "base.raw")], "",
    &[(0, "base.raw"), (2, "plain.qcow2"), (5, "base.raw")]
)]
#[case::both_with_a_store(
    &[("top.qcow2", "top.raw"), ("base.qcow2", "base.raw")], "",
    &[(0, "base.raw"), (1, "top.raw"), (5, "base.raw")]
)]
#[case::three_layers(
    &[("three.qcow2", ""), ("top.qcow2", "top.raw"), ("base.qcow2", "base.raw")], "",
    &[(0, "base.raw"), (1, "top.raw"), (3, "three.qcow2"), (5, "base.raw")]
)]
#[case::terminated(&[("top.qcow2", "top.raw")], "<backingStore/>", &[(1, "top.raw")])]
#[case::terminated_below(
    &[("three.qcow2", ""), ("top.qcow2", "top.raw")], "<backingStore/>",
    &[(1, "top.raw"), (3, "three.qcow2")]
)]
#[case::detected_in_the_images_folder(
    &[("detected.qcow2", "")], "", &[(0, "real.raw"), (5, "real.raw")]
)]
fn qemu_reads_the_bytes_of_the_node_that_it_is_given(
    #[case] layers: &[(&str, &str)],
    #[case] end: &str,
    #[case] clusters: &[(u64, &str)],
    #[values("", "<readonly/>")] extra: &str,
) {
    if !is_here() {
        return;
    }
    let (_dir, folder) = fixture();
    let bytes = seen(&folder, &disk(layers, end, extra));
    assert!(bytes == wanted(clusters), "{:#?}", describe(&bytes));
}

#[test]
fn a_raw_disk_is_its_file_whatever_that_holds() {
    if !is_here() {
        return;
    }
    let (_dir, folder) = fixture();
    let raw = disk(&[("one.qcow2", "")], "", "").replace("type='qcow2'", "type='raw'");
    let bytes = seen(&folder, &raw);
    let file = fs::read(folder.join("one.qcow2")).unwrap();
    assert!(bytes[..file.len()] == file, "{:#?}", describe(&bytes));
}

#[test]
fn without_the_node_qemu_reads_what_the_header_names() {
    if !is_here() {
        return;
    }
    let (_dir, folder) = fixture();
    let (drive, mut nodes) = graph(&folder, &disk(&[("one.qcow2", "real.raw")], "", ""));
    for node in &mut nodes {
        node.as_object_mut().unwrap().remove("data-file");
    }
    let bytes = Daemon::with_nodes(&folder, &nodes).read(&drive);
    let decoy = wanted(&[(0, "decoy.raw"), (5, "decoy.raw")]);
    assert!(bytes == decoy, "{:#?}", describe(&bytes));
}

#[test]
fn a_write_reaches_the_given_data_file_and_no_other_file() {
    if !is_here() {
        return;
    }
    let (_dir, folder) = fixture();
    let layers = [("top.qcow2", "top.raw"), ("base.qcow2", "base.raw")];
    let (drive, nodes) = graph(&folder, &disk(&layers, "", ""));
    let bytes = |name: &str| fs::read(folder.join(name)).unwrap();
    let others = ["decoy.raw", "base.qcow2", "base.raw", "real.raw"];
    let before = others.map(bytes);
    let mut daemon = Daemon::with_nodes(&folder.join("elsewhere"), &nodes);
    daemon.write(&drive, CLUSTER, 512, 7);
    daemon.quit();
    let start = usize::try_from(CLUSTER).unwrap();
    assert_eq!(bytes("top.raw")[start..start + 512], [7; 512]);
    assert!(others.map(bytes) == before);
}

#[rstest]
#[case::below_the_top("", 4)]
#[case::readonly_disk("<readonly/>", 5)]
#[case::transient_disk("<transient/>", 5)]
fn a_read_only_layer_cannot_be_written(#[case] extra: &str, #[case] count: usize) {
    if !is_here() {
        return;
    }
    let (_dir, folder) = fixture();
    let layers = [
        ("three.qcow2", ""),
        ("top.qcow2", "top.raw"),
        ("base.qcow2", "base.raw"),
    ];
    let (drive, nodes) = graph(&folder, &disk(&layers, "", extra));
    let mut daemon = Daemon::with_nodes(&folder, &nodes);
    let mut refused = 0;
    for node in nodes.iter().filter(|node| node["read-only"] == true) {
        let name = node["node-name"].as_str().unwrap();
        let error = daemon.export(name, true).unwrap_err();
        assert!(error.contains("read-only"), "{name}: {error}");
        refused += 1;
    }
    let writable = extra.is_empty();
    assert_eq!(daemon.export(&drive, true).is_ok(), writable);
    assert_eq!(refused, count);
}

#[test]
fn the_printed_arguments_are_the_same_nodes() {
    let (_dir, folder) = fixture();
    let (_, nodes) = graph(&folder, &disk(&[("one.qcow2", "real.raw")], "", ""));
    let ran = qconform(&folder, &["blockdev", "domain.xml"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let lines = ran.stdout.lines().map(|line| {
        let json = line.strip_prefix("-blockdev '").unwrap();
        serde_json::from_str::<Value>(json.strip_suffix('\'').unwrap()).unwrap()
    });
    assert_eq!(lines.collect::<Vec<_>>(), nodes);
}

#[test]
fn a_domain_that_must_be_refused_has_an_error_and_no_nodes() {
    let (_dir, folder) = fixture();
    let refused = disk(&[("gone.qcow2", "")], "", "").replace("$D", folder.to_str().unwrap());
    let xml = format!("<domain><devices>{refused}</devices></domain>");
    fs::write(folder.join("refused.xml"), xml).unwrap();
    let ran = qconform(&folder, &["blockdev", "--json", "refused.xml"]);
    assert_eq!(ran.code, Some(1), "{}", ran.stderr);
    let report: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(report["disks"], Value::Array(Vec::new()));
    assert_eq!(report["error"]["class"], "missing-file");
    let ran = qconform(&folder, &["blockdev", "refused.xml"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(1), ""));
    assert!(ran.stderr.starts_with("refused: "), "{}", ran.stderr);
}
