//! What names in headers lead to, and which of them are followed.

use std::os::unix::fs::symlink;

use proptest::prelude::*;
use qconform::reference::chain::policy::{AllowList, DenyAll, Follow, Literal, Strict};
use qconform::reference::chain::{ChainReport, ResolvePolicy, resolve, resolve_image};

use super::FOUR_FILES;
use crate::lab::{Lab, disk, disk_with, store};
use crate::sample::Sample;

#[test]
fn an_unknown_backing_format_is_raw_and_reported() {
    let lab = Lab::new();
    lab.two_layers().image(
        "disk.qcow2",
        Sample::new().backing("base.qcow2").backing_format("file"),
    );
    let chain = lab.chain(&disk("disk.qcow2")).unwrap();
    assert_eq!(
        lab.rows(&chain)[1..],
        ["vda backing base.qcow2 ro 1 header"]
    );
    assert_eq!(
        chain.violations[0].requirement,
        "header.backing-format-known"
    );
}

#[test]
fn a_backing_name_with_one_local_file_in_it_is_followed() {
    let lab = Lab::new();
    let base = lab.path("base.qcow2");
    let json =
        format!(r#"json:{{"driver":"qcow2","file":{{"driver":"file","filename":{base:?}}}}}"#);
    lab.two_layers()
        .image("json.qcow2", Sample::new().backing(&json))
        .image(
            "uri.qcow2",
            Sample::new()
                .backing(&format!("file://{}", base.display()))
                .backing_format("qcow2"),
        );
    for name in ["json.qcow2", "uri.qcow2"] {
        let chain = lab.chain(&disk(name)).unwrap();
        assert_eq!(lab.rows(&chain)[1..], FOUR_FILES[2..], "{name}");
    }
}

#[test]
fn a_backing_image_on_the_network_is_named_without_its_credentials_and_not_read() {
    let lab = Lab::new();
    let backing = "https://user:S3CRET@host/base";
    lab.image("disk.qcow2", Sample::new().backing(backing));
    let chain = lab.chain(&disk("disk.qcow2"));
    let report = ChainReport::from(&chain);
    assert_eq!(report.files.len(), 1);
    assert_eq!(report.remote[0].protocol, "https");
    assert_eq!(report.violations[0].requirement, "access.network-image");
    assert!(!serde_json::to_string(&report).unwrap().contains("S3CRET"));
    let error = qconform::reference::read::read(&lab.path("disk.qcow2"), None, &Literal, 0, 512);
    assert!(error.unwrap_err().to_string().contains("network"));
}

#[test]
fn a_domain_with_an_ambiguous_name_is_refused_with_both_readings() {
    let lab = Lab::new();
    let name = r#"json:{"driver":"file","filename":"/other","password":"S3CRET"}"#;
    lab.image("disk.qcow2", Sample::new().data_file(name));
    let error = lab.chain(&disk("disk.qcow2")).unwrap_err();
    assert_eq!(error.class.as_str(), "ambiguous-name");
    assert!(error.message.contains("to qemu the file"), "{error}");
    assert!(error.message.contains("to libvirt"), "{error}");
    assert!(!error.message.contains("S3CRET"), "{error}");
}

#[test]
fn an_image_alone_takes_data_file_names_literally() {
    let lab = Lab::new();
    lab.image("disk.qcow2", Sample::new().data_file("json:{}"))
        .data("json:{}");
    let chain = resolve_image(&lab.path("disk.qcow2"), None, &Literal).unwrap();
    assert_eq!(lab.rows(&chain)[1], "- data-file json:{} rw 0 header");
    assert_eq!(chain.violations[0].requirement, "access.ambiguous-name");
}

#[test]
fn a_relative_name_belongs_to_the_folder_as_given() {
    let lab = Lab::new();
    std::fs::create_dir(lab.path("real")).unwrap();
    std::fs::create_dir(lab.path("link")).unwrap();
    lab.image("real/disk.qcow2", Sample::new().data_file("disk.raw"))
        .data("real/disk.raw")
        .data("link/disk.raw");
    symlink(lab.path("real/disk.qcow2"), lab.path("link/disk.qcow2")).unwrap();
    let chain = lab.chain(&disk("link/disk.qcow2")).unwrap();
    assert_eq!(
        lab.rows(&chain)[1],
        "vda data-file link/disk.raw rw 0 header"
    );
}

#[test]
fn a_symlinked_data_file_is_followed_unless_the_policy_is_strict() {
    let lab = Lab::new();
    lab.image("disk.qcow2", Sample::new().data_file("link.raw"))
        .data("disk.raw");
    symlink("disk.raw", lab.path("link.raw")).unwrap();
    let domain = lab.domain_with("", &disk("disk.qcow2"));
    let chain = resolve(&domain, &Follow).unwrap();
    assert_eq!(chain.files[1].path, lab.path("link.raw"));
    assert_eq!(chain.files[1].identity.path, lab.path("disk.raw"));
    assert_eq!(
        resolve(&domain, &Strict).unwrap_err().class.as_str(),
        "policy"
    );
}

#[test]
fn a_policy_decides_which_names_in_headers_are_followed() {
    let lab = Lab::new();
    for folder in ["pool", "other"] {
        std::fs::create_dir(lab.path(folder)).unwrap();
        lab.data(&format!("{folder}/disk.raw"));
    }
    symlink(lab.path("other/disk.raw"), lab.path("pool/link.raw")).unwrap();
    let pool = AllowList::new([lab.path("pool")]).unwrap();
    let class = |name: &str, inner: &str, policy: &dyn ResolvePolicy| {
        lab.image("pool/disk.qcow2", Sample::new().data_file(name));
        let domain = lab.domain_with("", &disk_with("pool/disk.qcow2", inner, ""));
        let error = resolve(&domain, policy).err();
        error.map(|error| error.class.as_str())
    };
    assert_eq!(class("disk.raw", "", &pool), None);
    assert_eq!(class("../other/disk.raw", "", &pool), Some("policy"));
    assert_eq!(class("link.raw", "", &pool), Some("policy"));
    assert_eq!(class("x", &store("other/disk.raw"), &pool), None);
    assert_eq!(class("disk.raw", "", &DenyAll), Some("policy"));
    assert_eq!(class("x", &store("pool/disk.raw"), &DenyAll), None);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn any_name_in_a_header_resolves_or_is_refused(name in "[a-z./:\\PC]{0,40}") {
        let lab = Lab::new();
        lab.image("disk.qcow2", Sample::new().data_file(&name).backing(&name));
        let _ = lab.chain(&disk("disk.qcow2"));
        let _ = resolve_image(&lab.path("disk.qcow2"), None, &Literal);
    }
}
