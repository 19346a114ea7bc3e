//! Every structure of the format by itself, at every cluster size and in both versions: QEMU
//! finds nothing wrong, reads the bytes that are meant, and lists what is there.

use std::fs;
use std::path::Path;

use qconform_generators::corpus::structures::{DATA_FILE, STRUCTURES, Structure};
use qconform_generators::fixture;
use qconform_generators::marker::Marker;
use qconform_generators::recipe::{Encryption, Recipe};
use rstest::rstest;
use serde_json::{Value, json};

use crate::programs::{Qemu, assert_success};
use crate::qemu::assert_clean;

const TOP: &str = "top.qcow2";

/// What `qemu-img info` says of a structure: a JSON pointer and the value there.
fn listed(name: &str, version: u32) -> (String, Value) {
    let at = |key: &str| format!("/format-specific/data/{key}");
    match name {
        "zstd" => (at("compression-type"), json!("zstd")),
        "extended-l2" | "data-file-extended-l2" => (at("extended-l2"), json!(true)),
        "dirty" => ("/dirty-flag".into(), json!(true)),
        "corrupt" => (at("corrupt"), json!(true)),
        "lazy-refcounts" => (at("lazy-refcounts"), json!(true)),
        "data-file-raw" => (at("data-file-raw"), json!(true)),
        "data-file" | "data-file-long" | "data-file-short" => (at("data-file"), json!(DATA_FILE)),
        "data-file-unused" if version == 3 => (at("data-file"), json!(DATA_FILE)),
        "snapshots-shared" | "snapshots-own" => ("/snapshots/1/name".into(), json!("two")),
        "bitmaps" => {
            let in_use = json!({ "flags": ["in-use"], "name": "in use", "granularity": 1 << 17 });
            (at("bitmaps/1"), in_use)
        }
        "data-file-bitmaps" => {
            let backup = json!({ "flags": ["auto"], "name": "backup", "granularity": 1 << 16 });
            (at("bitmaps/0"), backup)
        }
        "luks" | "data-file-luks" => (at("encrypt/format"), json!("luks")),
        "aes" => (at("encrypt/format"), json!("aes")),
        _ => match name.strip_prefix("refcounts-") {
            Some(bits) => (at("refcount-bits"), json!(bits.parse::<u64>().unwrap())),
            None => ("/format".into(), json!("qcow2")),
        },
    }
}

#[rstest]
fn every_structure_is_clean_and_listed(
    #[values(2, 3)] version: u32,
    #[values(9, 10, 12, 14, 16, 21)] cluster_bits: u32,
) {
    let Some(qemu) = Qemu::find() else { return };
    for structure in STRUCTURES {
        if structure.exists(version, cluster_bits) {
            println!("{}", structure.name);
            assert_clean_and_listed(&qemu, structure, version, cluster_bits);
        }
    }
}

fn assert_clean_and_listed(qemu: &Qemu, structure: &Structure, version: u32, cluster_bits: u32) {
    let (image, raw) = structure.image(version, cluster_bits);
    let encryption = image.encryption;
    let mut recipe = Recipe::default();
    recipe.files.insert(TOP.into(), image.into());
    if let Some(raw) = raw {
        recipe.files.insert(DATA_FILE.into(), raw.into());
    }
    let folder = tempfile::tempdir().unwrap();
    fixture::write(&recipe, folder.path()).unwrap();
    let info = ["info", "-f", "qcow2", "--output=json", TOP];
    let info = qemu.img(folder.path(), &info);
    assert_success("info", &info);
    let info: Value = serde_json::from_slice(&info.stdout).unwrap();
    let (place, expected) = listed(structure.name, version);
    assert_eq!(info.pointer(&place), Some(&expected), "{place} in {info:#}");
    if encryption != Encryption::None {
        assert_needs_a_key(qemu, folder.path(), encryption);
        return;
    }
    assert_clean(qemu, &recipe, folder.path(), TOP);
    if structure.name.starts_with("snapshots-") {
        let own = structure.name == "snapshots-own";
        assert_snapshots(qemu, folder.path(), own, cluster_bits);
    }
    if info.pointer("/format-specific/data/data-file-raw") == Some(&json!(true)) {
        let data = fs::read(folder.path().join(DATA_FILE)).unwrap();
        assert!(data == crate::guest::bytes(&recipe, TOP));
    }
}

/// A structure that a version or a cluster size lacks is refused instead of being left out.
#[rstest]
#[case::version_2("zeros", 2, 12)]
#[case::bitmaps_in_version_2("bitmaps", 2, 12)]
#[case::refcounts_in_version_2("refcounts-64", 2, 12)]
#[case::small_subclusters("extended-l2", 3, 13)]
fn what_the_format_lacks_is_refused(
    #[case] name: &str,
    #[case] version: u32,
    #[case] cluster_bits: u32,
) {
    let structure = STRUCTURES.iter().find(|one| one.name == name).unwrap();
    assert!(!structure.exists(version, cluster_bits));
    let mut recipe = Recipe::default();
    let (image, _) = structure.image(version, cluster_bits);
    recipe.files.insert(TOP.into(), image.into());
    recipe.check().unwrap_err();
}

/// Both are listed, and the first one holds what it should: clusters 2 and 3 if it has its own.
#[track_caller]
fn assert_snapshots(qemu: &Qemu, folder: &Path, own: bool, cluster_bits: u32) {
    let output = qemu.img(folder, &["snapshot", "-l", TOP]);
    assert_success("snapshot", &output);
    let list = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(list.contains("one") && list.contains("two"), "{list}");

    let copy = folder.join("copy.raw");
    let to = copy.to_str().unwrap();
    let convert = ["convert", "-l", "snapshot.name=one", "-O", "raw", TOP, to];
    assert_success("convert", &qemu.img(folder, &convert));
    let bytes = fs::read(&copy).unwrap();
    let (name, cluster) = if own {
        ("top.qcow2@1", 2_u64)
    } else {
        (TOP, 4)
    };
    let start = cluster << cluster_bits;
    let found = &bytes[usize::try_from(start).unwrap()..][..512];
    assert_eq!(found, Marker::new(0, name).bytes(start, 512));
}

/// The image opens with a secret at most, and its tables are clean as far as QEMU gets.
#[track_caller]
fn assert_needs_a_key(qemu: &Qemu, folder: &Path, encryption: Encryption) {
    let open = qemu.io(folder, &["-r", "-f", "qcow2", "-c", "read 0 512", TOP]);
    assert!(!open.status.success());
    let said = String::from_utf8_lossy(&open.stderr).into_owned();
    assert!(said.contains("encrypt.key-secret' is required"), "{said}");

    let format = if encryption == Encryption::Aes {
        "aes"
    } else {
        "luks"
    };
    let options =
        format!("driver=qcow2,file.filename={TOP},encrypt.format={format},encrypt.key-secret=key");
    let secret = "secret,id=key,data=0123456789abcdef";
    let check = ["check", "--object", secret, "--image-opts", &options];
    let output = qemu.img(folder, &check);
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
