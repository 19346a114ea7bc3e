//! Every structure of the format by itself, at every cluster size and in both versions: QEMU
//! finds nothing wrong, reads the bytes that are meant, and lists what is there.

use std::fs;
use std::path::Path;

use qconform_generators::fixture;
use qconform_generators::marker::Marker;
use qconform_generators::recipe::{
    Bitmap, Bytes, Compression, Content, Encryption, Extension, FeatureNames, Known, Other, Qcow2,
    Raw, Recipe, Snapshot, Subclusters,
};
use rstest::rstest;
use serde_json::{Value, json};

use crate::programs::{Qemu, assert_success};
use crate::qemu::assert_clean;

const TOP: &str = "top.qcow2";

/// What an image has beside plain clusters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Structure {
    Zeros,
    Deflate,
    Zstd,
    Subclusters,
    SharedSnapshots,
    OwnSnapshots,
    Bitmaps,
    Dirty,
    Corrupt,
    LazyRefcounts,
    FeatureNames,
    UnknownBits,
    ShortHeader,
    LongHeader,
    UnknownExtensions,
    NoEndMarker,
    RawDataFile,
    LongDataFile,
    ShortDataFile,
    RefcountOrder(u32),
}

use Structure::{
    Bitmaps, Corrupt, Deflate, Dirty, LazyRefcounts, LongDataFile, LongHeader, NoEndMarker,
    OwnSnapshots, RawDataFile, RefcountOrder, SharedSnapshots, ShortDataFile, ShortHeader,
    UnknownBits, UnknownExtensions, Zeros, Zstd,
};

impl Structure {
    /// Whether the format has it at all.
    fn exists(self, version: u32, cluster_bits: u32) -> bool {
        match self {
            Deflate | SharedSnapshots | OwnSnapshots | UnknownExtensions | NoEndMarker => true,
            // Version 2 has no data file, but may hold a name; readers ignore it.
            Structure::FeatureNames | LongDataFile | ShortDataFile => true,
            Structure::Subclusters => version == 3 && cluster_bits >= 14,
            _ => version == 3,
        }
    }

    /// Puts it into a plain image of eight clusters.
    fn put_into(self, image: &mut Qcow2) {
        match self {
            Zeros => {
                image.zero = [1, 2].into();
                image.zero_allocated = [3, 7].into();
            }
            Deflate => image.compressed = [1, 2, 3, 7].into(),
            Zstd => {
                image.compression = Compression::Zstd;
                image.compressed = [1, 2, 3, 7].into();
            }
            Structure::Subclusters => {
                image.extended_l2 = true;
                image.subclusters = vec![parts(1, &[0, 31], &[1, 30]), parts(2, &[], &[5])];
            }
            SharedSnapshots => image.snapshots = vec![snapshot("one", None), snapshot("two", None)],
            OwnSnapshots => {
                image.compressed = [1].into();
                image.snapshots = vec![snapshot("one", Some([2, 3])), snapshot("two", None)];
            }
            Bitmaps => {
                let in_use = Bitmap {
                    in_use: true,
                    auto: false,
                    ..bitmap("in use", 17)
                };
                image.bitmaps = vec![bitmap("dirty", 9), in_use];
            }
            Dirty => image.dirty = true,
            Corrupt => image.corrupt = true,
            LazyRefcounts => image.lazy_refcounts = true,
            Structure::FeatureNames => {
                image.feature_names = Some(FeatureNames {
                    known: true,
                    more: vec![],
                });
            }
            UnknownBits => {
                image.compatible_bits = vec![1, 63];
                image.autoclear_bits = vec![2, 63];
            }
            ShortHeader => image.header_length = Some(104),
            LongHeader => {
                image.header_length = Some(136);
                image.header_tail = Some(vec![0xff; 24].into());
            }
            UnknownExtensions => {
                let known = Extension::Known(Known::BackingFormat);
                image.backing_format = Some("raw".into());
                image.extensions = vec![unknown(1), known, unknown(8), unknown(0), unknown(1)];
            }
            NoEndMarker => image.end_marker = false,
            RawDataFile => image.data_file_raw = true,
            LongDataFile | ShortDataFile => {}
            RefcountOrder(order) => image.refcount_order = Some(order),
        }
    }

    /// The data file that it needs.
    fn data_file(self, image: &Qcow2) -> Option<Raw> {
        let size = match self {
            RawDataFile => image.size,
            LongDataFile => image.size * 2,
            ShortDataFile => image.size / 2 + 512,
            _ => return None,
        };
        let cluster_size = 1 << image.cluster_bits;
        Some(Raw {
            size,
            cluster_size,
            populated: (0..size / cluster_size).into(),
            start: None,
        })
    }

    /// What `qemu-img info` says of it: a JSON pointer and the value there.
    fn info(self, version: u32) -> (String, Value) {
        let at = |key: &str| format!("/format-specific/data/{key}");
        match self {
            Zstd => (at("compression-type"), json!("zstd")),
            Structure::Subclusters => (at("extended-l2"), json!(true)),
            Dirty => ("/dirty-flag".into(), json!(true)),
            Corrupt => (at("corrupt"), json!(true)),
            LazyRefcounts => (at("lazy-refcounts"), json!(true)),
            RawDataFile => (at("data-file-raw"), json!(true)),
            LongDataFile | ShortDataFile if version == 3 => (at("data-file"), json!("data.raw")),
            RefcountOrder(order) => (at("refcount-bits"), json!(1 << order)),
            SharedSnapshots | OwnSnapshots => ("/snapshots/1/name".into(), json!("two")),
            Bitmaps => {
                let in_use =
                    json!({ "flags": ["in-use"], "name": "in use", "granularity": 1 << 17 });
                (at("bitmaps/1"), in_use)
            }
            _ => ("/format".into(), json!("qcow2")),
        }
    }
}

fn parts(cluster: u64, allocated: &[u64], zero: &[u64]) -> Subclusters {
    Subclusters {
        cluster,
        allocated: allocated.iter().copied().collect(),
        zero: zero.iter().copied().collect(),
    }
}

fn snapshot(name: &str, populated: Option<[u64; 2]>) -> Snapshot {
    Snapshot {
        name: name.into(),
        populated: populated.map(Into::into),
        ..Snapshot::default()
    }
}

fn bitmap(name: &str, granularity_bits: u32) -> Bitmap {
    Bitmap {
        name: name.into(),
        granularity_bits,
        dirty: [0].into(),
        ..Bitmap::default()
    }
}

fn unknown(length: usize) -> Extension {
    Extension::Other(Other {
        kind: 0x7163_6f6e,
        data: Bytes::from(vec![0xff; length]),
        length: None,
    })
}

fn plain(version: u32, cluster_bits: u32) -> Qcow2 {
    Qcow2 {
        version,
        cluster_bits,
        // The last cluster is a part of one.
        size: (7 << cluster_bits) + 512,
        populated: [0, 4, 5].into(),
        ..Qcow2::default()
    }
}

#[rstest]
fn a_structure_is_clean_and_listed(
    #[values(2, 3)] version: u32,
    #[values(9, 10, 12, 14, 16, 21)] cluster_bits: u32,
    #[values(
        Zeros,
        Deflate,
        Zstd,
        Structure::Subclusters,
        SharedSnapshots,
        OwnSnapshots,
        Bitmaps,
        Dirty,
        Corrupt,
        LazyRefcounts,
        Structure::FeatureNames,
        UnknownBits,
        ShortHeader,
        LongHeader,
        UnknownExtensions,
        NoEndMarker,
        RawDataFile,
        LongDataFile,
        ShortDataFile,
        RefcountOrder(0),
        RefcountOrder(1),
        RefcountOrder(2),
        RefcountOrder(3),
        RefcountOrder(5),
        RefcountOrder(6)
    )]
    structure: Structure,
) {
    let Some(qemu) = Qemu::find() else { return };
    let mut image = plain(version, cluster_bits);
    structure.put_into(&mut image);
    let mut recipe = Recipe::default();
    if let Some(raw) = structure.data_file(&image) {
        image.data_file = Some("data.raw".into());
        recipe.files.insert("data.raw".into(), raw.into());
    }
    recipe.files.insert(TOP.into(), image.into());
    if !structure.exists(version, cluster_bits) {
        recipe.check().unwrap_err();
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    fixture::write(&recipe, folder.path()).unwrap();
    assert_clean(&qemu, &recipe, folder.path(), TOP);
    let output = qemu.img(
        folder.path(),
        &["info", "-f", "qcow2", "--output=json", TOP],
    );
    assert_success("info", &output);
    let info: Value = serde_json::from_slice(&output.stdout).unwrap();
    let (place, expected) = structure.info(version);
    assert_eq!(info.pointer(&place), Some(&expected), "{place} in {info:#}");
    if matches!(structure, SharedSnapshots | OwnSnapshots) {
        assert_snapshots(&qemu, folder.path(), structure == OwnSnapshots);
    }
}

/// Both are listed, and the first one holds what it should: clusters 2 and 3 if it has its own.
#[track_caller]
fn assert_snapshots(qemu: &Qemu, folder: &Path, own: bool) {
    let output = qemu.img(folder, &["snapshot", "-l", TOP]);
    assert_success("snapshot", &output);
    let list = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(list.contains("one") && list.contains("two"), "{list}");
    let folder_of_copy = tempfile::tempdir().unwrap();
    let copy = folder_of_copy.path().join("copy.raw");
    let to = copy.to_str().unwrap();
    let convert = ["convert", "-l", "snapshot.name=one", "-O", "raw", TOP, to];
    assert_success("convert", &qemu.img(folder, &convert));
    let bytes = fs::read(&copy).unwrap();
    let bits = (bytes.len() as u64 / 7).ilog2();
    let name = if own { "top.qcow2@1" } else { TOP };
    let marker = Marker::new(0, name);
    let start = if own { 2 } else { 4 } << bits;
    let found = &bytes[usize::try_from(start).unwrap()..][..512];
    assert_eq!(found, marker.bytes(start, 512));
}

#[rstest]
#[case::aes(Encryption::Aes, "aes")]
#[case::luks(Encryption::Luks, "luks")]
fn an_encrypted_image_is_known_as_one_and_needs_a_key(
    #[values(9, 12, 16, 21)] cluster_bits: u32,
    #[values(false, true)] external: bool,
    #[case] encryption: Encryption,
    #[case] format: &str,
) {
    let Some(qemu) = Qemu::find() else { return };
    let mut image = Qcow2 {
        encryption,
        ..plain(3, cluster_bits)
    };
    let mut recipe = Recipe::default();
    if external {
        image.data_file = Some("data.raw".into());
        recipe
            .files
            .insert("data.raw".into(), Raw::default().into());
    }
    recipe.files.insert(TOP.into(), Content::from(image));
    let folder = tempfile::tempdir().unwrap();
    fixture::write(&recipe, folder.path()).unwrap();
    let info = qemu.img(
        folder.path(),
        &["info", "-f", "qcow2", "--output=json", TOP],
    );
    assert_success("info", &info);
    let info: Value = serde_json::from_slice(&info.stdout).unwrap();
    assert_eq!(info["format-specific"]["data"]["encrypt"]["format"], format);
    let open = qemu.io(
        folder.path(),
        &["-r", "-f", "qcow2", "-c", "read 0 512", TOP],
    );
    assert!(!open.status.success());
    let said = String::from_utf8_lossy(&open.stderr).into_owned();
    assert!(said.contains("encrypt.key-secret' is required"), "{said}");
    // A secret is needed to open it at all; any will do to check the tables.
    let secret = ["--object", "secret,id=key,data=0123456789abcdef"];
    let options =
        format!("driver=qcow2,file.filename={TOP},encrypt.format={format},encrypt.key-secret=key");
    let check = [&secret[..], &["--image-opts", &options]].concat();
    let output = qemu.img(folder.path(), &[&["check"][..], &check].concat());
    if encryption == Encryption::Aes {
        assert_success("check", &output);
    } else {
        // No key slot is in use, so that no passphrase opens it.
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(
            said.contains("Invalid password, cannot unlock any keyslot"),
            "{said}"
        );
    }
}
