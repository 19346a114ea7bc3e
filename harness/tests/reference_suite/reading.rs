//! Guest bytes against two independent sources: the recipe, and the real `qemu-io`.
//!
//! `QCONFORM_QEMU_IMAGES` says how many random images are read.

use std::fs;
use std::path::Path;
use std::process::Command;

use proptest::prelude::*;
use qconform::reference::chain::policy::Literal;
use qconform::reference::format::Format;
use qconform::reference::read::{ReadError, read};
use qconform_generators::defect::{BASE_BACKING, BASE_DATA_FILE, catalogue};
use qconform_generators::guest::Disk;
use qconform_generators::recipe::{
    Bytes, Compression, Content, Qcow2, Raw, Recipe, Snapshot, Subclusters,
};
use qconform_generators::{fixture, strategies};
use rstest::rstest;

use crate::agreement::{random_images, values};

const TOP: &str = strategies::TOP;

/// What `qemu-io` reads, piece by piece; `None` if it refuses one of them.
fn qemu_io(folder: &Path, pieces: &[(u64, u64)]) -> Option<Vec<Vec<u8>>> {
    let mut command = Command::new("qemu-io");
    command.args(["-r", "-f", "qcow2"]).current_dir(folder);
    for (offset, length) in pieces {
        command.arg("-c").arg(format!("read -v {offset} {length}"));
    }
    let output = command.arg(TOP).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    output.status.success().then(|| {
        let mut bytes = text.lines().filter_map(dump_line).flatten();
        let mut piece = |length: u64| bytes.by_ref().take(length as usize).collect();
        pieces.iter().map(|(_, length)| piece(*length)).collect()
    })
}

/// The bytes of a full line such as `00000200:  50 51 ...  PQ...`.
fn dump_line(line: &str) -> Option<Vec<u8>> {
    let (offset, rest) = line.split_once(":  ")?;
    u64::from_str_radix(offset, 16).ok()?;
    let digits = rest.get(..48)?.split_whitespace();
    let bytes = digits.map(|two| u8::from_str_radix(two, 16).unwrap());
    Some(bytes.collect())
}

fn has_qemu_io() -> bool {
    crate::qemu::qemu_img().is_some() && which::which("qemu-io").is_ok()
}

fn ours(folder: &Path, offset: u64, length: u64) -> Result<Vec<u8>, ReadError> {
    read(
        &folder.join(TOP),
        Some(Format::Qcow2),
        &Literal,
        offset,
        length,
    )
}

fn written(recipe: &Recipe) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fixture::write(recipe, folder.path()).unwrap();
    folder
}

/// Pieces around every border of a cluster or subcluster of a small disk, and its end.
fn borders(image: &Qcow2) -> Vec<(u64, u64)> {
    let cluster = 1 << image.cluster_bits;
    let step = if image.extended_l2 {
        cluster / 32
    } else {
        cluster
    };
    let end = image.size / 512 * 512;
    let around = |border: u64| {
        let start = border.saturating_sub(16);
        (start, (border + 16).min(end) - start)
    };
    let inside = (0..end).step_by(step as usize).map(around);
    let last = end.checked_sub(16).map(|start| (start, 16));
    inside.chain(last).collect()
}

/// Everything that can be read is read as the recipe means it and as `qemu-io` reads it.
#[track_caller]
fn assert_reads_alike(recipe: &Recipe) {
    let Some(Content::Qcow2(image)) = recipe.files.get(TOP) else {
        panic!("no image")
    };
    let folder = written(recipe);
    let mut meant = vec![0; usize::try_from(image.size / 512 * 512).unwrap()];
    Disk::new(recipe, TOP).unwrap().fill(0, &mut meant);
    let whole = ours(folder.path(), 0, meant.len() as u64).unwrap();
    assert!(whole == meant, "not what the recipe means: {recipe:?}");
    if !has_qemu_io() {
        return;
    }
    let pieces = borders(image);
    if pieces.is_empty() {
        return;
    }
    let theirs = qemu_io(folder.path(), &pieces).expect("qemu-io refuses a valid image");
    for ((offset, length), theirs) in pieces.iter().zip(theirs) {
        let ours = ours(folder.path(), *offset, *length).unwrap();
        assert_eq!(ours, theirs, "at {offset}: {recipe:?}");
    }
}

fn one_of_each_kind(cluster_bits: u32) -> Qcow2 {
    Qcow2 {
        cluster_bits,
        size: (7 << cluster_bits) + 1024,
        populated: [0, 7].into(),
        zero: [1].into(),
        zero_allocated: [2].into(),
        backing: Some("base.qcow2".into()),
        backing_format: Some("qcow2".into()),
        snapshots: vec![Snapshot {
            populated: Some([0, 3, 4].into()),
            ..Snapshot::default()
        }],
        ..Qcow2::default()
    }
}

fn over_a_base(top: Qcow2) -> Recipe {
    // Shorter than what is above it, and with a data file.
    let base = Qcow2 {
        cluster_bits: 12,
        size: top.size / 3 * 2 / 512 * 512,
        populated: (0..(top.size / 3 * 2).div_ceil(4096)).into(),
        data_file: Some("base.raw".into()),
        ..Qcow2::default()
    };
    let base_data = Raw {
        size: base.size,
        populated: base.populated.clone(),
        ..Raw::default()
    };
    let mut recipe = Recipe::default();
    if top.uses_data_file() {
        let data = Raw {
            size: top.size,
            cluster_size: 1 << top.cluster_bits,
            populated: (0..7).into(),
            ..Raw::default()
        };
        recipe.files.insert("top.raw".into(), data.into());
    }
    recipe.files.insert(TOP.into(), top.into());
    recipe.files.insert("base.qcow2".into(), base.into());
    recipe.files.insert("base.raw".into(), base_data.into());
    recipe
}

#[rstest]
fn every_mapping_reads_as_meant(
    #[values(9, 12, 16, 21)] cluster_bits: u32,
    #[values(Compression::Deflate, Compression::Zstd)] compression: Compression,
) {
    assert_reads_alike(&over_a_base(Qcow2 {
        compressed: [3, 4].into(),
        compression,
        ..one_of_each_kind(cluster_bits)
    }));
}

#[rstest]
fn every_subcluster_reads_as_meant(#[values(14, 16, 21)] cluster_bits: u32) {
    assert_reads_alike(&over_a_base(Qcow2 {
        extended_l2: true,
        compressed: [3].into(),
        subclusters: vec![
            Subclusters {
                cluster: 4,
                allocated: [0, 2, 31].into(),
                zero: [1, 30].into(),
            },
            Subclusters {
                cluster: 5,
                zero: [0, 31].into(),
                ..Subclusters::default()
            },
        ],
        ..one_of_each_kind(cluster_bits)
    }));
}

#[rstest]
fn every_mapping_of_a_data_file_reads_as_meant(
    #[values(9, 14, 21)] cluster_bits: u32,
    #[values(false, true)] extended_l2: bool,
) {
    let subclusters = Subclusters {
        cluster: 4,
        allocated: [0, 2].into(),
        zero: [1].into(),
    };
    let extended_l2 = extended_l2 && cluster_bits >= 14;
    assert_reads_alike(&over_a_base(Qcow2 {
        data_file: Some("top.raw".into()),
        snapshots: Vec::new(),
        extended_l2,
        subclusters: if extended_l2 {
            vec![subclusters]
        } else {
            Vec::new()
        },
        ..one_of_each_kind(cluster_bits)
    }));
}

#[rstest]
#[case::dirty(Qcow2 { dirty: true, lazy_refcounts: true, ..one_of_each_kind(12) })]
#[case::corrupt(Qcow2 { corrupt: true, ..one_of_each_kind(12) })]
#[case::version_2(Qcow2 {
    version: 2,
    zero: [].into(),
    zero_allocated: [].into(),
    compressed: [3].into(),
    ..one_of_each_kind(12)
})]
fn what_is_opened_for_reading_only_reads_as_meant(#[case] image: Qcow2) {
    assert_reads_alike(&over_a_base(image));
}

/// Any assignment of kinds to the clusters of a small disk.
fn any_mapping() -> impl Strategy<Value = Recipe> {
    let kinds = prop::collection::vec(0_u8..6, 8);
    let masks = prop::collection::vec(any::<(u32, u32)>(), 8);
    let cluster_bits = prop::sample::select(vec![9_u32, 12, 14, 16]);
    let flags = any::<[bool; 4]>();
    (kinds, masks, cluster_bits, flags).prop_map(|(kinds, masks, cluster_bits, flags)| {
        let [extended, data_file, zstd, raw] = flags;
        let of = |kind: u8| -> Vec<u64> {
            let all = (0..).zip(&kinds).filter(|(_, found)| **found == kind);
            all.map(|(cluster, _)| cluster).collect()
        };
        let bits = |mask: u32| -> Vec<u64> { (0..32).filter(|bit| mask >> bit & 1 == 1).collect() };
        let mut image = Qcow2 {
            extended_l2: extended && cluster_bits >= 14,
            populated: of(0).into(),
            zero: of(1).into(),
            zero_allocated: of(2).into(),
            snapshots: Vec::new(),
            ..one_of_each_kind(cluster_bits)
        };
        if data_file {
            image.data_file = Some("top.raw".into());
            if raw {
                // The raw flag allows no backing image, and a whole mapping.
                image.data_file_raw = true;
                image.backing = None;
                image.backing_format = None;
            }
        } else {
            image.compressed = of(3).into();
            image.compression = if zstd {
                Compression::Zstd
            } else {
                Compression::Deflate
            };
        }
        if image.extended_l2 {
            let parts = |cluster: u64| {
                let (allocated, zero) = masks[cluster as usize];
                Subclusters {
                    cluster,
                    allocated: bits(allocated).into(),
                    zero: bits(zero & !allocated).into(),
                }
            };
            image.subclusters = of(4).into_iter().map(parts).collect();
        }
        over_a_base(image)
    })
}

#[test]
fn random_mappings_read_as_meant() {
    for recipe in values(any_mapping(), random_images() / 5) {
        assert_reads_alike(&recipe);
    }
}

/// What differs from QEMU on purpose: a defect, and the requirement or the row of the design's
/// table of decisions that says why.
const DIFFERENCES: &[(&str, &str)] = &[
    ("raw-bit", "header.raw-flag-without-bit"),
    ("backing-format-unknown", "header.backing-format-known"),
    ("backing-format-length=15", "header.backing-format-known"),
    ("data-file-self", "an image as its own data file is refused"),
    ("backing-self", "one file in two roles is refused"),
];

/// Without a format a backing image that names another file is refused, whatever QEMU does.
fn declare_backing_format(content: &mut Content) {
    let Content::Qcow2(image) = content else {
        return;
    };
    let below = image.backing.as_ref().map(Bytes::to_bytes);
    if let Some(below) = below.filter(|_| image.backing_format.is_none()) {
        let is_raw = below.ends_with(b".raw");
        image.backing_format = Some(if is_raw { "raw" } else { "qcow2" }.into());
    }
}

#[test]
fn valid_chains_read_as_meant() {
    for mut recipe in values(strategies::valid(), random_images() / 5) {
        recipe.files.values_mut().for_each(declare_backing_format);
        assert_reads_alike(&recipe);
    }
}

#[test]
fn every_defect_reads_as_qemu_io_reads_it() {
    if !has_qemu_io() {
        return println!("skipped: qemu-io is not installed");
    }
    let mut wrong = Vec::new();
    let (mut read, mut refused) = (0, 0);
    for defect in catalogue() {
        for choice in defect.choices() {
            let mut recipe = Recipe::default();
            let image = Qcow2 {
                defects: vec![choice.clone()],
                ..defect.base.image()
            };
            let raw = |populated: Vec<u64>| Raw {
                size: image.size,
                cluster_size: 1 << image.cluster_bits,
                populated: populated.into(),
                ..Raw::default()
            };
            recipe
                .files
                .insert(BASE_DATA_FILE.into(), raw(vec![0, 2, 5]).into());
            recipe
                .files
                .insert(BASE_BACKING.into(), raw(vec![1, 3]).into());
            let size = image.size;
            recipe.files.insert(TOP.into(), image.into());
            let folder = written(&recipe);
            let length = size.min(32_768);
            let ours = ours(folder.path(), 0, length);
            let theirs = qemu_io(folder.path(), &[(0, length)]);
            let alike = match (&ours, &theirs) {
                (Ok(ours), Some(theirs)) => *ours == theirs[0],
                (Err(_), None) => true,
                _ => false,
            };
            match ours {
                Ok(_) => read += 1,
                Err(_) => refused += 1,
            }
            let name = choice.to_string();
            let known = DIFFERENCES.iter().any(|(known, _)| *known == name);
            if alike == known {
                let ours = ours
                    .map_err(|error| error.to_string())
                    .map(|bytes| bytes.len());
                wrong.push(format!(
                    "{choice}: we: {ours:?}, qemu-io: {}",
                    theirs.is_some()
                ));
            }
            let _removed = fs::remove_dir_all(folder.path());
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(read > 50 && refused > 50, "{read} read, {refused} refused");
}
