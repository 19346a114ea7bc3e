//! What QEMU makes is the same to it when it is rebuilt.

use std::fs;

use qconform_generators::capture::Data;
use qconform_generators::fixture;
use rstest::rstest;

use super::{assert_same, capture, capture_folder, first_cluster, made};
use crate::programs::Qemu;

#[rstest]
#[case::fresh("img create -q -f qcow2 a.qcow2 10M")]
#[case::version_2("img create -q -f qcow2 -o compat=0.10 a.qcow2 10M")]
#[case::small_clusters("img create -q -f qcow2 -o cluster_size=512 a.qcow2 1M")]
#[case::large_clusters("img create -q -f qcow2 -o cluster_size=2M a.qcow2 100M")]
#[case::refcounts_of_one_bit("img create -q -f qcow2 -o refcount_bits=1 a.qcow2 10M")]
#[case::refcounts_of_64_bits(
    "img create -q -f qcow2 -o refcount_bits=64 a.qcow2 10M
    io a.qcow2 write SECRET 1M 64k"
)]
#[case::preallocated("img create -q -f qcow2 -o preallocation=metadata a.qcow2 10M")]
#[case::written_in_order(
    "img create -q -f qcow2 a.qcow2 10M
    io a.qcow2 write SECRET 0 2M"
)]
#[case::written_scattered(
    "img create -q -f qcow2 a.qcow2 1G
    io a.qcow2 write SECRET 900M 64k
    io a.qcow2 write SECRET 3M 200k
    io a.qcow2 write SECRET 600M 4k
    io a.qcow2 write SECRET 0 64k
    io a.qcow2 write SECRET 1M 64k
    io a.qcow2 write -z 600M 1M
    io a.qcow2 discard 0 64k
    io a.qcow2 write SECRET 5M 64k"
)]
#[case::holes_in_data(
    "img create -q -f qcow2 -o preallocation=falloc a.qcow2 1M
    io a.qcow2 write SECRET 64k 4k"
)]
#[case::compressed(
    "img create -q -f qcow2 a.qcow2 10M
    io a.qcow2 write -c SECRET 0 64k
    io a.qcow2 write -c SECRET 128k 64k
    io a.qcow2 write SECRET 64k 64k
    io a.qcow2 write -c -P 0x41 1M 64k
    io a.qcow2 write -c -P 0x42 2M 64k"
)]
#[case::compressed_zstd(
    "img create -q -f qcow2 -o compression_type=zstd a.qcow2 10M
    io a.qcow2 write -c SECRET 0 64k
    io a.qcow2 write -c SECRET 128k 64k"
)]
#[case::compressed_large(
    "img create -q -f qcow2 -o cluster_size=2M a.qcow2 10M
    io a.qcow2 write -c SECRET 0 2M"
)]
#[case::snapshots(
    "img create -q -f qcow2 a.qcow2 10M
    io a.qcow2 write SECRET 0 128k
    img snapshot -c first a.qcow2
    io a.qcow2 write SECRET 64k 128k
    img snapshot -c second a.qcow2
    io a.qcow2 write SECRET 64k 64k
    img snapshot -d first a.qcow2"
)]
#[case::bitmaps(
    "img create -q -f qcow2 a.qcow2 100M
    img bitmap --add a.qcow2 backup
    img bitmap --add -g 4096 a.qcow2 other
    io a.qcow2 write SECRET 5M 1M
    img bitmap --disable a.qcow2 other"
)]
#[case::extended_l2(
    "img create -q -f qcow2 -o extended_l2=on a.qcow2 10M
    io a.qcow2 write SECRET 4k 4k
    io a.qcow2 write SECRET 128k 64k
    io a.qcow2 write -z 130k 2k"
)]
#[case::a_data_file(
    "img create -q -f qcow2 -o data_file=a.raw a.qcow2 10M
    io a.qcow2 write SECRET 64k 200k"
)]
#[case::a_raw_data_file(
    "img create -q -f qcow2 -o data_file=a.raw,data_file_raw=on a.qcow2 700M
    io a.qcow2 write SECRET 64k 200k"
)]
#[case::a_chain(
    "img create -q -f qcow2 -o data_file=base.raw base.qcow2 10M
    io base.qcow2 write SECRET 0 1M
    img create -q -f qcow2 -b base.qcow2 -F qcow2 middle.qcow2
    io middle.qcow2 write SECRET 64k 64k
    img create -q -f qcow2 -b middle.qcow2 -F qcow2 top.qcow2 20M
    io top.qcow2 write SECRET 15M 64k"
)]
#[case::converted(
    "img create -q -f qcow2 source.qcow2 10M
    io source.qcow2 write SECRET 2M 3M
    img convert -c -O qcow2 source.qcow2 a.qcow2
    img convert -O qcow2 source.qcow2 b.qcow2"
)]
#[case::resized(
    "img create -q -f qcow2 a.qcow2 10M
    io a.qcow2 write SECRET 0 64k
    img resize -q a.qcow2 5G"
)]
fn a_rebuilt_image_is_the_same_to_qemu(#[case] script: &str) {
    let Some(qemu) = Qemu::find() else { return };
    let folder = made(&qemu, script);
    let recipe = capture_folder(folder.path(), Data::Markers);
    let rebuilt = tempfile::tempdir().unwrap();
    fixture::write(&recipe, rebuilt.path()).unwrap();
    assert_same(&qemu, folder.path(), rebuilt.path(), &recipe);
}

/// Whoever makes an image anew gets the short recipe, which a person can read.
#[rstest]
#[case::fresh("img create -q -f qcow2 a.qcow2 10M")]
#[case::written(
    "img create -q -f qcow2 a.qcow2 10M
    io a.qcow2 write SECRET 0 64k
    io a.qcow2 write SECRET 64k 256k"
)]
#[case::a_data_file("img create -q -f qcow2 -o data_file=a.raw a.qcow2 1G")]
#[case::a_backing_image("img create -q -f qcow2 -b /nowhere/base -u -F raw a.qcow2 1G")]
fn an_image_as_the_planner_writes_it_needs_no_layout(#[case] script: &str) {
    let Some(qemu) = Qemu::find() else { return };
    let folder = made(&qemu, script);
    let captured = capture(&folder.path().join("a.qcow2"), Data::Markers);
    assert_eq!(captured.image.layout, None, "{:?}", captured.image);
    assert_eq!(captured.image.patches, []);
}

#[test]
fn without_markers_a_rebuilt_image_has_no_data() {
    let Some(qemu) = Qemu::find() else { return };
    let folder = made(
        &qemu,
        "img create -q -f qcow2 a.qcow2 100M
        io a.qcow2 write SECRET 0 50M",
    );
    let recipe = capture_folder(folder.path(), Data::Holes);
    let rebuilt = tempfile::tempdir().unwrap();
    fixture::write(&recipe, rebuilt.path()).unwrap();
    let (old, new) = (
        folder.path().join("a.qcow2"),
        rebuilt.path().join("a.qcow2"),
    );
    assert!(first_cluster(&old, 16) == first_cluster(&new, 16));
    let blocks = std::os::unix::fs::MetadataExt::blocks(&fs::metadata(&new).unwrap());
    assert!(blocks * 512 < 1 << 20, "{blocks} sectors on disk");
}
