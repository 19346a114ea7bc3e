//! Which files a chain has, and which chains are refused.

mod names;

use qconform::reference::chain::policy::Follow;
use qconform::reference::chain::{ChainReport, Resolver};
use qconform::reference::format::Format;
use qconform::reference::violation::FileViolation;
use rstest::rstest;
use rustix::fs::{FileType, Mode, mknodat};

use crate::lab::{Lab, backing_store, disk, disk_with, store};
use crate::sample::Sample;

const FOUR_FILES: [&str; 4] = [
    "vda top overlay.qcow2 rw 0 given",
    "vda data-file overlay.raw rw 0 header",
    "vda backing base.qcow2 ro 1 header",
    "vda backing-data-file base.raw ro 1 header",
];

#[test]
fn every_layer_has_its_data_file() {
    let lab = Lab::new();
    let chain = lab.two_layers().chain(&disk("overlay.qcow2")).unwrap();
    assert_eq!(lab.rows(&chain), FOUR_FILES);
    assert_eq!(chain.violations, []);
}

#[rstest]
#[case::readonly(disk_with("disk.qcow2", "", "<readonly/>"), "ro")]
#[case::transient(disk_with("disk.qcow2", "", "<transient/>"), "ro")]
#[case::shareable(disk_with("disk.qcow2", "", "<shareable/>"), "rw")]
#[case::cdrom(disk("disk.qcow2").replace("device='disk'", "device='cdrom'"), "ro")]
#[case::floppy(disk("disk.qcow2").replace("device='disk'", "device='floppy'"), "rw")]
fn a_data_file_is_accessed_as_its_image(#[case] disk: String, #[case] access: &str) {
    let lab = Lab::new();
    let chain = lab.pair().chain(&disk).unwrap();
    let expected = [
        format!("vda top disk.qcow2 {access} 0 given"),
        format!("vda data-file disk.raw {access} 0 header"),
    ];
    assert_eq!(lab.rows(&chain), expected);
}

#[test]
fn a_shareable_qcow2_image_is_reported() {
    let lab = Lab::new();
    let chain = lab
        .pair()
        .chain(&disk_with("disk.qcow2", "", "<shareable/>"))
        .unwrap();
    assert_eq!(chain.violations[0].requirement, "domain.shareable-qcow2");
}

#[test]
fn an_empty_backing_store_hides_the_backing_name_but_not_the_data_file() {
    let lab = Lab::new();
    let disk = disk_with("overlay.qcow2", "", "<backingStore/>");
    let chain = lab.two_layers().chain(&disk).unwrap();
    assert_eq!(lab.rows(&chain), FOUR_FILES[..2]);
}

#[rstest]
#[case::terminated("<backingStore/>")]
#[case::open("")]
fn every_declared_layer_is_read_for_its_data_file(#[case] end: &str) {
    let lab = Lab::new();
    let below = backing_store("qcow2", "base.qcow2", "", end);
    let chain = lab
        .two_layers()
        .chain(&disk_with("overlay.qcow2", "", &below))
        .unwrap();
    let mut expected = FOUR_FILES.map(str::to_owned);
    expected[2] = expected[2].replace("header", "declared");
    assert_eq!(lab.rows(&chain), expected);
}

#[test]
fn a_declared_raw_layer_is_never_read() {
    let lab = Lab::new();
    let below = backing_store("raw", "base.qcow2", "", "<backingStore/>");
    let chain = lab
        .two_layers()
        .chain(&disk_with("overlay.qcow2", "", &below))
        .unwrap();
    assert_eq!(
        lab.rows(&chain)[2..],
        ["vda backing base.qcow2 ro 1 declared"]
    );
    assert_eq!(chain.files[2].format, Format::Raw);
}

#[test]
fn a_disk_without_a_declared_format_is_never_probed() {
    let lab = Lab::new();
    let disk = disk("disk.qcow2").replace("type='qcow2'", "");
    let chain = lab.pair().chain(&disk).unwrap();
    assert_eq!(lab.rows(&chain), ["vda top disk.qcow2 rw 0 given"]);
}

#[test]
fn a_declared_store_wins_and_the_headers_name_is_reported() {
    let lab = Lab::new();
    lab.image("disk.qcow2", Sample::new().data_file("gone.raw"))
        .data("other.raw");
    let chain = lab
        .chain(&disk_with("disk.qcow2", &store("other.raw"), ""))
        .unwrap();
    assert_eq!(lab.rows(&chain)[1], "vda data-file other.raw rw 0 declared");
    assert_eq!(
        chain.files[1].overridden.as_ref().unwrap().bytes(),
        b"gone.raw"
    );
}

#[rstest]
#[case::another("other.raw", 1, true)]
#[case::the_headers_own("disk.raw", 1, false)]
#[case::no_bitmaps("other.raw", 0, false)]
fn a_declared_store_over_an_image_with_bitmaps_is_reported(
    #[case] declared: &str,
    #[case] autoclear: u64,
    #[case] reported: bool,
) {
    let lab = Lab::new();
    let mut bitmaps = [0; 24];
    bitmaps[3] = 1;
    bitmaps[15] = 32;
    bitmaps[17] = 9;
    let sample = Sample::new()
        .data_file("disk.raw")
        .autoclear(autoclear)
        .extension(0x2385_2875, &bitmaps);
    lab.image("disk.qcow2", sample)
        .data("disk.raw")
        .data("other.raw");
    let disk = disk_with("disk.qcow2", &store(declared), "");
    let chain = lab.chain(&disk).unwrap();
    let requirement = "access.override-with-bitmaps";
    let found = |found: &FileViolation| found.requirement == requirement;
    assert_eq!(chain.violations.iter().any(found), reported, "{chain:?}");
}

#[test]
fn a_declared_store_that_agrees_with_the_header_overrides_nothing() {
    let lab = Lab::new();
    let chain = lab
        .pair()
        .chain(&disk_with("disk.qcow2", &store("disk.raw"), ""))
        .unwrap();
    assert_eq!(chain.files[1].overridden, None);
}

#[test]
fn a_declared_store_gives_a_name_to_an_image_that_has_none() {
    let lab = Lab::new();
    lab.image("disk.qcow2", Sample::new().incompatible(4))
        .data("other.raw");
    let chain = lab
        .chain(&disk_with("disk.qcow2", &store("other.raw"), ""))
        .unwrap();
    assert_eq!(lab.rows(&chain)[1], "vda data-file other.raw rw 0 declared");
}

#[test]
fn the_local_store_of_a_network_image_is_part_of_the_chain() {
    let lab = Lab::new();
    lab.data("local.raw");
    let disk = disk_with("x", &store("local.raw"), "")
        .replace("<disk type='file'", "<disk type='network'");
    let chain = lab.chain(&disk).unwrap();
    assert_eq!(lab.rows(&chain), ["vda data-file local.raw rw 0 declared"]);
    let unread = &chain.violations[0];
    assert_eq!(
        (unread.requirement.as_str(), unread.path.as_str()),
        ("access.network-image", "vda")
    );
}

#[rstest]
#[case::unused_store(Sample::new(), &store("disk.raw"), "unused-data-store")]
#[case::nameless(Sample::new().incompatible(4), "", "data-file-without-name")]
#[case::empty_name(Sample::new().data_file(""), "", "empty-name")]
#[case::missing_data(Sample::new().data_file("gone"), "", "missing-file")]
#[case::missing_backing(Sample::new().backing("gone").backing_format("raw"), "", "missing-file")]
#[case::json(Sample::new().data_file("json:{}"), "", "ambiguous-name")]
#[case::protocol(Sample::new().data_file("nbd:x"), "", "ambiguous-name")]
#[case::file_protocol(Sample::new().data_file("file:/x"), "", "ambiguous-name")]
#[case::uri(Sample::new().data_file("https://host/x"), "", "ambiguous-name")]
#[case::backing_protocol(Sample::new().backing("x:y"), "", "ambiguous-name")]
#[case::backing_relative_uri(Sample::new().backing("file:disk.raw"), "", "ambiguous-name")]
#[case::backing_json(Sample::new().backing("json:{}"), "", "ambiguous-name")]
#[case::itself(Sample::new().data_file("disk.qcow2"), "", "self-reference")]
#[case::itself_declared(Sample::new().data_file("x"), &store("disk.qcow2"), "self-reference")]
#[case::own_backing(Sample::new().backing("disk.qcow2").backing_format("qcow2"), "", "loop")]
#[case::qcow_1(Sample::new().backing("old.qcow").backing_format("qcow"), "", "unsupported-format")]
#[case::vmdk(Sample::new().backing("disk.raw").backing_format("vmdk"), "", "unsupported-format")]
#[case::undeclared_data(Sample::new().backing("inner.qcow2"), "", "undeclared-format")]
#[case::undeclared_backing(Sample::new().backing("chained.qcow2"), "", "undeclared-format")]
#[case::undeclared_qcow(Sample::new().backing("old.qcow"), "", "unsupported-format")]
#[case::undeclared_vmdk(Sample::new().backing("old.vmdk"), "", "unsupported-format")]
#[case::device(Sample::new().data_file("/dev/null"), "", "special-file")]
#[case::fifo(Sample::new().data_file("fifo"), "", "special-file")]
#[case::directory(Sample::new().data_file("."), "", "special-file")]
#[case::not_encrypted(Sample::new(), "<encryption format='luks'/>", "encryption-mismatch")]
#[case::old_encryption(
    Sample::new().patch(32, &[0, 0, 0, 1]), "<encryption format='luks'/>", "encryption-mismatch"
)]
#[case::same_file_twice(Sample::new().data_file("disk.raw").backing("disk.raw").backing_format("raw"), "", "conflicting-roles")]
#[case::broken_header(Sample::new().patch(4, &[0, 0, 0, 9]), "", "unsupported-version")]
fn a_chain_that_must_not_be_used_has_a_class(
    #[case] sample: Sample,
    #[case] inner: &str,
    #[case] class: &str,
) {
    let lab = Lab::new();
    lab.image("disk.qcow2", sample)
        .data("disk.raw")
        .image("old.qcow", Sample::new().version(2).patch(4, &[0, 0, 0, 1]))
        .image("old.vmdk", Sample::new().patch(0, b"KDMV"))
        .image("inner.qcow2", Sample::new().data_file("disk.raw"))
        .image(
            "chained.qcow2",
            Sample::new().backing("disk.raw").backing_format("raw"),
        );
    mknodat(
        rustix::fs::CWD,
        lab.path("fifo"),
        FileType::Fifo,
        Mode::RUSR,
        0,
    )
    .unwrap();
    let error = lab.chain(&disk_with("disk.qcow2", inner, "")).unwrap_err();
    assert_eq!(error.class.as_str(), class, "{error}");
}

#[rstest]
#[case::raw("disk.raw", Format::Raw)]
#[case::qcow2("plain.qcow2", Format::Qcow2)]
fn an_undeclared_backing_image_that_names_nothing_is_probed(
    #[case] name: &str,
    #[case] format: Format,
) {
    let lab = Lab::new();
    lab.image("disk.qcow2", Sample::new().backing(name))
        .data("disk.raw")
        .image("plain.qcow2", Sample::new());
    let chain = lab.chain(&disk("disk.qcow2")).unwrap();
    assert_eq!(chain.files[1].format, format);
}

#[rstest]
#[case(200, None)]
#[case(201, Some("too-deep"))]
fn a_chain_has_two_hundred_layers_at_most(#[case] layers: usize, #[case] class: Option<&str>) {
    let lab = Lab::new();
    for layer in 1..layers {
        let below = format!("{}.qcow2", layer + 1);
        let sample = Sample::new().backing(&below).backing_format("qcow2");
        lab.image(&format!("{layer}.qcow2"), sample);
    }
    lab.image(&format!("{layers}.qcow2"), Sample::new());
    let result = lab.chain(&disk("1.qcow2"));
    assert_eq!(
        result.as_ref().err().map(|error| error.class.as_str()),
        class
    );
}

#[test]
fn two_disks_may_read_one_base_and_not_write_one_image() {
    let lab = Lab::new();
    let overlay = || Sample::new().backing("base.qcow2").backing_format("qcow2");
    lab.image("1.qcow2", overlay())
        .image("2.qcow2", overlay())
        .image("base.qcow2", Sample::new().data_file("base.raw"))
        .data("base.raw");
    let second = |image: &str, extra: &str| disk_with(image, "", extra).replace("vda", "vdb");
    let chain = lab
        .chain(&(disk("1.qcow2") + &second("2.qcow2", "")))
        .unwrap();
    assert_eq!(chain.files.len(), 6);
    let error = lab
        .chain(&(disk("1.qcow2") + &second("1.qcow2", "<readonly/>")))
        .unwrap_err();
    assert_eq!(error.class.as_str(), "conflicting-roles");
}

#[test]
fn a_block_device_must_be_declared_and_a_header_cannot_name_one() {
    let lab = Lab::new();
    lab.image("disk.qcow2", Sample::new().data_file("node"));
    let device = rustix::fs::makedev(7, 250);
    let node = lab.path("node");
    if mknodat(
        rustix::fs::CWD,
        &node,
        FileType::BlockDevice,
        Mode::RUSR,
        device,
    )
    .is_err()
    {
        return println!("skipped: needs root");
    }
    let error = lab.chain(&disk("disk.qcow2")).unwrap_err();
    assert_eq!(error.class.as_str(), "special-file");
    let error = lab
        .chain(&disk_with("disk.qcow2", &store("node"), ""))
        .unwrap_err();
    assert_eq!(error.class.as_str(), "special-file");
    let declared = store("node")
        .replace("type='file'", "type='block'")
        .replace("file=", "dev=");
    let chain = lab.chain(&disk_with("disk.qcow2", &declared, "")).unwrap();
    assert!(chain.files[1].identity.block);
}

#[test]
fn a_probe_can_be_replaced() {
    let lab = Lab::new();
    let domain = lab.pair().domain_with("", &disk("disk.qcow2"));
    let probe = |_: &std::path::Path, _: Option<Format>| {
        let bytes = Sample::new().bytes();
        Ok(qconform::reference::probe::probe(
            &bytes.as_slice(),
            Some(Format::Qcow2),
        )?)
    };
    let chain = Resolver::new(&Follow)
        .with_probe(&probe)
        .domain(&domain)
        .unwrap();
    assert_eq!(lab.rows(&chain), ["vda top disk.qcow2 rw 0 given"]);
}

#[test]
fn a_report_has_exactly_the_documented_keys() {
    let lab = Lab::new();
    lab.image("disk.qcow2", Sample::new().data_file("x"))
        .data("other.raw");
    let chain = lab.chain(&disk_with("disk.qcow2", &store("other.raw"), ""));
    let json = serde_json::to_value(ChainReport::from(&chain)).unwrap();
    let expected = serde_json::json!({
        "disk": "vda", "role": "data-file", "path": lab.path("other.raw"), "format": "raw",
        "access": "rw", "depth": 0, "source": "declared",
        "overridden": {"name": "x", "name_hex": "78"},
    });
    assert_eq!(json["files"][1], expected);
    assert_eq!(json["error"], serde_json::Value::Null);
    assert_eq!(json["violations"], serde_json::json!([]));
}
