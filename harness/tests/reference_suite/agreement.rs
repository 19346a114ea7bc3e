//! The inspection against the real `qemu-img info`: what is accepted, for what reason an image
//! is rejected, and every fact that both tell. [`differences`] lists what is told otherwise.
//!
//! `QCONFORM_QEMU_IMAGES` says how many random images of each kind are compared.

mod differences;
mod facts;
mod headers;
mod images;
mod reasons;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use qconform::reference::format::Format;
use qconform::reference::inspection::Inspection;
use qconform_generators::defect::catalogue;
use qconform_generators::recipe::{Content, Qcow2, Recipe};
use qconform_generators::{corpus, fixture, strategies};
use tempfile::TempDir;

use crate::qemu::qemu_img;

const IMAGE: &str = "x.qcow2";

/// How many images each random test compares, unless the variable says otherwise.
const IMAGES: usize = 250;

/// Compares one image after the other, and counts.
struct Bench {
    qemu_img: PathBuf,
    /// Name of the image in the folder.
    image: &'static str,
    folder: TempDir,
    accepted: usize,
    rejected: usize,
    differences: Vec<String>,
}

impl Bench {
    /// `None` where there is no `qemu-img`.
    fn new() -> Option<Self> {
        Self::of(IMAGE)
    }

    fn of(image: &'static str) -> Option<Self> {
        Some(Self {
            qemu_img: qemu_img()?,
            image,
            folder: tempfile::tempdir().unwrap(),
            accepted: 0,
            rejected: 0,
            differences: Vec::new(),
        })
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join(self.image)
    }

    /// How many images were compared.
    fn count(&self) -> usize {
        self.accepted + self.rejected
    }

    /// Writes the image, unless its parts don't go together.
    fn write(&mut self, image: &Qcow2) -> bool {
        let mut recipe = Recipe::default();
        recipe
            .files
            .insert(IMAGE.to_owned(), Content::from(image.clone()));
        self.write_all(&recipe)
    }

    /// Writes every file of a recipe, unless its parts don't go together.
    fn write_all(&mut self, recipe: &Recipe) -> bool {
        self.folder = tempfile::tempdir().unwrap();
        fixture::write(recipe, self.folder.path()).is_ok()
    }

    /// Compares what both make of the image that was written.
    fn compare(&mut self, what: &dyn std::fmt::Debug) {
        let ours = Inspection::of(&self.path(), Some(Format::Qcow2)).unwrap();
        let theirs = info(&self.qemu_img, &self.path());
        let difference = match (&ours.error, &theirs) {
            (None, Ok(info)) => facts::difference(&ours, info),
            (Some(ours), Err(message)) => reasons::difference(ours.class, message),
            (ours, theirs) => Some(format!("we: {ours:?}; qemu-img: {theirs:?}")),
        };
        match theirs {
            Ok(_) => self.accepted += 1,
            Err(_) => self.rejected += 1,
        }
        if let Some(difference) = difference {
            self.differences.push(format!("{difference}\n  {what:?}"));
        }
    }

    /// Fails if anything differed, or if so little was alike that nothing was shown.
    fn finish(self, least: usize) {
        let (accepted, rejected) = (self.accepted, self.rejected);
        println!("{accepted} images accepted and {rejected} rejected alike");
        let count = self.differences.len();
        let differences = self.differences.join("\n");
        assert!(count == 0, "{count} differences:\n{differences}");
        assert!(
            accepted >= least && rejected >= least,
            "too few of one kind: {accepted} accepted, {rejected} rejected"
        );
    }
}

/// What `qemu-img info` prints, or why it doesn't.
fn info(qemu_img: &Path, image: &Path) -> Result<serde_json::Value, String> {
    let output = Command::new(qemu_img)
        .args(["info", "-f", "qcow2", "--output=json"])
        .arg(image)
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    if output.status.code() == Some(0) {
        return Ok(serde_json::from_slice(&output.stdout).unwrap());
    }
    assert_eq!(output.status.code(), Some(1), "qemu-img crashed");
    Err(String::from_utf8_lossy(&output.stderr).into_owned())
}

pub(crate) fn random_images() -> usize {
    let given = std::env::var("QCONFORM_QEMU_IMAGES").ok();
    given.map_or(IMAGES, |number| number.parse().unwrap())
}

/// Values of a strategy, the same in every run.
pub(crate) fn values<S: Strategy>(strategy: S, count: usize) -> impl Iterator<Item = S::Value> {
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[11; 32]);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    (0..count).map(move |_| strategy.new_tree(&mut runner).unwrap().current())
}

#[test]
fn every_defect_is_judged_as_qemu_judges_it() {
    let Some(mut bench) = Bench::new() else {
        return;
    };
    for defect in catalogue() {
        for choice in defect.choices() {
            let mut image = defect.base.image();
            image.defects = vec![choice.clone()];
            assert!(bench.write(&image), "{choice} can't be written");
            bench.compare(&choice);
        }
    }
    bench.finish(50);
}

#[test]
fn every_image_of_the_corpus_is_judged_as_qemu_judges_it() {
    let Some(mut bench) = Bench::of(corpus::IMAGE) else {
        return;
    };
    for entry in corpus::entries() {
        assert!(
            bench.write_all(&entry.recipe),
            "{} can't be written",
            entry.id
        );
        bench.compare(&entry.id);
    }
    bench.finish(50);
}

#[test]
fn combined_defects_are_judged_as_qemu_judges_them() {
    let Some(mut bench) = Bench::new() else {
        return;
    };
    // Some parts don't go together, so more are tried.
    let wanted = random_images();
    for image in values(images::defective(), wanted * 4) {
        if bench.count() == wanted {
            break;
        }
        if bench.write(&image) {
            bench.compare(&image);
        }
    }
    bench.finish(wanted / 10);
}

#[test]
fn defective_chains_are_judged_as_qemu_judges_them() {
    let Some(mut bench) = Bench::of(strategies::TOP) else {
        return;
    };
    let wanted = random_images();
    for recipe in values(strategies::defective(1..=3), wanted) {
        assert!(bench.write_all(&recipe), "{recipe:?} can't be written");
        bench.compare(&recipe);
    }
    bench.finish(wanted / 10);
}

#[test]
fn valid_chains_are_accepted_as_qemu_accepts_them() {
    let Some(mut bench) = Bench::of(strategies::TOP) else {
        return;
    };
    for recipe in values(strategies::valid(), random_images()) {
        assert!(bench.write_all(&recipe), "{recipe:?} can't be written");
        bench.compare(&recipe);
    }
    assert_eq!(bench.rejected, 0);
    bench.finish(0);
}

#[test]
fn random_bytes_are_judged_as_qemu_judges_them() {
    let Some(mut bench) = Bench::new() else {
        return;
    };
    for bytes in values(headers::random_bytes(), random_images()) {
        std::fs::write(bench.path(), &bytes).unwrap();
        bench.compare(&bytes);
    }
    // Chance makes no valid image, so that there is nothing to ask for.
    bench.finish(0);
}

#[test]
fn damaged_bytes_are_judged_as_qemu_judges_them() {
    let Some(mut bench) = Bench::new() else {
        return;
    };
    let wanted = random_images();
    for (image, damage) in values((images::valid(), images::damage()), wanted * 4) {
        if bench.count() == wanted {
            break;
        }
        if bench.write(&image) {
            damage.apply(&bench.path());
            bench.compare(&(damage, image));
        }
    }
    bench.finish(wanted / 10);
}

#[test]
fn odd_headers_are_judged_as_qemu_judges_them() {
    let Some(mut bench) = Bench::new() else {
        return;
    };
    let wanted = random_images();
    for sample in values(headers::image(), wanted) {
        sample.clone().write(bench.folder.path(), IMAGE);
        bench.compare(&sample);
    }
    bench.finish(wanted / 10);
}
