//! What of a domain QEMU is given.

use rstest::rstest;
use serde_json::{Value, json};

use super::disks;

/// A disk of a domain.
fn disk(format: &str, inside: &str) -> String {
    let driver = match format {
        "" => String::new(),
        format => format!("<driver name='qemu' type='{format}'/>"),
    };
    let source = if inside.starts_with("<source") {
        ""
    } else {
        "<source file='/d/top'/>"
    };
    format!("<disk type='file'>{driver}{source}{inside}<target dev='vda'/></disk>")
}

fn domain(disks: &str) -> String {
    format!("<domain><devices>{disks}</devices></domain>")
}

fn given(xml: &str) -> Vec<Value> {
    let disks = disks(xml).unwrap();
    disks
        .iter()
        .map(|disk| serde_json::to_value(disk).unwrap())
        .collect()
}

const STORE: &str = "<source file='/d/top'><dataStore type='file'><format type='raw'/>\
    <source file='/d/data'/></dataStore></source>";

/// A declared base with a data store, and what stands below it.
fn base(below: &str) -> String {
    format!(
        "<backingStore type='file'><format type='qcow2'/><source file='/d/base'>\
         <dataStore type='block'><format type='raw'/><source dev='/dev/data'/></dataStore>\
         </source>{below}</backingStore>"
    )
}

fn base_node() -> Value {
    json!({
        "driver": "qcow2",
        "file": {"driver": "file", "filename": "/d/base"},
        "data-file": {"driver": "host_device", "filename": "/dev/data"},
    })
}

#[rstest]
#[case::nothing_but_the_file("qcow2", "", json!({"driver": "qcow2"}))]
#[case::no_format("", "", json!({"driver": "raw"}))]
#[case::raw("raw", "", json!({"driver": "raw"}))]
#[case::another_format("vhdx", "", json!({"driver": "vhdx"}))]
#[case::readonly("qcow2", "<readonly/>", json!({"driver": "qcow2", "read-only": true}))]
#[case::shareable("qcow2", "<shareable/>", json!({"driver": "qcow2"}))]
#[case::a_store_says_nothing_of_read_only(
    "qcow2", &format!("{STORE}<readonly/>"),
    json!({
        "driver": "qcow2", "read-only": true,
        "data-file": {"driver": "file", "filename": "/d/data"},
    })
)]
#[case::an_end("qcow2", "<backingStore/>", json!({"driver": "qcow2", "backing": null}))]
#[case::an_end_that_no_option_says("raw", "<backingStore/>", json!({"driver": "raw"}))]
#[case::a_base_and_whatever_is_below(
    "qcow2", &base(""), json!({"driver": "qcow2", "backing": base_node()})
)]
#[case::a_base_and_an_end("qcow2", &base("<backingStore/>"), {
    let mut below = base_node();
    below["backing"] = Value::Null;
    json!({"driver": "qcow2", "backing": below})
})]
#[case::a_base_that_qemu_will_refuse(
    "raw", &base(""), json!({"driver": "raw", "backing": base_node()})
)]
#[case::how_it_is_accessed_is_left_out(
    "qcow2' cache='none' io='native' discard='unmap", "", json!({"driver": "qcow2"})
)]
fn a_disk_is_given_as_it_is_declared(
    #[case] format: &str,
    #[case] inside: &str,
    #[case] expected: Value,
) {
    let mut wanted = json!({
        "node-name": "disk-0", "read-only": false,
        "file": {"driver": "file", "filename": "/d/top"},
    });
    let more = expected.as_object().unwrap().clone();
    wanted.as_object_mut().unwrap().extend(more);
    assert_eq!(given(&domain(&disk(format, inside))), [wanted]);
}

#[test]
fn a_cd_is_read_only_and_an_empty_drive_is_not_given() {
    let cd = |target: &str, source: &str| {
        format!(
            "<disk type='file' device='cdrom'><driver type='raw'/>{source}\
             <target dev='{target}'/></disk>"
        )
    };
    let block = "<disk type='block'><source dev='/dev/x'/><target dev='vdb'/></disk>";
    let all = cd("sda", "") + &cd("sdb", "<source file='/d/cd'/>") + block;
    let disks = disks(&domain(&all)).unwrap();
    let paths = disks.iter().flat_map(super::Disk::filenames);
    assert_eq!(paths.collect::<Vec<_>>(), ["/d/cd", "/dev/x"]);
    let given = given(&domain(&all));
    assert_eq!(given[0]["read-only"], true);
    assert_eq!(given[1]["node-name"], "disk-1");
    assert_eq!(given[1]["file"]["driver"], "host_device");
}

#[test]
fn every_declared_path_is_known_wherever_it_stands() {
    let all = disks(&domain(&disk("qcow2", &format!("{STORE}{}", base(""))))).unwrap();
    let paths: Vec<&str> = all[0].filenames().collect();
    assert_eq!(paths, ["/d/top", "/d/data", "/d/base", "/dev/data"]);
    assert_eq!(all[0].folder().unwrap().to_str(), Some("/d"));
}

const NETWORK: &str = "<disk type='network'><driver type='raw'/><source protocol='nbd' name='x'>\
    <host name='h'/></source><target dev='vda'/></disk>";
const SECRET: &str = "<encryption format='luks'><secret type='passphrase' usage='x'/></encryption>";

#[rstest]
#[case::transient(&disk("qcow2", "<transient/>"), "disk vda: the overlay of a transient disk")]
#[case::network(NETWORK, "disk vda: there is no nbd in the sandbox")]
#[case::encrypted(&disk("qcow2", SECRET), "disk vda: the secret of an encrypted image")]
#[case::a_format_of_libvirts(
    "<disk type='file'><driver type='iso'/><source file='/d/x'/>\
    <target dev='sda'/></disk>",
    "disk sda: QEMU has no format named iso"
)]
#[case::a_filter(&disk("qcow2' copy_on_read='on", ""), "disk vda: copy_on_read takes more")]
#[case::no_domain("<disk/", "the domain can't be read: ")]
fn what_qemu_cannot_be_given_has_a_name(#[case] disk: &str, #[case] expected: &str) {
    let error = disks(&domain(disk)).unwrap_err().to_string();
    assert!(error.starts_with(expected), "{error}");
}
