//! Writing an image and its data file: this kit beside the bare system calls and beside
//! `qemu-img create`, on tmpfs and in the same run.

use std::fs::{self, File, OpenOptions};
use std::hint::black_box;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use qconform_generators::fixture;
use qconform_generators::recipe::{Content, Qcow2, Raw, Recipe};
use tempfile::TempDir;

const GIB: u64 = 1 << 30;

/// What QEMU makes by default: clusters of 64 KiB, nothing allocated.
fn pair(size: u64, raw_flag: bool) -> Recipe {
    let image = Qcow2 {
        cluster_bits: 16,
        size,
        populated: [].into(),
        data_file: Some("disk.raw".into()),
        data_file_raw: raw_flag,
        ..Qcow2::default()
    };
    let raw = Raw {
        size,
        cluster_size: 1 << 16,
        populated: [].into(),
        start: None,
    };
    let mut recipe = Recipe::default();
    recipe
        .files
        .insert("disk.qcow2".into(), Content::from(image));
    recipe.files.insert("disk.raw".into(), raw.into());
    recipe
}

/// A new folder on tmpfs. Each measured function gives it back, so that it is removed after the
/// clock has stopped and memory never runs short.
fn folder() -> TempDir {
    tempfile::tempdir_in("/dev/shm").expect("a folder on tmpfs")
}

/// The pieces of an image that was written, without its holes.
fn pieces(path: &Path) -> Vec<(u64, Vec<u8>)> {
    let bytes = fs::read(path).expect("the image reads");
    let cluster = 1 << 16;
    let used = bytes
        .chunks(cluster)
        .enumerate()
        .filter_map(|(index, bytes)| {
            let end = bytes.iter().rposition(|byte| *byte != 0)? + 1;
            Some(((index * cluster) as u64, bytes[..end].to_vec()))
        });
    used.collect()
}

fn create(path: PathBuf) -> File {
    let mut options = OpenOptions::new();
    options
        .write(true)
        .create_new(true)
        .open(path)
        .expect("a new file")
}

/// The calls that nobody can do without: open, set the length, write, close.
fn bare(folder: &Path, size: u64, length: u64, pieces: &[(u64, Vec<u8>)]) {
    let image = create(folder.join("disk.qcow2"));
    image.set_len(length).expect("the length is set");
    for (at, bytes) in pieces {
        image
            .write_all_at(bytes, *at)
            .expect("the piece is written");
    }
    create(folder.join("disk.raw"))
        .set_len(size)
        .expect("the length is set");
}

fn qemu(folder: &Path, size: u64, options: &str) {
    let status = Command::new("qemu-img")
        .args(["create", "-q", "-f", "qcow2", "-o", options, "disk.qcow2"])
        .arg(size.to_string())
        .current_dir(folder)
        .stdout(Stdio::null())
        .status();
    assert!(status.expect("qemu-img runs").success());
}

fn compare(criterion: &mut Criterion, name: &str, size: u64, raw_flag: bool, options: &str) {
    let recipe = pair(size, raw_flag);
    let first = folder();
    fixture::write(&recipe, first.path()).expect("the pair is written");
    let image = first.path().join("disk.qcow2");
    let length = fs::metadata(&image).expect("the image is there").len();
    let pieces = pieces(&image);

    let mut group = criterion.benchmark_group(name);
    group.bench_function("bare system calls", |bencher| {
        let run = |folder: TempDir| {
            bare(black_box(folder.path()), size, length, &pieces);
            folder
        };
        bencher.iter_batched(folder, run, BatchSize::PerIteration);
    });
    group.bench_function("qconform", |bencher| {
        let run = |folder: TempDir| {
            let written = fixture::write(black_box(&recipe), folder.path());
            (written.expect("the pair is written"), folder)
        };
        bencher.iter_batched(folder, run, BatchSize::PerIteration);
    });
    group.sample_size(10);
    group.bench_function("qemu-img create", |bencher| {
        let run = |folder: TempDir| {
            qemu(black_box(folder.path()), size, options);
            folder
        };
        bencher.iter_batched(folder, run, BatchSize::PerIteration);
    });
    group.finish();
}

fn writes(criterion: &mut Criterion) {
    compare(criterion, "write/1 GiB", GIB, false, "data_file=disk.raw");
    let options = "data_file=disk.raw,data_file_raw=on";
    compare(criterion, "write/1 GiB raw", GIB, true, options);
}

/// 12.8 MB of L2 entries in each image; kept small in number, since tmpfs is memory.
fn large(criterion: &mut Criterion) {
    let options = "data_file=disk.raw,data_file_raw=on";
    compare(criterion, "write/100 GiB raw", 100 * GIB, true, options);
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(50)
        .warm_up_time(std::time::Duration::from_millis(300))
        .measurement_time(std::time::Duration::from_secs(1));
    targets = writes
}
criterion_group! {
    name = large_benches;
    config = Criterion::default()
        .sample_size(10)
        .warm_up_time(std::time::Duration::from_millis(100))
        .measurement_time(std::time::Duration::from_secs(1));
    targets = large
}
criterion_main!(benches, large_benches);
