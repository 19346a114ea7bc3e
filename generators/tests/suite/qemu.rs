//! What QEMU makes of the images.

use std::fs;
use std::path::Path;

use qconform_generators::fixture;
use qconform_generators::recipe::{Bytes, Content, Qcow2, Raw, Recipe};
use rstest::rstest;
use serde_json::Value;
use tempfile::TempDir;

use crate::guest;
use crate::map;
use crate::programs::{Qemu, assert_success};

const TOP: &str = "top.qcow2";

/// What the chain of an image consists of.
#[derive(Clone, Copy, Debug)]
enum Shape {
    Plain,
    DataFile,
    AbsoluteDataFile,
    BackingQcow2,
    BackingRaw,
    BackingAndDataFiles,
}

/// An odd size, so that the last cluster is a part of one, and clusters that are populated in
/// the data file or the backing image but not in the image.
fn recipe(version: u32, cluster_bits: u32, shape: Shape) -> Recipe {
    let cluster_size = 1 << cluster_bits;
    let size = 7 * cluster_size + 1536;
    let image = Qcow2 {
        version,
        cluster_bits,
        size,
        populated: [0, 5, 7].into(),
        ..Qcow2::default()
    };
    let below = Qcow2 {
        populated: [0, 1, 6].into(),
        ..image.clone()
    };
    let raw = Raw {
        size,
        cluster_size,
        populated: [0, 1, 2, 5, 6, 7].into(),
        start: None,
    };
    let data_file = |name: &str| Some(Bytes::from(name));

    let mut top = image.clone();
    let mut recipe = Recipe {
        seed: 3,
        ..Recipe::default()
    };
    let mut add = |name: &str, content| recipe.files.insert(name.to_owned(), content);
    match shape {
        Shape::Plain => {}
        Shape::DataFile => top.data_file = data_file("top.raw"),
        Shape::AbsoluteDataFile => top.data_file = data_file("{dir}/top.raw"),
        Shape::BackingQcow2 => {
            top.backing = Some("base.qcow2".into());
            top.backing_format = Some("qcow2".into());
            // Shorter than its overlay, which then reads zeros.
            let size = 6 * cluster_size;
            add(
                "base.qcow2",
                Content::from(Qcow2 {
                    size,
                    populated: [1, 5].into(),
                    ..image
                }),
            );
        }
        Shape::BackingRaw => {
            top.backing = Some("{dir}/base.raw".into());
            top.backing_format = Some("raw".into());
            add("base.raw", Content::Raw(raw.clone()));
        }
        Shape::BackingAndDataFiles => {
            top.data_file = data_file("top.raw");
            top.backing = Some("base.qcow2".into());
            top.backing_format = Some("qcow2".into());
            add(
                "base.qcow2",
                Content::from(Qcow2 {
                    data_file: data_file("base.raw"),
                    ..below
                }),
            );
            add("base.raw", Content::Raw(raw.clone()));
        }
    }
    if top.data_file.is_some() {
        add("top.raw", Content::Raw(raw));
    }
    add(TOP, Content::from(top));
    recipe
}

fn one_image(image: Qcow2) -> Recipe {
    let mut recipe = Recipe::default();
    recipe.files.insert(TOP.into(), Content::from(image));
    recipe
}

fn written(recipe: &Recipe) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fixture::write(recipe, folder.path()).unwrap();
    folder
}

/// `check` finds nothing, and the guest sees what the recipe means.
#[track_caller]
pub(crate) fn assert_clean(qemu: &Qemu, recipe: &Recipe, folder: &Path, name: &str) {
    assert_success("check", &qemu.img(folder, &["check", "-f", "qcow2", name]));
    let expected = tempfile::NamedTempFile::new().unwrap();
    fs::write(expected.path(), guest::bytes(recipe, name)).unwrap();
    let expected = expected.path().to_str().unwrap();
    let compare = ["compare", "-f", "qcow2", "-F", "raw", name, expected];
    let output = qemu.img(folder, &compare);
    assert_success("compare", &output);
    // It succeeds with a warning if the longer one ends in zeros.
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        "Images are identical.\n"
    );
    map::assert_as_intended(qemu, recipe, folder, name);
}

fn info(qemu: &Qemu, folder: &Path) -> Value {
    let output = qemu.img(folder, &["info", "-f", "qcow2", "--output=json", TOP]);
    assert_success("info", &output);
    serde_json::from_slice(&output.stdout).unwrap()
}

#[rstest]
fn every_shape_is_clean_and_reads_as_meant(
    #[values(2, 3)] version: u32,
    #[values(9, 12, 16, 21)] cluster_bits: u32,
    #[values(
        Shape::Plain,
        Shape::DataFile,
        Shape::AbsoluteDataFile,
        Shape::BackingQcow2,
        Shape::BackingRaw,
        Shape::BackingAndDataFiles
    )]
    shape: Shape,
) {
    let Some(qemu) = Qemu::find() else { return };
    let recipe = recipe(version, cluster_bits, shape);
    let folder = written(&recipe);
    assert_clean(&qemu, &recipe, folder.path(), TOP);
}

#[rstest]
fn a_raw_data_file_is_the_guest_view(
    #[values(9, 12, 16, 21)] cluster_bits: u32,
    #[values(104, 112)] header_length: u32,
) {
    let Some(qemu) = Qemu::find() else { return };
    let mut recipe = recipe(3, cluster_bits, Shape::DataFile);
    let Some(Content::Qcow2(image)) = recipe.files.get_mut(TOP) else {
        panic!("no image")
    };
    image.data_file_raw = true;
    image.header_length = Some(header_length);
    let folder = written(&recipe);
    assert_clean(&qemu, &recipe, folder.path(), TOP);
    let data = fs::read(folder.path().join("top.raw")).unwrap();
    assert!(data == guest::bytes(&recipe, TOP));
}

/// Which keys there are is measured on QEMU 10.0: `data-file-raw` exactly with bit 2.
#[rstest]
#[case::plain(Qcow2::default(), None, None)]
#[case::a_name(
    Qcow2 { data_file: Some("d.raw".into()), ..Qcow2::default() },
    Some("d.raw"), Some(false)
)]
#[case::a_raw_data_file(
    Qcow2 { data_file: Some("d.raw".into()), data_file_raw: true, ..Qcow2::default() },
    Some("d.raw"), Some(true)
)]
#[case::the_bit_without_a_name(
    Qcow2 { data_file_bit: Some(true), ..Qcow2::default() },
    None, Some(false)
)]
#[case::an_empty_name(
    Qcow2 { data_file: Some("".into()), ..Qcow2::default() },
    Some(""), Some(false)
)]
#[case::a_name_without_the_bit(
    Qcow2 { data_file: Some("d.raw".into()), data_file_bit: Some(false), ..Qcow2::default() },
    Some("d.raw"), None
)]
#[case::a_name_in_version_2(
    Qcow2 { version: 2, data_file: Some("d.raw".into()), ..Qcow2::default() },
    None, None
)]
fn info_shows_the_data_file_that_the_recipe_asks_for(
    #[case] image: Qcow2,
    #[case] name: Option<&str>,
    #[case] raw: Option<bool>,
) {
    let Some(qemu) = Qemu::find() else { return };
    let folder = written(&one_image(image));
    let specific = &info(&qemu, folder.path())["format-specific"]["data"];
    assert_eq!(specific.get("data-file").and_then(Value::as_str), name);
    assert_eq!(specific.get("data-file-raw").and_then(Value::as_bool), raw);
}

#[rstest]
fn info_shows_the_header_that_the_recipe_asks_for(
    #[values((2, "0.10"), (3, "1.1"))] version: (u32, &str),
    #[values(None, Some("raw"))] format: Option<&str>,
) {
    let Some(qemu) = Qemu::find() else { return };
    let image = Qcow2 {
        version: version.0,
        cluster_bits: 13,
        size: 1 << 20,
        backing: Some("some where/base".into()),
        backing_format: format.map(Bytes::from),
        ..Qcow2::default()
    };
    let folder = written(&one_image(image));
    let info = info(&qemu, folder.path());
    assert_eq!(info["virtual-size"], 1 << 20);
    assert_eq!(info["cluster-size"], 8192);
    assert_eq!(info["format-specific"]["data"]["compat"], version.1);
    assert_eq!(info["backing-filename"], "some where/base");
    assert_eq!(
        info.get("backing-filename-format").and_then(Value::as_str),
        format
    );
}

#[rstest]
#[case::the_bit_without_a_name(
    Qcow2 { data_file_bit: Some(true), ..Qcow2::default() },
    "'data-file' is required"
)]
#[case::raw_without_the_bit(
    Qcow2 { data_file_raw: true, ..Qcow2::default() },
    "data-file-raw requires a data file"
)]
#[case::an_empty_name(
    Qcow2 { data_file: Some("".into()), ..Qcow2::default() },
    "requires a file name"
)]
#[case::a_data_file_that_is_not_there(
    Qcow2 { data_file: Some("{dir}/gone".into()), ..Qcow2::default() },
    "/gone': No such file or directory"
)]
fn deliberately_wrong_images_are_refused_for_their_own_reason(
    #[case] image: Qcow2,
    #[case] message: &str,
) {
    let Some(qemu) = Qemu::find() else { return };
    let folder = written(&one_image(image));
    let output = qemu.io(
        folder.path(),
        &["-r", "-f", "qcow2", "-c", "read 0 512", TOP],
    );
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success(), "qemu-io accepted the image");
    assert!(said.contains(message), "{said}");
}

#[test]
fn a_name_without_the_bit_opens_as_a_plain_image() {
    let Some(qemu) = Qemu::find() else { return };
    let recipe = one_image(Qcow2 {
        data_file: Some("gone".into()),
        data_file_bit: Some(false),
        ..Qcow2::default()
    });
    let folder = written(&recipe);
    assert_clean(&qemu, &recipe, folder.path(), TOP);
}

#[rstest]
#[case::nothing_at_all(Qcow2 { size: 0, populated: [].into(), ..Qcow2::default() })]
#[case::nothing_populated(Qcow2 { populated: [].into(), ..Qcow2::default() })]
#[case::many_small_clusters(Qcow2 {
    cluster_bits: 9,
    size: 64 << 20,
    populated: (0..(64 << 20) / 512).collect(),
    ..Qcow2::default()
})]
#[case::few_clusters_far_apart(Qcow2 {
    cluster_bits: 9,
    size: 64 << 20,
    populated: [131_071, 0, 64, 70_000].into(),
    ..Qcow2::default()
})]
fn extreme_tables_are_clean(#[case] image: Qcow2) {
    let Some(qemu) = Qemu::find() else { return };
    let recipe = one_image(image);
    let folder = written(&recipe);
    assert_clean(&qemu, &recipe, folder.path(), TOP);
}

#[rstest]
#[case::one_l2_table(1 << 20)]
#[case::two_l2_tables(1 << 30)]
#[case::six_l2_tables(3 << 30)]
fn tables_of_a_raw_data_file_are_those_that_qemu_writes(#[case] size: u64) {
    let Some(qemu) = Qemu::find() else { return };
    let mut recipe = one_image(Qcow2 {
        cluster_bits: 16,
        size,
        data_file: Some("d.raw".into()),
        data_file_raw: true,
        ..Qcow2::default()
    });
    recipe.files.insert(
        "d.raw".into(),
        Content::Raw(Raw {
            size,
            ..Raw::default()
        }),
    );
    let folder = written(&recipe);

    let theirs = tempfile::tempdir().unwrap();
    let options = "data_file=d.raw,data_file_raw=on";
    let size = size.to_string();
    let create = ["create", "-q", "-f", "qcow2", "-o", options, TOP, &size];
    assert_success("create", &qemu.img(theirs.path(), &create));

    // The first cluster differs: QEMU adds names of feature bits.
    let ours = fs::read(folder.path().join(TOP)).unwrap();
    let theirs = fs::read(theirs.path().join(TOP)).unwrap();
    assert_eq!(ours.len(), theirs.len());
    assert!(ours[1 << 16..] == theirs[1 << 16..]);
}
