//! Guest bytes, cluster by cluster.

use std::io::{Seek, SeekFrom, Write};
use std::process::Command;

use qconform::reference::chain::policy::Literal;
use qconform::reference::read::{ReadError, read};
use rstest::rstest;

use crate::lab::Lab;
use crate::sample::Sample;

const CLUSTER: u64 = 65_536;
const COPIED: u64 = 1 << 63;
/// Where the L2 table of these images is, in the image.
const L2: u64 = 4 * CLUSTER;

/// The L2 entry of a cluster that is at that cluster of its file.
const fn at(cluster: u64) -> u64 {
    COPIED | (cluster * CLUSTER)
}

/// An image whose first clusters have these L2 entries.
fn mapped(lab: &Lab, name: &str, sample: Sample, entries: &[u64]) {
    lab.image(name, sample);
    let mut file = std::fs::File::options()
        .write(true)
        .open(lab.path(name))
        .unwrap();
    let mut put = |offset: u64, bytes: &[u8]| {
        file.seek(SeekFrom::Start(offset)).unwrap();
        file.write_all(bytes).unwrap();
    };
    put(3 * CLUSTER, &(COPIED | L2).to_be_bytes());
    for (index, entry) in (0..).zip(entries) {
        put(L2 + index * 8, &entry.to_be_bytes());
    }
}

/// Writes `byte` over a whole cluster of a file.
fn fill(lab: &Lab, name: &str, cluster: u64, byte: u8) {
    let options = std::fs::File::options()
        .write(true)
        .create(true)
        .truncate(false)
        .clone();
    let mut file = options.open(lab.path(name)).unwrap();
    file.seek(SeekFrom::Start(cluster * CLUSTER)).unwrap();
    file.write_all(&vec![byte; 65_536]).unwrap();
}

fn read_at(lab: &Lab, name: &str, offset: u64, length: u64) -> Result<Vec<u8>, ReadError> {
    read(&lab.path(name), None, &Literal, offset, length)
}

/// The first byte of each of the first clusters, read as one piece.
fn first_bytes(lab: &Lab, name: &str, clusters: usize) -> Vec<u8> {
    let bytes = read_at(lab, name, 0, clusters as u64 * CLUSTER).unwrap();
    bytes.chunks(65_536).map(|cluster| cluster[0]).collect()
}

#[test]
fn allocated_zero_and_missing_clusters_are_told_apart() {
    let lab = Lab::new();
    mapped(&lab, "disk.qcow2", Sample::new(), &[at(5), 1, 0]);
    fill(&lab, "disk.qcow2", 5, 0xaa);
    assert_eq!(first_bytes(&lab, "disk.qcow2", 4), [0xaa, 0, 0, 0]);
}

#[test]
fn clusters_of_a_data_file_are_read_from_it() {
    let lab = Lab::new();
    let entries = [COPIED, at(1), 1, 0, at(4)];
    mapped(
        &lab,
        "disk.qcow2",
        Sample::new().data_file("disk.raw"),
        &entries,
    );
    for cluster in 0..4 {
        fill(
            &lab,
            "disk.raw",
            cluster,
            0xd0 + u8::try_from(cluster).unwrap(),
        );
    }
    // The third is zero by its flag, the fourth unallocated, the fifth past the file's end.
    assert_eq!(first_bytes(&lab, "disk.qcow2", 5), [0xd0, 0xd1, 0, 0, 0]);
}

#[test]
fn missing_clusters_come_from_below_and_zero_flags_hide_what_is_there() {
    let lab = Lab::new();
    let overlay = Sample::new().backing("base.qcow2").backing_format("qcow2");
    mapped(&lab, "disk.qcow2", overlay, &[0, 1, at(5)]);
    fill(&lab, "disk.qcow2", 5, 0xaa);
    let entries = [COPIED, at(1), at(2)];
    mapped(
        &lab,
        "base.qcow2",
        Sample::new().data_file("base.raw"),
        &entries,
    );
    for cluster in 0..3 {
        fill(&lab, "base.raw", cluster, 0xb0);
    }
    assert_eq!(first_bytes(&lab, "disk.qcow2", 4), [0xb0, 0, 0xaa, 0]);
}

#[test]
fn a_backing_image_that_is_shorter_ends_in_zeros() {
    let lab = Lab::new();
    lab.image(
        "disk.qcow2",
        Sample::new().backing("base.raw").backing_format("raw"),
    );
    std::fs::write(lab.path("base.raw"), [7; 1000]).unwrap();
    let bytes = read_at(&lab, "disk.qcow2", 990, 100).unwrap();
    assert_eq!(bytes[..10], [7; 10]);
    assert_eq!(bytes[10..], [0; 90]);
}

#[test]
fn a_read_may_start_and_end_within_clusters() {
    let lab = Lab::new();
    mapped(&lab, "disk.qcow2", Sample::new(), &[at(5), at(6)]);
    fill(&lab, "disk.qcow2", 5, 1);
    fill(&lab, "disk.qcow2", 6, 2);
    assert_eq!(
        read_at(&lab, "disk.qcow2", CLUSTER - 2, 4).unwrap(),
        [1, 1, 2, 2]
    );
}

#[rstest]
#[case::wrong_place(Sample::new().data_file("disk.raw"), at(2), "corrupt")]
#[case::zero_in_the_wrong_place(Sample::new().data_file("disk.raw"), at(2) | 1, "corrupt")]
#[case::compressed_data_file(Sample::new().data_file("disk.raw"), 1 << 62, "corrupt")]
#[case::unaligned(Sample::new(), COPIED | 512, "corrupt")]
#[case::zero_in_version_2(Sample::new().version(2), 1, "corrupt")]
#[case::compressed_nothing(Sample::new(), (1 << 62) | CLUSTER, "corrupt")]
#[case::encrypted(Sample::new().patch(32, &[0, 0, 0, 1]), 0, "unsupported")]
#[case::no_data_file(Sample::new().data_file("gone"), 0, "missing-file")]
fn what_cannot_be_read_has_a_class(
    #[case] sample: Sample,
    #[case] entry: u64,
    #[case] class: &str,
) {
    let lab = Lab::new();
    lab.data("disk.raw");
    mapped(&lab, "disk.qcow2", sample, &[entry]);
    let error = read_at(&lab, "disk.qcow2", 0, 512).unwrap_err();
    assert_eq!(error.class(), class, "{error}");
}

#[rstest]
#[case((1 << 20) - 1, 2, "past-end")]
#[case(u64::MAX, 1, "past-end")]
#[case(0, u64::MAX, "too-long")]
fn a_range_outside_the_disk_is_refused(
    #[case] offset: u64,
    #[case] length: u64,
    #[case] class: &str,
) {
    let lab = Lab::new();
    lab.image("disk.qcow2", Sample::new());
    let error = read_at(&lab, "disk.qcow2", offset, length).unwrap_err();
    assert_eq!(error.class(), class);
}

/// Runs one of QEMU's programs in the lab's folder, where relative data file names work.
fn run(lab: &Lab, program: &str, arguments: &[&str]) -> Vec<u8> {
    let output = Command::new(program)
        .args(arguments)
        .current_dir(lab.path(""))
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    output.stdout
}

#[test]
fn a_chain_that_qemu_wrote_reads_as_qemu_reads_it() {
    let lab = Lab::new();
    if crate::qemu::qemu_img().is_none() || which::which("qemu-io").is_err() {
        return println!("skipped: qemu-io is not installed");
    }
    run(
        &lab,
        "qemu-img",
        &[
            "create",
            "-qf",
            "qcow2",
            "-o",
            "data_file=base.raw",
            "base.qcow2",
            "1M",
        ],
    );
    run(&lab, "qemu-io", &["-c", "write -P 1 0 300k", "base.qcow2"]);
    let options = ["create", "-qf", "qcow2", "-F", "qcow2", "-b", "base.qcow2"];
    let overlay = [
        &options[..],
        &["-o", "data_file=top.raw", "top.qcow2", "2M"],
    ]
    .concat();
    run(&lab, "qemu-img", &overlay);
    run(
        &lab,
        "qemu-io",
        &[
            "-c",
            "write -P 2 64k 100k",
            "-c",
            "write -z 0 64k",
            "top.qcow2",
        ],
    );
    run(
        &lab,
        "qemu-img",
        &["convert", "-O", "raw", "top.qcow2", "expected.raw"],
    );
    let expected = std::fs::read(lab.path("expected.raw")).unwrap();
    assert!(
        read_at(&lab, "top.qcow2", 0, 2 << 20).unwrap() == expected,
        "bytes differ"
    );
}
