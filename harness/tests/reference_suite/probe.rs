//! What a probe accepts, what it refuses and what it reports.

use proptest::prelude::*;
use qconform::reference::format::Format;
use qconform::reference::inspection::Inspection;
use qconform::reference::probe::{Header, ProbeError, inspect, probe};
use qconform_scenarios::suite::Suite;
use rstest::rstest;

use crate::sample::Sample;

const DATA: u32 = 0x4441_5441;
const BITMAPS: u32 = 0x2385_2875;
const CRYPTO: u32 = 0x0537_BE77;

fn probe_as_qcow2(bytes: &[u8]) -> Result<Header, ProbeError> {
    probe(&bytes, Some(Format::Qcow2))
}

fn inspect_as_qcow2(bytes: &[u8]) -> Result<Header, ProbeError> {
    Ok(inspect(&bytes, Some(Format::Qcow2))?.header)
}

fn u32_at(offset: usize, value: u32) -> Sample {
    Sample::new().patch(offset, &value.to_be_bytes())
}

fn u64_at(offset: usize, value: u64) -> Sample {
    Sample::new().patch(offset, &value.to_be_bytes())
}

#[rstest]
#[case::magic(Sample::new().patch(0, b"QFI\0"), "bad-magic", 0)]
#[case::version_1(u32_at(4, 1), "unsupported-version", 4)]
#[case::version_4(u32_at(4, 4), "unsupported-version", 4)]
#[case::clusters_of_256_bytes(u32_at(20, 8), "bad-cluster-size", 20)]
#[case::clusters_of_4_mib(u32_at(20, 22), "bad-cluster-size", 20)]
#[case::huge_shift(u32_at(20, u32::MAX), "bad-cluster-size", 20)]
#[case::short_header(u32_at(100, 103), "header-too-short", 100)]
#[case::long_header(u32_at(100, 65_537), "header-too-long", 100)]
#[case::backing_past_cluster(u64_at(8, 65_537), "bad-backing-offset", 8)]
#[case::compression_3(Sample::new().incompatible(8).patch(104, &[3]), "unknown-compression-type", 104)]
#[case::deflate_with_bit(Sample::new().incompatible(8), "compression-bit", 104)]
#[case::zstd_without_bit(Sample::new().patch(104, &[1]), "compression-bit", 104)]
#[case::unknown_feature(Sample::new().incompatible(1 << 5), "unknown-feature", 72)]
#[case::highest_feature(Sample::new().incompatible(1 << 63), "unknown-feature", 72)]
#[case::small_subclusters(Sample::new().cluster_bits(13).incompatible(16), "bad-subcluster-size", 20)]
#[case::wide_refcounts(u32_at(96, 7), "bad-refcount-width", 96)]
#[case::no_refcounts(u32_at(56, 0), "no-refcount-table", 56)]
#[case::many_refcounts(u32_at(56, 129), "refcount-table-too-large", 56)]
#[case::crooked_refcounts(u64_at(48, 65_537), "bad-refcount-table-offset", 48)]
#[case::far_refcounts(u64_at(48, 0xffff_ffff_ffff_0000), "bad-refcount-table-offset", 48)]
#[case::many_snapshots(u32_at(60, 65_537), "snapshot-table-too-large", 60)]
#[case::crooked_snapshots(u64_at(64, 8), "bad-snapshot-table-offset", 64)]
#[case::snapshot_with_much_extra_data(
    u32_at(60, 1).patch(64, &327_680_u64.to_be_bytes()).patch(327_716, &1025_u32.to_be_bytes()),
    "snapshot-extra-data", 327_680)]
#[case::second_snapshot_is_aligned(
    u32_at(60, 2)
        .patch(64, &327_680_u64.to_be_bytes())
        .patch(327_692, &1_u16.to_be_bytes())
        .patch(327_764, &1025_u32.to_be_bytes()),
    "snapshot-extra-data", 327_728)]
#[case::first_of_two_faults(
    u64_at(24, u64::MAX - 511).patch(116, &u32::MAX.to_be_bytes()), "extension-too-large", 112)]
#[case::many_l1_entries(u32_at(36, 4_194_305), "l1-table-too-large", 36)]
#[case::crooked_l1(u64_at(40, 8), "bad-l1-table-offset", 40)]
#[case::l1_index_past_int(u64_at(24, (1 << 60) + (1 << 29)), "image-too-large", 24)]
#[case::small_l1(u64_at(24, 1 << 40), "l1-table-too-small", 36)]
#[case::wrapped_size(u64_at(24, u64::MAX - 511), "disk-too-large", 24)]
#[case::encryption_3(u32_at(32, 3), "unknown-encryption", 32)]
#[case::extension_past_area(Sample::new().patch(112, &[0, 0, 0, 9, 0, 1, 0, 0]), "extension-too-large", 112)]
#[case::end_past_area(Sample::new().patch(116, &u32::MAX.to_be_bytes()), "extension-too-large", 112)]
#[case::long_backing_format(Sample::new().backing_format("0123456789abcdef"), "backing-format-too-long", 112)]
#[case::crypto_without_luks(Sample::new().extension(CRYPTO, &[0; 16]), "unexpected-crypto-extension", 112)]
#[case::short_crypto(u32_at(32, 2).extension(CRYPTO, &[0; 8]), "bad-crypto-extension", 112)]
#[case::not_luks(u32_at(32, 2).extension(CRYPTO, &[0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0]), "not-luks", 65_536)]
#[case::short_bitmaps(Sample::new().autoclear(1).extension(BITMAPS, &[0; 8]), "bad-bitmaps-extension", 112)]
#[case::no_bitmaps(Sample::new().autoclear(1).extension(BITMAPS, &[0; 24]), "no-bitmaps", 112)]
#[case::luks_without_extension(u32_at(32, 2), "missing-crypto-extension", 32)]
#[case::long_backing_name(Sample::new().backing("x").patch(16, &1024_u32.to_be_bytes()), "backing-name-too-long", 16)]
fn a_header_that_qemu_refuses_has_a_class_and_an_offset(
    #[case] sample: Sample,
    #[case] class: &str,
    #[case] offset: u64,
) {
    let error = inspect_as_qcow2(&sample.bytes()).unwrap_err();
    assert_eq!(
        (error.class.as_str(), error.offset),
        (class, offset),
        "{error}"
    );
}

#[rstest]
#[case::plain(Sample::new(), &[])]
#[case::version_2(Sample::new().version(2), &[])]
#[case::dirty_and_corrupt(Sample::new().incompatible(3), &[])]
#[case::unknown_compatible(u64_at(80, u64::MAX), &[])]
#[case::backing_at_cluster_end(u64_at(8, 65_536), &["header.empty-name"])]
#[case::data_file(Sample::new().data_file("disk.raw").autoclear(2), &[])]
#[case::length_105(u32_at(100, 105), &["header.length-multiple-of-8"])]
#[case::name_without_bit(Sample::new().extension(DATA, b"x"), &["header.data-file-name-without-bit"])]
#[case::bit_without_name(Sample::new().incompatible(4), &["header.data-file-bit-without-name"])]
#[case::raw_without_bit(Sample::new().autoclear(2), &["header.raw-flag-without-bit"])]
#[case::raw_with_backing(
    Sample::new().data_file("d").autoclear(2).backing("b"), &["header.raw-flag-with-backing"])]
#[case::two_names(
    Sample::new().data_file("a").extension(DATA, b"b"), &["header.duplicate-extension"])]
#[case::nul(Sample::new().data_file("a\0b"), &["header.nul-in-name"])]
#[case::empty(Sample::new().data_file(""), &["header.empty-name"])]
#[case::nul_in_format(Sample::new().backing("b").backing_format("raw\0"), &["header.nul-in-name"])]
#[case::empty_format(Sample::new().backing("b").backing_format(""), &["header.empty-name"])]
#[case::bitmaps_without_bit(
    Sample::new().extension(BITMAPS, &[0; 24]), &["header.bitmaps-extension-without-bit"])]
#[case::bit_without_bitmaps(Sample::new().autoclear(1), &["header.bitmaps-bit-without-extension"])]
#[case::behind_the_end(Sample::new().patch(65_535, b"x"), &["header.data-after-end"])]
#[case::behind_the_backing_name(
    Sample::new().backing("base").patch(200, b"x"), &["header.data-after-end"])]
#[case::version_3_fields(
    u32_at(4, 2), &["header.version-3-fields", "header.data-after-end"])]
#[case::snapshot_of_a_data_file(
    u32_at(60, 1).patch(64, &327_680_u64.to_be_bytes()).data_file("d"),
    &["header.snapshots-with-data-file", "header.snapshot-extra-data"])]
#[case::hidden_extensions(
    Sample::new().data_file("a").patch(8, &[0, 0, 0, 0, 0, 0, 0, 4]).patch(16, &[0, 0, 0, 1]),
    &["header.backing-name-in-header", "header.nul-in-name", "header.empty-name", "header.data-file-bit-without-name"])]
fn an_oddity_that_qemu_accepts_is_a_violation(#[case] sample: Sample, #[case] expected: &[&str]) {
    let header = inspect_as_qcow2(&sample.bytes()).unwrap();
    let mut found: Vec<_> = header
        .violations
        .iter()
        .map(|found| found.requirement)
        .collect();
    let mut expected = expected.to_vec();
    found.sort_unstable();
    expected.sort_unstable();
    assert_eq!(found, expected);
    let known = Suite::embedded().unwrap().requirements;
    for id in found {
        assert!(known.iter().any(|requirement| requirement.id == id), "{id}");
    }
}

#[test]
fn a_name_without_the_bit_is_ignored() {
    let header = probe_as_qcow2(&Sample::new().extension(DATA, b"disk.raw").bytes()).unwrap();
    assert_eq!(header.data_file, None);
    assert_eq!(header.unused_data_file_name.unwrap().bytes(), b"disk.raw");
}

#[test]
fn a_version_2_image_has_no_data_file_whatever_its_bytes_say() {
    // In version 2 the byte of the bit belongs to the first extension's length.
    let sample = Sample::new().version(2).extension(DATA, b"disk");
    let header = probe_as_qcow2(&sample.bytes()).unwrap();
    assert_eq!(header.data_file, None);
    assert_eq!(header.fields.unwrap().header_length, 72);
}

#[test]
fn the_last_of_two_names_counts() {
    let sample = Sample::new().data_file("first").extension(DATA, b"second");
    let header = probe_as_qcow2(&sample.bytes()).unwrap();
    assert_eq!(header.data_file.unwrap().name.unwrap().bytes(), b"second");
}

#[test]
fn a_name_after_an_extension_of_odd_length_is_found() {
    let sample = Sample::new()
        .backing("base")
        .backing_format("raw")
        .data_file("disk.raw");
    let header = probe_as_qcow2(&sample.bytes()).unwrap();
    assert_eq!(header.data_file.unwrap().name.unwrap().bytes(), b"disk.raw");
    let backing = header.backing.unwrap();
    assert_eq!(backing.name.bytes(), b"base");
    assert_eq!(backing.format().as_deref(), Some("raw"));
}

#[test]
fn a_name_far_into_a_large_cluster_is_found() {
    let sample = Sample::new()
        .cluster_bits(21)
        .extension(0x1234_5678, &vec![7; 1 << 20])
        .data_file("far.raw");
    let header = probe_as_qcow2(&sample.bytes()).unwrap();
    assert_eq!(header.data_file.unwrap().name.unwrap().bytes(), b"far.raw");
}

#[test]
fn a_truncated_file_reads_as_zeros_past_its_end() {
    let bytes = Sample::new().bytes();
    probe_as_qcow2(&bytes[..104]).unwrap();
    let error = probe_as_qcow2(&bytes[..71]).unwrap_err();
    assert_eq!(error.class.as_str(), "header-too-short");
}

#[rstest]
#[case::qcow2(b"QFI\xfb\0\0\0\x02", Format::Qcow2)]
#[case::qcow(b"QFI\xfb\0\0\0\x01", Format::Qcow)]
#[case::qed(b"QED\0", Format::Chained("qed"))]
#[case::vmdk(b"KDMV\x01\0\0\0", Format::Chained("vmdk"))]
#[case::old_vmdk(b"COWD\0\0\0\x01", Format::Chained("vmdk"))]
#[case::vmdk_as_text(b"# Disk DescriptorFile\n \r\nversion=1\r\n", Format::Chained("vmdk"))]
#[case::only_a_comment(b"# Disk DescriptorFile\nversion=4\n", Format::Raw)]
#[case::vpc(b"conectix", Format::Plain("vpc"))]
#[case::vhdx(b"vhdxfile", Format::Plain("vhdx"))]
#[case::luks(b"LUKS\xba\xbe\0\x01", Format::Plain("luks"))]
#[case::luks_2(b"LUKS\xba\xbe\0\x02", Format::Raw)]
#[case::parallels(b"WithoutFreeSpace\x02\0\0\0", Format::Plain("parallels"))]
#[case::parallels_3(b"WithoutFreeSpace\x03\0\0\0", Format::Raw)]
#[case::ploop(b"WithouFreSpacExt\x03\0\0\0", Format::Plain("parallels"))]
#[case::cloop(
    b"#!/bin/sh\n#V2.0 Format\nmodprobe cloop file=$0 && mount -r -t iso9660 /dev/cloop $1\n",
    Format::Plain("cloop")
)]
#[case::cow(b"OOOM", Format::Chained("cow"))]
#[case::version_0(b"QFI\xfb\0\0\0\0", Format::Raw)]
#[case::fourth_byte(b"QFI\0\0\0\0\x03", Format::Raw)]
#[case::empty(b"", Format::Raw)]
fn a_format_is_recognised_by_magic_and_version(#[case] start: &[u8], #[case] format: Format) {
    let mut bytes = Sample::new().version(2).bytes();
    bytes.resize(512, 0);
    bytes.splice(..start.len().max(8), start.iter().copied());
    let header = probe(&bytes.as_slice(), None).unwrap();
    assert_eq!(header.format, format);
}

#[rstest]
#[case::vdi(&[(64, &b"\x7f\x10\xda\xbe"[..])], "vdi")]
#[case::iso(&[(32_769, &b"CD001"[..])], "iso")]
#[case::bochs(
    &[(0, &b"Bochs Virtual HD Image"[..]), (32, &b"Redolog"[..]), (48, &b"Growing"[..]), (64, &b"\0\0\x02\0"[..])],
    "bochs")]
#[case::another_bochs(
    &[(0, &b"Bochs Virtual HD Image"[..]), (32, &b"Redolog"[..]), (48, &b"Undoable"[..]), (64, &b"\0\0\x02\0"[..])],
    "raw")]
#[case::late_bytes_of_vdi(&[(65, &b"\x7f\x10\xda\xbe"[..])], "raw")]
fn a_format_is_recognised_further_in(#[case] parts: &[(usize, &[u8])], #[case] format: &str) {
    let mut bytes = vec![0; 40_000];
    for (offset, part) in parts {
        bytes[*offset..offset + part.len()].copy_from_slice(part);
    }
    let header = probe(&bytes.as_slice(), None).unwrap();
    assert_eq!(header.format.as_str(), format);
}

#[test]
fn a_later_version_is_recognised_as_qcow2_and_then_refused() {
    let bytes = u32_at(4, 4).bytes();
    let error = probe(&bytes.as_slice(), None).unwrap_err();
    assert_eq!(error.class.as_str(), "unsupported-version");
}

#[test]
fn a_declared_raw_file_is_never_parsed() {
    let bytes = Sample::new().data_file("secret").bytes();
    let header = probe(&bytes.as_slice(), Some(Format::Raw)).unwrap();
    assert_eq!(header.format, Format::Raw);
    assert_eq!(header.data_file, None);
}

#[test]
fn an_inspection_has_exactly_the_documented_keys() {
    let folder = tempfile::tempdir().unwrap();
    let sample = Sample::new().data_file("disk.raw").autoclear(2);
    let path = sample.write(folder.path(), "disk.qcow2");
    let json = serde_json::to_value(Inspection::of(&path, None).unwrap()).unwrap();
    let expected = serde_json::json!({
        "path": path.to_str().unwrap(),
        "accepted": true,
        "error": null,
        "format": "qcow2",
        "version": 3,
        "virtual_size": 1 << 20,
        "cluster_bits": 16,
        "header_length": 112,
        "incompatible": ["data-file"],
        "compatible": [],
        "autoclear": ["data-file-raw"],
        "refcount_bits": 16,
        "compression": "deflate",
        "encryption": "none",
        "luks": null,
        "backing": null,
        "data_file": {"name": "disk.raw", "name_hex": "6469736b2e726177", "raw": true},
        "unused_data_file": null,
        "snapshots": {"count": 0, "offset": 0, "listed": []},
        "bitmaps": null,
        "feature_names": [],
        "extensions": [{"type": "44415441", "offset": 112, "length": 8}],
        "violations": [],
    });
    assert_eq!(json, expected);
}

#[test]
fn a_rejected_image_has_no_facts() {
    let folder = tempfile::tempdir().unwrap();
    let path = u32_at(4, 9).write(folder.path(), "disk.qcow2");
    let json = serde_json::to_value(Inspection::of(&path, None).unwrap()).unwrap();
    assert_eq!(json["accepted"], false);
    assert_eq!(json["error"]["class"], "unsupported-version");
    assert_eq!(json["error"]["offset"], 4);
    assert_eq!(json["format"], serde_json::Value::Null);
    assert_eq!(json["incompatible"], serde_json::Value::Null);
}

proptest! {
    #[test]
    fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        let _ = probe_as_qcow2(&bytes);
        let _ = probe(&bytes.as_slice(), None);
    }

    #[test]
    fn random_bytes_behind_a_magic_never_panic(tail in proptest::collection::vec(any::<u8>(), 0..600)) {
        let mut bytes = b"QFI\xfb\0\0\0\x03".to_vec();
        bytes.extend(tail);
        let _ = probe_as_qcow2(&bytes);
    }

    #[test]
    fn a_damaged_header_never_panics(
        length in 0_usize..200,
        flips in proptest::collection::vec((0_usize..1600, any::<bool>()), 0..8),
    ) {
        let sample = Sample::new().backing("base").backing_format("qcow2").data_file("disk.raw");
        let mut bytes = sample.bytes();
        for (bit, flip) in flips {
            if let Some(byte) = bytes.get_mut(bit / 8) {
                *byte ^= u8::from(flip) << (bit % 8);
            }
        }
        let _ = probe_as_qcow2(&bytes);
        bytes.truncate(length);
        let _ = probe_as_qcow2(&bytes);
    }
}
