//! The block nodes of a domain.

use qconform::reference::blockdev::{BlockdevError, Graph, graph};
use qconform::reference::chain::policy::Follow;
use qconform::reference::chain::resolve;
use rstest::rstest;

use crate::lab::{Lab, backing_store, disk, disk_with, store};
use crate::sample::Sample;

fn graph_of(lab: &Lab, disks: &str) -> Result<Graph, BlockdevError> {
    let domain = lab.domain_with("", disks);
    let chain = resolve(&domain, &Follow).unwrap();
    graph(&domain, &chain)
}

/// The nodes as QEMU gets them, without the lab's folder.
fn nodes(lab: &Lab, disks: &str) -> Vec<String> {
    let folder = lab.path("");
    let graph = graph_of(lab, disks).unwrap();
    let nodes = graph.disks.iter().flat_map(|disk| &disk.nodes);
    nodes
        .map(|node| serde_json::to_string(node).unwrap())
        .map(|json| json.replace(folder.to_str().unwrap(), ""))
        .collect()
}

const NBD: &str = "<disk type='network'><driver type='qcow2'/>\
    <source protocol='nbd' name='export'><host transport='unix' socket='/s'/>\
    <dataStore type='file'><format type='raw'/><source file='$D/local.raw'/></dataStore></source>\
    <target dev='vdb'/></disk>";

#[test]
fn the_layout_is_libvirts() {
    let lab = Lab::new();
    lab.two_layers().data("local.raw").data("plain.raw");
    let raw = disk_with("plain.raw", "", "<readonly/>")
        .replace("type='qcow2'", "type='raw'")
        .replace("vda", "vdc");
    let empty = "<disk device='cdrom'><target dev='sda'/></disk>";
    let disks = [&disk("overlay.qcow2"), empty, NBD, &raw].map(str::to_owned);
    let expected = [
        r#"{"driver":"file","filename":"base.raw","node-name":"libvirt-7-storage","read-only":true}"#,
        r#"{"driver":"file","filename":"base.qcow2","node-name":"libvirt-6-storage","auto-read-only":true,"discard":"unmap"}"#,
        r#"{"node-name":"libvirt-6-format","read-only":true,"driver":"qcow2","data-file":"libvirt-7-storage","file":"libvirt-6-storage","backing":null}"#,
        r#"{"driver":"file","filename":"overlay.raw","node-name":"libvirt-5-storage","read-only":false}"#,
        r#"{"driver":"file","filename":"overlay.qcow2","node-name":"libvirt-4-storage","auto-read-only":true,"discard":"unmap"}"#,
        r#"{"node-name":"libvirt-4-format","read-only":false,"driver":"qcow2","data-file":"libvirt-5-storage","file":"libvirt-4-storage","backing":"libvirt-6-format"}"#,
        r#"{"driver":"file","filename":"local.raw","node-name":"libvirt-3-storage","read-only":false}"#,
        r#"{"driver":"nbd","server":{"type":"unix","path":"/s"},"export":"export","node-name":"libvirt-2-storage","auto-read-only":true,"discard":"unmap"}"#,
        r#"{"node-name":"libvirt-2-format","read-only":false,"driver":"qcow2","data-file":"libvirt-3-storage","file":"libvirt-2-storage"}"#,
        r#"{"driver":"file","filename":"plain.raw","node-name":"libvirt-1-storage","read-only":true}"#,
    ];
    assert_eq!(nodes(&lab, &disks.concat()), expected);
    let drives: Vec<String> = graph_of(&lab, &disks.concat())
        .unwrap()
        .disks
        .into_iter()
        .map(|disk| disk.drive)
        .collect();
    let expected = ["libvirt-4-format", "libvirt-2-format", "libvirt-1-storage"];
    assert_eq!(drives, expected);
}

#[test]
fn the_disks_options_go_down_to_every_node() {
    let lab = Lab::new();
    let disk = disk("disk.qcow2").replace(
        "type='qcow2'",
        "type='qcow2' cache='none' io='native' discard='unmap' detect_zeroes='unmap'",
    );
    let expected = [
        r#"{"driver":"file","filename":"disk.raw","aio":"native","node-name":"libvirt-2-storage","read-only":false,"discard":"unmap","detect-zeroes":"unmap","cache":{"direct":true,"no-flush":false}}"#,
        r#"{"driver":"file","filename":"disk.qcow2","aio":"native","node-name":"libvirt-1-storage","auto-read-only":true,"discard":"unmap","cache":{"direct":true,"no-flush":false}}"#,
        r#"{"node-name":"libvirt-1-format","read-only":false,"discard":"unmap","detect-zeroes":"unmap","cache":{"direct":true,"no-flush":false},"driver":"qcow2","data-file":"libvirt-2-storage","file":"libvirt-1-storage","backing":null}"#,
    ];
    assert_eq!(nodes(lab.pair(), &disk), expected);
}

#[test]
fn a_remote_image_ends_the_graph_only_where_the_xml_says_so() {
    let lab = Lab::new();
    lab.data("local.raw");
    let ended = NBD.replace("<target", "<backingStore/><target");
    assert!(!nodes(&lab, NBD)[2].contains("backing"));
    assert!(nodes(&lab, &ended)[2].contains(r#""backing":null"#));
}

#[test]
fn a_format_without_backing_images_has_no_such_option() {
    let lab = Lab::new();
    lab.image("disk.qcow2", Sample::new()).data("base.vdi");
    let below = backing_store("vdi", "base.vdi", "", "");
    let nodes = nodes(&lab, &disk_with("disk.qcow2", "", &below));
    let format = r#"{"node-name":"libvirt-2-format","read-only":true,"driver":"vdi","file":"libvirt-2-storage"}"#;
    assert_eq!(nodes[1], format);
}

#[rstest]
#[case::format(&disk("plain.raw").replace("qcow2", "vhd"), "unsupported-format")]
#[case::protocol(&NBD.replace("'nbd'", "'https'"), "unsupported-source")]
#[case::encrypted_nbd(&NBD.replace("'nbd'", "'nbd' tls='yes'"), "unsupported-source")]
#[case::volume(&disk("plain.raw").replace("type='file'", "type='volume'"), "unsupported-source")]
#[case::below_raw(
    &disk_with("plain.raw", "", &backing_store("raw", "local.raw", "", "")).replacen("qcow2", "raw", 1),
    "unexpected-backing"
)]
#[case::store(&disk_with("disk.qcow2", &store("x").replace("type='file'", "type='network'"), ""), "unsupported-source")]
fn what_has_no_node_has_a_class(#[case] disk: &str, #[case] class: &str) {
    let lab = Lab::new();
    lab.pair().data("plain.raw").data("local.raw");
    let error = graph_of(&lab, disk).unwrap_err();
    assert_eq!(error.class(), class, "{error}");
}

#[test]
fn a_declared_block_device_has_a_driver_of_its_own() {
    let lab = Lab::new();
    lab.image("disk.qcow2", Sample::new().data_file("gone"));
    let device = rustix::fs::makedev(7, 250);
    let (kind, mode) = (rustix::fs::FileType::BlockDevice, rustix::fs::Mode::RUSR);
    let made = rustix::fs::mknodat(rustix::fs::CWD, lab.path("node"), kind, mode, device);
    if made.is_err() {
        return println!("skipped: needs root");
    }
    let declared = store("node")
        .replace("type='file'", "type='block'")
        .replace("file=", "dev=");
    let nodes = nodes(&lab, &disk_with("disk.qcow2", &declared, ""));
    let node = r#"{"driver":"host_device","filename":"node","node-name":"libvirt-2-storage","read-only":false}"#;
    assert_eq!(nodes[0], node);
}

#[test]
fn a_name_that_json_cannot_hold_is_refused() {
    use std::os::unix::ffi::OsStrExt;
    let lab = Lab::new();
    let name = std::ffi::OsStr::from_bytes(b"\xff.raw");
    std::fs::write(lab.path("").join(name), "x").unwrap();
    let sample = Sample::new()
        .incompatible(4)
        .extension(0x4441_5441, name.as_bytes());
    lab.image("disk.qcow2", sample);
    let error = graph_of(&lab, &disk("disk.qcow2")).unwrap_err();
    assert_eq!(error.class(), "name-not-utf-8", "{error}");
}
