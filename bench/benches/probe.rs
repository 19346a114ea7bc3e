//! Open, probe, close: this kit's probe beside the bare system calls and beside other crates,
//! on the same files in the same run.
//!
//! Each crate does what it does to open an image read-only, without any file that the image
//! names. A crate that refuses an image is left out for it: a refusal is no probe.

use std::fs::File;
use std::hint::black_box;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use qconform::reference::format::Format;
use qconform::reference::inspection::probe_path;
use qconform::reference::probe::{inspect, probe};
use qconform_bench::{Piece, side_by_side};
use qconform_generators::fixture;
use qconform_generators::recipe::{Content, FeatureNames, Qcow2, Recipe};

/// What is measured; says whether the image was taken.
type Open = fn(&Path) -> bool;

const OPENS: [(&str, Open); 10] = [
    ("bare open, pread 4096, close", bare),
    ("probe of an open file", probe_file),
    ("probe_path", |path| probe_path(path, None).is_ok()),
    ("inspect of an open file", inspect_file),
    ("imago 0.2.6", imago_open),
    ("qcow2-core 0.3.4 inspect", |path| {
        qcow2::inspect(path).is_ok()
    }),
    ("qcow2-core 0.3.4 open", |path| {
        qcow2::Qcow2Reader::open(path).is_ok()
    }),
    ("rust-img-qcow2 0.6.1", |path| {
        img_qcow2::Qcow2Reader::open(path).is_ok()
    }),
    ("fstool 0.5.2", |path| {
        fstool::block::qcow2::Qcow2Backend::open_read_only(path).is_ok()
    }),
    ("wxtla 0.3.1", wxtla_open),
];

/// The same calls that a probe can't do without.
fn bare(path: &Path) -> bool {
    let mut buffer = [0; 4096];
    let file = File::open(path).expect("the image opens");
    let read = file.read_at(&mut buffer, 0).expect("the image reads");
    black_box(&buffer)[..read].starts_with(b"QFI")
}

fn probe_file(path: &Path) -> bool {
    let file = File::open(path).expect("the image opens");
    probe(&file, None).is_ok_and(|header| header.format == Format::Qcow2)
}

fn inspect_file(path: &Path) -> bool {
    let file = File::open(path).expect("the image opens");
    inspect(&file, None).is_ok()
}

fn imago_open(path: &Path) -> bool {
    imago::qcow2::Qcow2::<imago::file::File>::open_path(path, false).is_ok()
}

fn wxtla_open(path: &Path) -> bool {
    let source = wxtla::FileDataSource::open(path).expect("the image opens");
    wxtla::images::qcow::QcowImage::open(Arc::new(source)).is_ok()
}

/// Images as QEMU makes them: 64 KiB clusters and a feature name table.
fn images() -> [(&'static str, Qcow2); 3] {
    let plain = Qcow2 {
        cluster_bits: 16,
        size: 1 << 30,
        feature_names: Some(FeatureNames {
            known: true,
            more: Vec::new(),
        }),
        ..Qcow2::default()
    };
    let data_file = Qcow2 {
        data_file: Some("disk.raw".into()),
        data_file_raw: true,
        ..plain.clone()
    };
    let backing = Qcow2 {
        backing: Some("base.qcow2".into()),
        backing_format: Some("qcow2".into()),
        ..plain.clone()
    };
    [
        ("plain", plain),
        ("data-file", data_file),
        ("backing", backing),
    ]
}

fn write(folder: &Path, image: Qcow2) -> PathBuf {
    let mut recipe = Recipe::default();
    recipe
        .files
        .insert("disk.qcow2".into(), Content::from(image));
    fixture::write(&recipe, folder).expect("the image is written");
    folder.join("disk.qcow2")
}

fn main() {
    for (name, image) in images() {
        let folder = tempfile::tempdir_in("/dev/shm").expect("a folder on tmpfs");
        let path = write(folder.path(), image);
        let bytes = std::fs::read(&path).expect("the image reads");
        let takers = OPENS.into_iter().filter(|(_, open)| open(&path));
        let mut pieces: Vec<Piece<'_>> = Vec::new();
        for (what, open) in takers {
            let path = &path;
            let open = move || {
                black_box(open(black_box(path)));
            };
            pieces.push((what, Box::new(open)));
        }
        let in_memory = || {
            black_box(probe(black_box(&bytes.as_slice()), None).is_ok());
        };
        pieces.push(("probe of bytes in memory", Box::new(in_memory)));
        side_by_side(&format!("probe: {name}"), pieces);
    }
}
