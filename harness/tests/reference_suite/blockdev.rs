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

/// Declared encryption, whose secret has this use.
fn encryption(usage: &str) -> String {
    format!("<encryption format='luks'><secret type='passphrase' usage='{usage}'/></encryption>")
}

fn luks(image: Sample) -> Sample {
    image.patch(32, &2_u32.to_be_bytes()).extension(
        0x0537_BE77,
        &[[0, 0, 0, 0, 0, 8, 0, 0], [0, 0, 0, 0, 0, 16, 0, 0]].concat(),
    )
}

#[test]
fn an_encrypted_layer_names_its_secret() {
    let lab = Lab::new();
    let top = Sample::new()
        .backing("base.raw")
        .backing_format("raw")
        .data_file("disk.raw");
    lab.image("disk.qcow2", luks(top))
        .data("disk.raw")
        .data("base.raw");
    let below = backing_store("raw", "base.raw", &encryption("b"), "");
    let disk = disk_with("disk.qcow2", &encryption("a"), &below);
    let expected = [
        r#"{"driver":"file","filename":"base.raw","node-name":"libvirt-3-storage","auto-read-only":true,"discard":"unmap"}"#,
        r#"{"node-name":"libvirt-3-format","read-only":true,"driver":"luks","key-secret":"libvirt-3-format-encryption-secret0","file":"libvirt-3-storage"}"#,
        r#"{"driver":"file","filename":"disk.raw","node-name":"libvirt-2-storage","read-only":false}"#,
        r#"{"driver":"file","filename":"disk.qcow2","node-name":"libvirt-1-storage","auto-read-only":true,"discard":"unmap"}"#,
        r#"{"node-name":"libvirt-1-format","read-only":false,"driver":"qcow2","encrypt":{"format":"luks","key-secret":"libvirt-1-format-encryption-secret0"},"data-file":"libvirt-2-storage","file":"libvirt-1-storage","backing":"libvirt-3-format"}"#,
    ];
    assert_eq!(nodes(&lab, &disk), expected);
    let graph = graph_of(&lab, &disk).unwrap();
    let secrets = serde_json::to_string(&graph.disks[0].secrets).unwrap();
    let expected = r#"[{"id":"libvirt-3-format-encryption-secret0","secret":{"usage":"b"}},{"id":"libvirt-1-format-encryption-secret0","secret":{"usage":"a"}}]"#;
    assert_eq!(secrets, expected);
}

#[rstest]
#[case::nobody_declares_a_secret(luks(Sample::new()), "", "missing-secret")]
#[case::no_secret(luks(Sample::new()), "<encryption format='luks'/>", "missing-secret")]
#[case::old_encryption(Sample::new().patch(32, &1_u32.to_be_bytes()), "", "unsupported-option")]
fn an_encrypted_image_without_its_secret_has_no_graph(
    #[case] image: Sample,
    #[case] declared: &str,
    #[case] class: &str,
) {
    let lab = Lab::new();
    lab.image("disk.qcow2", image);
    let error = graph_of(&lab, &disk_with("disk.qcow2", declared, "")).unwrap_err();
    assert_eq!(error.class(), class, "{error}");
}

/// What stands in a network disk's `<source>`, and the node that reaches it.
#[rstest]
#[case::https(
    "protocol='https' name='a/b.qcow2' query='x=y'><host name='h.example'/>",
    r#"{"driver":"https","url":"https://h.example:443/a/b.qcow2?x=y""#
)]
#[case::ftp_by_address(
    "protocol='ftp' name='/a'><host name='::1' port='2121'/>",
    r#"{"driver":"ftp","url":"ftp://[::1]:2121/a""#
)]
#[case::http_with_user(
    "protocol='http' name='a'><host name='h'/><auth username='u'><secret type='iscsi' usage='x'/></auth>",
    r#"{"driver":"http","url":"http://h:80/a","username":"u","password-secret":"libvirt-1-storage-auth-secret0""#
)]
#[case::iscsi(
    "protocol='iscsi' name='iqn.2013-07.com.example:disk/2'><host name='h' port='3261'/>",
    r#"{"driver":"iscsi","portal":"h:3261","target":"iqn.2013-07.com.example:disk","lun":2,"transport":"tcp""#
)]
#[case::rbd(
    "protocol='rbd' name='pool/image'><host name='a' port='6789'/><host name='b' port='1'/>\
     <snapshot name='s'/><auth username='u'><secret type='ceph' usage='x'/></auth>",
    r#"{"driver":"rbd","pool":"pool","image":"image","snapshot":"s","server":[{"host":"a","port":"6789"},{"host":"b","port":"1"}],"user":"u","auth-client-required":["cephx","none"],"key-secret":"libvirt-1-storage-auth-secret0""#
)]
#[case::rbd_by_configuration(
    "protocol='rbd' name='pool/image'><config file='/etc/ceph.conf'/>",
    r#"{"driver":"rbd","pool":"pool","image":"image","conf":"/etc/ceph.conf""#
)]
#[case::ssh(
    "protocol='ssh' name='/a'><host name='h'/>",
    r#"{"driver":"ssh","path":"/a","server":{"host":"h","port":"22"}"#
)]
#[case::gluster(
    "protocol='gluster' name='volume/a/b'><host name='h'/>",
    r#"{"driver":"gluster","volume":"volume","path":"a/b","server":[{"type":"inet","host":"h","port":"24007"}]"#
)]
#[case::nfs(
    "protocol='nfs' name='/a'><host name='h'/>",
    r#"{"driver":"nfs","server":{"type":"inet","host":"h"},"path":"/a""#
)]
fn a_network_disk_is_reached_as_libvirt_does_it(#[case] source: &str, #[case] start: &str) {
    let disk = format!(
        "<disk type='network'><driver type='raw'/><source {source}</source><target dev='vda'/></disk>"
    );
    let nodes = nodes(&Lab::new(), &disk);
    let common = r#","node-name":"libvirt-1-storage","read-only":false}"#;
    assert_eq!(nodes, [format!("{start}{common}")]);
}

/// A source with something in it that the node would leave out.
#[rstest]
#[case::cookies(
    "protocol='https' name='a'><host name='h'/><cookies><cookie name='a'>b</cookie></cookies>"
)]
#[case::certificate("protocol='https' name='a'><host name='h'/><ssl verify='no'/>")]
#[case::initiator(
    "protocol='iscsi' name='a'><host name='h'/><initiator><iqn name='x'/></initiator>"
)]
#[case::unit_that_is_no_number("protocol='iscsi' name='a/x'><host name='h'/>")]
#[case::escapes("protocol='https' name='a b'><host name='h'/>")]
#[case::query_of_ssh("protocol='ssh' name='/a' query='x'><host name='h'/>")]
#[case::user_of_ssh(
    "protocol='ssh' name='/a'><host name='h'/><auth username='u'><secret usage='x'/></auth>"
)]
#[case::two_servers("protocol='https' name='a'><host name='h'/><host name='i'/>")]
#[case::rbd_port("protocol='rbd' name='p/i'><host name='h'/>")]
#[case::rbd_namespace("protocol='rbd' name='p/n/i'><config file='/c'/>")]
#[case::rdma("protocol='gluster' name='v/a'><host name='h' transport='rdma'/>")]
#[case::tls("protocol='nbd' name='a' tls='yes'><host name='h'/>")]
#[case::sheepdog("protocol='sheepdog' name='a'><host name='h'/>")]
fn a_network_disk_that_is_more_than_its_node_says_has_none(#[case] source: &str) {
    let disk = format!(
        "<disk type='network'><driver type='raw'/><source {source}</source><target dev='vda'/></disk>"
    );
    let error = graph_of(&Lab::new(), &disk).unwrap_err();
    assert_eq!(error.class(), "unsupported-source", "{error}");
}

#[rstest]
#[case::copy_on_read("<driver name='qemu' type='qcow2' copy_on_read='on'/>", "")]
#[case::cache(
    "<driver type='qcow2'><metadata_cache><max_size>1</max_size></metadata_cache></driver>",
    ""
)]
#[case::unreferenced("<driver type='qcow2' discard_no_unref='on'/>", "")]
#[case::filters(
    "<driver type='qcow2'/>",
    "<throttlefilters><throttlefilter group='a'/></throttlefilters>"
)]
fn an_option_that_would_change_the_graph_is_not_left_out(
    #[case] driver: &str,
    #[case] extra: &str,
) {
    let lab = Lab::new();
    let disk = disk_with("disk.qcow2", "", extra);
    let disk = disk.replace("<driver name='qemu' type='qcow2'/>", driver);
    let error = graph_of(lab.pair(), &disk).unwrap_err();
    assert_eq!(error.class(), "unsupported-option", "{error}");
}

#[rstest]
#[case::format(&disk("plain.raw").replace("qcow2", "vhd"), "unsupported-format")]
#[case::protocol(&NBD.replace("'nbd'", "'https'"), "unsupported-source")]
#[case::reservations(
    &disk_with("disk.qcow2", "<reservations managed='yes'/>", ""), "unsupported-option"
)]
#[case::encrypted_vdi(
    &disk_with("plain.raw", &encryption("x"), "").replace("'qcow2'", "'vdi'"), "unsupported-option"
)]
#[case::encrypted_nbd(&NBD.replace("'nbd'", "'nbd' tls='yes'"), "unsupported-source")]
#[case::volume(&disk("plain.raw").replace("type='file'", "type='volume'"), "unsupported-source")]
#[case::below_raw(
    &disk_with("plain.raw", "", &backing_store("raw", "local.raw", "", "")).replacen("qcow2", "raw", 1),
    "unexpected-backing"
)]
#[case::descriptors(&disk("plain.raw").replace("plain.raw'", "plain.raw' fdgroup='g'"), "unsupported-source")]
#[case::descriptors_in_a_store(
    &disk_with("disk.qcow2", &store("x").replace("x'", "x' fdgroup='g'"), ""), "unsupported-source"
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
