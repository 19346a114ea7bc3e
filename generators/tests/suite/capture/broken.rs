//! No byte of an image makes capture fail in any other way than by an error.

use std::fs;
use std::os::unix::fs::FileExt as _;

use proptest::prelude::*;
use qconform_generators::capture::{self, Data, SameNames};
use qconform_generators::fixture;
use qconform_generators::recipe::{Qcow2, Recipe};

/// An image with one of everything, to be broken.
fn rich() -> Vec<u8> {
    let image: Qcow2 = serde_json::from_str(
        r#"{"cluster-bits": 9, "size": 65536, "populated": [0, 5, "70..90"], "zero": [3],
            "compressed": [9, 10], "snapshots": [{"name": "one"}, {"populated": [1]}],
            "bitmaps": [{"name": "b", "granularity-bits": 9, "dirty": [1]}],
            "backing": "base", "backing-format": "raw"}"#,
    )
    .unwrap();
    let mut recipe = Recipe::default();
    recipe.files.insert("a.qcow2".into(), image.into());
    let folder = tempfile::tempdir().unwrap();
    fixture::write(&recipe, folder.path()).unwrap();
    fs::read(folder.path().join("a.qcow2")).unwrap()
}

fn survives(bytes: &[u8]) -> Result<(), TestCaseError> {
    let file = tempfile::tempfile().unwrap();
    file.write_all_at(bytes, 0).unwrap();
    let Ok(Some(captured)) = capture::qcow2(&file, Data::Markers, &mut SameNames) else {
        return Ok(());
    };
    let mut recipe = Recipe::default();
    recipe.files.insert("a.qcow2".into(), captured.image.into());
    let folder = tempfile::tempdir().unwrap();
    fixture::write(&recipe, folder.path()).unwrap();
    let new = fs::read(folder.path().join("a.qcow2")).unwrap();
    prop_assert_eq!(new.len(), bytes.len());
    let known = 112.min(bytes.len());
    prop_assert!(new[..known] == bytes[..known], "header");
    Ok(())
}

proptest! {
    #[test]
    fn bytes_without_sense_are_captured_or_not(
        mut bytes in proptest::collection::vec(any::<u8>(), 0..2000),
        magic in any::<bool>(),
    ) {
        if magic && bytes.len() > 4 {
            bytes[..4].copy_from_slice(b"QFI\xfb");
        }
        survives(&bytes)?;
    }

    #[test]
    fn a_broken_image_is_captured(
        flips in proptest::collection::vec((0_usize..10_000, 0_u8..8), 1..20),
        cut in any::<Option<prop::sample::Index>>(),
    ) {
        let mut bytes = rich();
        for (at, bit) in flips {
            // Most damage shall be to the tables, which are in front.
            let length = bytes.len();
            bytes[at % length] ^= 1 << bit;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        survives(&bytes)?;
    }
}
