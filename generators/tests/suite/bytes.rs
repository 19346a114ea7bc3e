//! Small images against bytes that were written by hand from the specification.

use std::fs;

use qconform_generators::fixture;
use qconform_generators::marker::Marker;
use qconform_generators::recipe::{Content, Qcow2, Recipe};
use rstest::rstest;

/// Offset and hex digits; everything else is zero.
type Pieces = &'static [(usize, &'static str)];

const DATA_FILE: Pieces = &[
    // Magic, version; no backing image; 512-byte clusters; 1024 bytes.
    (
        0x00,
        "514649fb 00000003 0000000000000000 00000000 00000009 0000000000000400",
    ),
    // No encryption; one L1 entry in cluster 3; refcount table in cluster 1, one cluster.
    (
        0x20,
        "00000000 00000001 0000000000000600 0000000000000200 00000001",
    ),
    // Incompatible bit 2; 16-bit refcounts, 112 bytes of header.
    (
        0x48,
        "0000000000000004 0000000000000000 0000000000000000 00000004 00000070",
    ),
    // Extension DATA with one byte "d"; the end marker behind it is all zeros.
    (0x70, "44415441 00000001 64"),
    (0x200, "0000000000000400"),
    (0x400, "0001 0001 0001 0001 0001"),
    (0x600, "8000000000000800"),
    // Guest cluster 1, at the same offset in the data file.
    (0x808, "8000000000000200"),
];

const RAW_DATA_FILE: Pieces = &[
    (
        0x00,
        "514649fb 00000003 0000000000000000 00000000 00000009 0000000000000400",
    ),
    (
        0x20,
        "00000000 00000001 0000000000000600 0000000000000200 00000001",
    ),
    // Autoclear bit 1, 104 bytes of header, and so extensions start 8 bytes earlier.
    (
        0x48,
        "0000000000000004 0000000000000000 0000000000000002 00000004 00000068",
    ),
    (0x68, "44415441 00000001 64"),
    (0x200, "0000000000000400"),
    (0x400, "0001 0001 0001 0001 0001"),
    (0x600, "8000000000000800"),
    (0x800, "8000000000000000 8000000000000200"),
];

const VERSION_2_WITH_BACKING: Pieces = &[
    // The backing name is 4 bytes at 0x60, right behind the end marker.
    (
        0x00,
        "514649fb 00000002 0000000000000060 00000004 00000009 0000000000000400",
    ),
    (
        0x20,
        "00000000 00000001 0000000000000600 0000000000000200 00000001",
    ),
    // Extension with the backing format "raw".
    (0x48, "e2792aca 00000003 726177"),
    (0x60, "62617365"),
    (0x200, "0000000000000400"),
    (0x400, "0001 0001 0001 0001 0001 0001"),
    (0x600, "8000000000000800"),
    (0x808, "8000000000000a00"),
];

fn image() -> Qcow2 {
    Qcow2 {
        cluster_bits: 9,
        size: 1024,
        populated: [1].into(),
        ..Qcow2::default()
    }
}

fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<u32> = text
        .chars()
        .filter_map(|letter| letter.to_digit(16))
        .collect();
    digits
        .chunks_exact(2)
        .map(|pair| u8::try_from(pair[0] << 4 | pair[1]).unwrap())
        .collect()
}

#[rstest]
#[case::data_file(Qcow2 { data_file: Some("d".into()), ..image() }, 0xa00, DATA_FILE)]
#[case::raw_data_file(
    Qcow2 {
        data_file: Some("d".into()),
        data_file_raw: true,
        header_length: Some(104),
        ..image()
    },
    0xa00,
    RAW_DATA_FILE
)]
#[case::version_2_with_backing(
    Qcow2 {
        version: 2,
        backing: Some("base".into()),
        backing_format: Some("raw".into()),
        ..image()
    },
    0xc00,
    VERSION_2_WITH_BACKING
)]
fn a_small_image_has_these_bytes(
    #[case] image: Qcow2,
    #[case] length: usize,
    #[case] pieces: Pieces,
) {
    let mut expected = vec![0; length];
    for (offset, digits) in pieces {
        let piece = unhex(digits);
        expected[*offset..offset + piece.len()].copy_from_slice(&piece);
    }
    if !image.uses_data_file() {
        expected[0xa00..].copy_from_slice(&Marker::new(9, "a.qcow2").bytes(512, 512));
    }

    let mut recipe = Recipe {
        seed: 9,
        ..Recipe::default()
    };
    recipe.files.insert("a.qcow2".into(), Content::from(image));
    let folder = tempfile::tempdir().unwrap();
    let written = fixture::write(&recipe, folder.path()).unwrap();

    let found = fs::read(folder.path().join("a.qcow2")).unwrap();
    assert_eq!(written[0].size, length as u64);
    assert_eq!(found.len(), length);
    for (index, (found, expected)) in found.chunks(8).zip(expected.chunks(8)).enumerate() {
        assert_eq!(found, expected, "at offset {:#x}", index * 8);
    }
}

#[test]
fn a_last_cluster_that_the_size_cuts_off_is_zero_behind_the_size() {
    let image = Qcow2 {
        size: 700,
        ..image()
    };
    let mut recipe = Recipe {
        seed: 9,
        ..Recipe::default()
    };
    recipe.files.insert("a.qcow2".into(), Content::from(image));
    let folder = tempfile::tempdir().unwrap();
    fixture::write(&recipe, folder.path()).unwrap();

    let found = fs::read(folder.path().join("a.qcow2")).unwrap();
    let mut expected = Marker::new(9, "a.qcow2").bytes(512, 188);
    expected.resize(512, 0);
    assert_eq!(&found[0xa00..], expected);
}
