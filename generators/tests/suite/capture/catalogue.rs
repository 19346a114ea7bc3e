//! Every defect, and every image of the corpus, comes back.

use std::fs::{self, File};

use qconform_generators::capture::{Data, SameNames, qcow2};
use qconform_generators::corpus;
use qconform_generators::defect::{Choice, Defect, catalogue};
use qconform_generators::fixture;
use qconform_generators::recipe::{Content, Qcow2, Recipe};

use super::{capture, first_cluster};

fn defective(choice: &Choice) -> (Qcow2, tempfile::TempDir) {
    let defect = choice.defect().unwrap();
    let image = Qcow2 {
        defects: vec![choice.clone()],
        ..defect.base.image()
    };
    let mut recipe = Recipe::default();
    recipe.files.insert("a.qcow2".into(), image.clone().into());
    let folder = tempfile::tempdir().unwrap();
    fixture::write(&recipe, folder.path()).unwrap();
    (image, folder)
}

/// Files too short for a header; and pointers to clusters that hold no such table, because it
/// ends before, is cut off, or is elsewhere. Where the extra data has no end, a directory's first
/// entry can't be read.
const DOUBTED: &[&str] = &[
    "refcount-table-clusters=2049",
    "refcount-table-clusters=2147483648",
    "refcount-table-clusters=4294967295",
    "l1-size=4194304",
    "l1-size=4194305",
    "l1-size=2147483648",
    "l1-size=4294967295",
    "truncated=0: no image",
    "truncated=1: no image",
    "truncated=3: no image",
    "truncated=4: no image",
    "truncated=5: no image",
    "truncated=7: no image",
    "truncated=8: no image",
    "truncated=12288",
    "l1-entry=9223372036854796289",
    "l1-entry=18374686479671644160",
    "refcount-block=12288",
    "snapshot-extra=2147483647",
    "snapshot-extra=4294967295",
    "bitmap-table-size=134217729",
    "bitmap-table-size=4294967295",
    "bitmap-extra=4294967295",
];

#[test]
fn every_defect_comes_back() {
    let mut doubted = Vec::new();
    for choice in catalogue().flat_map(Defect::choices) {
        let (image, folder) = defective(&choice);
        let path = folder.path().join("a.qcow2");
        let file = File::open(&path).unwrap();
        let captured = qcow2(&file, Data::Markers, &mut SameNames).unwrap();
        let Some(captured) = captured else {
            doubted.push(format!("{choice}: no image"));
            continue;
        };
        if captured.left.doubtful_tables > 0 {
            doubted.push(choice.to_string());
        }
        let rebuilt = tempfile::tempdir().unwrap();
        let mut recipe = Recipe::default();
        recipe
            .files
            .insert("a.qcow2".into(), captured.image.clone().into());
        fixture::write(&recipe, rebuilt.path()).unwrap();
        let new = rebuilt.path().join("a.qcow2");
        let bits = image.cluster_bits;
        assert!(
            first_cluster(&path, bits) == first_cluster(&new, bits),
            "first cluster with {choice}"
        );
        assert_eq!(
            fs::metadata(&path).unwrap().len(),
            fs::metadata(&new).unwrap().len(),
            "length with {choice}"
        );
        let again = capture(&new, Data::Markers);
        assert_eq!(again.image.patches, captured.image.patches, "{choice}");
        if captured.left.doubtful_tables == 0 {
            assert_eq!(again.image, captured.image, "{choice}");
        }
    }
    assert_eq!(doubted, DOUBTED);
}

/// Entries with a defect have a test of their own.
#[test]
fn every_image_of_the_corpus_comes_back() {
    let whole = corpus::entries().filter(|entry| entry.defect.is_none());
    let mut count = 0;
    for entry in whole {
        let folder = tempfile::tempdir().unwrap();
        fixture::write(&entry.recipe, folder.path()).unwrap();
        let Some(Content::Qcow2(image)) = entry.recipe.files.get(corpus::IMAGE) else {
            continue;
        };
        count += 1;
        let path = folder.path().join(corpus::IMAGE);
        let captured = capture(&path, Data::Markers);
        assert_eq!(captured.left.doubtful_tables, 0, "{}", entry.id);
        let mut recipe = Recipe::default();
        let content = captured.image.clone().into();
        recipe.files.insert(corpus::IMAGE.into(), content);
        let rebuilt = tempfile::tempdir().unwrap();
        fixture::write(&recipe, rebuilt.path()).unwrap();
        let new = rebuilt.path().join(corpus::IMAGE);
        let bits = image.cluster_bits;
        assert!(
            first_cluster(&path, bits) == first_cluster(&new, bits),
            "first cluster of {}",
            entry.id
        );
        let again = capture(&new, Data::Markers);
        assert_eq!(again.image, captured.image, "{}", entry.id);
    }
    assert!(count > 100, "{count} images");
}
