//! Graphs with secrets, in a real QEMU: an encrypted image is opened with the secret that the
//! graph names, and what a network disk says fits QEMU's own schema.

use std::fs;
use std::path::Path;

use rstest::rstest;
use serde_json::{Value, json};

use crate::daemon::{Daemon, is_here, run};
use crate::qconform;

const SIZE: usize = 1 << 20;

fn disk_report(folder: &Path, disk: &str) -> Value {
    let xml = format!("<domain><name>d</name><devices>{disk}</devices></domain>")
        .replace("$D", folder.to_str().unwrap());
    fs::write(folder.join("domain.xml"), xml).unwrap();
    let ran = qconform(folder, &["blockdev", "--json", "domain.xml"]);
    assert_eq!(ran.code, Some(0), "{}{}", ran.stdout, ran.stderr);
    let mut report: Value = serde_json::from_str(&ran.stdout).unwrap();
    report["disks"][0].take()
}

/// An encrypted image over `real.raw`; its header says `gone.raw`.
fn make_image(folder: &Path) {
    let at = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    let secret = ["--object", "secret,id=s,data=key"];
    let options = format!(
        "encrypt.format=luks,encrypt.key-secret=s,encrypt.iter-time=10,data_file={}",
        at("gone.raw")
    );
    let image = at("luks.qcow2");
    let create = ["create", "-q", secret[0], secret[1], "-f", "qcow2"];
    run(
        "qemu-img",
        &[&create[..], &["-o", options.as_str(), image.as_str(), "1M"]].concat(),
    );
    let image = format!("driver=qcow2,encrypt.key-secret=s,file.filename={image}");
    let write = ["-c", "write -P 7 0 1M", "--image-opts", &image];
    run("qemu-io", &[&secret[..], &write[..]].concat());
    fs::rename(folder.join("gone.raw"), folder.join("real.raw")).unwrap();
}

const DISK: &str = "<disk><driver type='qcow2'/><source file='$D/luks.qcow2'>\
    <encryption format='luks'><secret type='passphrase' usage='x'/></encryption>\
    <dataStore type='file'><format type='raw'/><source file='$D/real.raw'/></dataStore></source>\
    <target dev='vda'/></disk>";

#[test]
fn an_encrypted_image_is_read_with_the_secret_that_the_graph_names() {
    if !is_here() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().canonicalize().unwrap();
    make_image(&folder);
    let graph = disk_report(&folder, DISK);
    let id = graph["secrets"][0]["id"].as_str().unwrap();
    let nodes = graph["nodes"].as_array().unwrap();
    let mut arguments = vec!["--object".to_owned(), format!("secret,id={id},data=key")];
    for node in nodes {
        arguments.extend(["--blockdev".to_owned(), node.to_string()]);
    }
    let bytes = Daemon::start(&folder, &arguments).read(graph["drive"].as_str().unwrap());
    assert!(bytes == vec![7; SIZE]);
    // What the data file holds is nobody's without the secret.
    assert!(fs::read(folder.join("real.raw")).unwrap() != bytes);
}

#[test]
fn the_printed_arguments_say_which_secrets_are_needed() {
    if !is_here() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().canonicalize().unwrap();
    make_image(&folder);
    disk_report(&folder, DISK);
    let ran = qconform(&folder, &["blockdev", "domain.xml"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let line = "needs: secret object libvirt-1-format-encryption-secret0, usage \"x\"\n";
    assert_eq!(ran.stderr, line);
}

#[rstest]
#[case::https("protocol='https' name='a' query='x=y'><host name='127.0.0.1' port='1'/>")]
#[case::iscsi(
    "protocol='iscsi' name='iqn.2013-07.com.example:disk/2'><host name='127.0.0.1' port='1'/>"
)]
#[case::rbd(
    "protocol='rbd' name='pool/image'><host name='127.0.0.1' port='1'/><snapshot name='s'/>\
     <config file='/gone'/>"
)]
#[case::ssh("protocol='ssh' name='/a'><host name='127.0.0.1' port='1'/>")]
#[case::gluster("protocol='gluster' name='v/a'><host name='127.0.0.1' port='1'/>")]
#[case::nfs("protocol='nfs' name='/a'><host name='127.0.0.1'/>")]
fn what_a_network_disk_says_fits_qemus_schema(#[case] source: &str) {
    if !is_here() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().canonicalize().unwrap();
    let graph = disk_report(
        &folder,
        &format!("<disk type='network'><source {source}</source><target dev='vda'/></disk>"),
    );
    let mut node = graph["nodes"][0].clone();
    let driver = node["driver"].as_str().unwrap().to_owned();
    let mut daemon = Daemon::start(&folder, &[]);
    // There is no server, and the driver may be in a package that isn't installed.
    let error = daemon.ask("blockdev-add", &node).unwrap_err();
    let about_the_schema = |error: &str| error.contains("arameter");
    if error.contains("does not accept value") {
        return println!("skipped: this QEMU was built without {driver}");
    }
    assert!(!about_the_schema(&error), "{node}: {error}");
    // The schema would notice.
    node["qconform"] = json!(1);
    let error = daemon.ask("blockdev-add", &node).unwrap_err();
    assert!(about_the_schema(&error), "{error}");
}
