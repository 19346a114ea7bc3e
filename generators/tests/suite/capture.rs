//! Captures real images and rebuilds them.

use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use proptest::prelude::*;
use qconform_generators::capture::{self, Captured, Data, SameNames};
use qconform_generators::corpus;
use qconform_generators::defect::{Choice, Defect, catalogue};
use qconform_generators::fixture;
use qconform_generators::recipe::{Content, Qcow2, Recipe};
use rstest::rstest;
use serde_json::Value;

use crate::programs::{Qemu, assert_success};

/// What no captured recipe may contain, and what fills the guests of these tests.
const SECRET: &str = "TOPSECRET-of-the-guest:";

fn capture(path: &Path, data: Data) -> Captured {
    let file = File::open(path).unwrap();
    capture::qcow2(&file, data, &mut SameNames)
        .unwrap()
        .unwrap()
}

/// Captures every file of a folder; an image is what is called one.
fn capture_folder(folder: &Path, data: Data) -> Recipe {
    let mut recipe = Recipe::default();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let content = if name.ends_with(".qcow2") {
            Content::from(capture(&path, data).image)
        } else {
            Content::Raw(capture::raw(&File::open(&path).unwrap(), data).unwrap().0)
        };
        recipe.files.insert(name, content);
    }
    // What is written down is all that is kept.
    let json = serde_json::to_string(&recipe).unwrap();
    assert!(!json.contains(SECRET));
    assert!(!json.contains(&qconform_generators::recipe::hex(&SECRET.as_bytes()[..8])));
    serde_json::from_str(&json).unwrap()
}

fn first_cluster(path: &Path, bits: u32) -> Vec<u8> {
    let mut bytes = vec![0; 1 << bits];
    let file = File::open(path).unwrap();
    let _short = file.read_at(&mut bytes, 0).unwrap();
    bytes
}

/// What QEMU says, without what differs between two folders.
fn said(qemu: &Qemu, folder: &Path, arguments: &[&str]) -> String {
    let output = qemu.img(folder, arguments);
    let text = format!(
        "{}\n{}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    text.replace(folder.to_str().unwrap(), "FOLDER")
}

/// `qemu-img info` without sizes on disk and what a LUKS header says.
fn info(qemu: &Qemu, folder: &Path, name: &str) -> Value {
    let arguments = ["info", "-U", "--output=json", "-f", "qcow2", name];
    let output = qemu.img(folder, &arguments);
    let mut value: Value = serde_json::from_slice(&output.stdout).unwrap_or(Value::Null);
    if let Some(object) = value.as_object_mut() {
        object.remove("actual-size");
        object.remove("children");
        if let Some(data) = object["format-specific"]["data"].as_object_mut() {
            data.remove("encrypt");
        }
    }
    value
}

fn assert_same(qemu: &Qemu, one: &Path, two: &Path, recipe: &Recipe) {
    for (name, content) in &recipe.files {
        let (old, new) = (one.join(name), two.join(name));
        assert_eq!(
            fs::metadata(&old).unwrap().len(),
            fs::metadata(&new).unwrap().len(),
            "length of {name}"
        );
        let Content::Qcow2(image) = content else {
            continue;
        };
        let bits = image.cluster_bits;
        assert!(
            first_cluster(&old, bits) == first_cluster(&new, bits),
            "first cluster of {name}"
        );
        let again = capture(&new, Data::Markers);
        assert_eq!(&again.image, &**image, "tables of {name}");
        assert_eq!(info(qemu, one, name), info(qemu, two, name));
        for arguments in [
            ["map", "-U", "--output=json", "-f", "qcow2", name.as_str()],
            ["check", "-U", "--output=json", "-f", "qcow2", name.as_str()],
            ["snapshot", "-U", "-l", "-q", "", name.as_str()],
        ] {
            let arguments: Vec<&str> = arguments.into_iter().filter(|a| !a.is_empty()).collect();
            assert_eq!(
                said(qemu, one, &arguments),
                said(qemu, two, &arguments),
                "{arguments:?}"
            );
        }
    }
}

/// Runs each line of a script: `img ARGUMENTS` or `io IMAGE COMMAND`.
fn run_script(qemu: &Qemu, folder: &Path, script: &str) {
    for line in script
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
    {
        let (program, rest) = line.split_once(' ').unwrap();
        let output = match program {
            "img" => qemu.img(folder, &rest.split(' ').collect::<Vec<_>>()),
            _ => {
                let (image, command) = rest.split_once(' ').unwrap();
                let write = command.replace("SECRET", "-s secret.pattern");
                qemu.io(folder, &["-f", "qcow2", "-c", &write, image])
            }
        };
        assert_success(line, &output);
    }
}

/// A folder with a file of the guest's secrets, which is no part of it once the script has run.
fn made(qemu: &Qemu, script: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let pattern = SECRET.repeat(3000);
    fs::write(folder.path().join("secret.pattern"), pattern).unwrap();
    run_script(qemu, folder.path(), script);
    fs::remove_file(folder.path().join("secret.pattern")).unwrap();
    let _gone = fs::remove_file(folder.path().join("source.raw"));
    folder
}

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

#[test]
fn keys_stay_where_they_are() {
    let Some(qemu) = Qemu::find() else { return };
    let folder = made(
        &qemu,
        "img create -q -f qcow2 --object secret,id=s,data=TOPSECRET \
         -o encrypt.format=luks,encrypt.key-secret=s,encrypt.iter-time=10 a.qcow2 10M",
    );
    let path = folder.path().join("a.qcow2");
    let captured = capture(&path, Data::Markers);
    assert!(captured.left.keys);
    let recipe = capture_folder(folder.path(), Data::Markers);
    let rebuilt = tempfile::tempdir().unwrap();
    fixture::write(&recipe, rebuilt.path()).unwrap();
    assert_same(&qemu, folder.path(), rebuilt.path(), &recipe);
    // The salt of the master key's digest is random, and any 16 bytes of it are enough.
    let original = fs::read(&path).unwrap();
    let luks = original
        .windows(6)
        .position(|bytes| bytes == b"LUKS\xba\xbe")
        .unwrap();
    let salt = &original[luks + 132..luks + 148];
    let new = fs::read(rebuilt.path().join("a.qcow2")).unwrap();
    assert!(!new.windows(16).any(|bytes| bytes == salt));
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

/// Guest data that a broken pointer calls a table is still guest data.
#[rstest]
#[case::an_l1_entry(0x3_0000, 1 << 63 | 0x5_0000)]
#[case::the_l1_table(40, 0x5_0000)]
#[case::the_refcount_table(48, 0x5_0000)]
#[case::a_refcount_block(0x1_0000, 0x5_0000)]
#[case::the_snapshot_table(64, 0x5_0000)]
fn a_pointer_into_guest_data_captures_none(#[case] at: u64, #[case] value: u64) {
    let Some(qemu) = Qemu::find() else { return };
    let folder = made(
        &qemu,
        "img create -q -f qcow2 a.qcow2 10M
        io a.qcow2 write SECRET 0 64k",
    );
    let path = folder.path().join("a.qcow2");
    let file = File::options().write(true).open(&path).unwrap();
    let mut guest = [0; 8];
    File::open(&path)
        .unwrap()
        .read_exact_at(&mut guest, 0x5_0000)
        .unwrap();
    assert_eq!(&guest, &SECRET.as_bytes()[..8]);
    file.write_all_at(&value.to_be_bytes(), at).unwrap();
    // One snapshot.
    file.write_all_at(&[0, 0, 0, 1], 60).unwrap();
    let captured = capture(&path, Data::Markers);
    assert_ne!(captured.left.doubtful_tables, 0);
    capture_folder(folder.path(), Data::Markers);
}

/// Any byte could be narrow refcounts of a file that is long enough.
#[rstest]
fn a_block_of_narrow_refcounts_in_guest_data_captures_none(
    #[values(1, 2, 4, 8)] refcount_bits: u32,
) {
    let Some(qemu) = Qemu::find() else { return };
    let script = format!(
        "img create -q -f qcow2 -o cluster_size=512,refcount_bits={refcount_bits} a.qcow2 8M
        io a.qcow2 write SECRET 0 4M"
    );
    let folder = made(&qemu, &script);
    let path = folder.path().join("a.qcow2");
    let bytes = fs::read(&path).unwrap();
    let guest = bytes
        .chunks(512)
        .rposition(|cluster| cluster.starts_with(&SECRET.as_bytes()[..4]))
        .unwrap();
    let table = u64::from_be_bytes(bytes[48..56].try_into().unwrap());
    let file = File::options().write(true).open(&path).unwrap();
    let offset = guest as u64 * 512;
    file.write_all_at(&offset.to_be_bytes(), table).unwrap();
    let captured = capture(&path, Data::Markers);
    assert_ne!(captured.left.doubtful_tables, 0);
    capture_folder(folder.path(), Data::Markers);
}

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
        let captured = capture::qcow2(&file, Data::Markers, &mut SameNames).unwrap();
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
