//! Names that change their meaning while a relabeller works.

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};

use qconform::reference::label::{Relabeller, Side};
use rustix::fs::{CWD, RenameFlags, renameat_with};

use crate::scene::{Scene, State, Step, dress};

/// Swaps the data file with a bystander, as fast as it can.
pub(crate) fn renamer() -> String {
    race("disk.raw", "bystander")
}

/// Swaps a symbolic link to the bystander with the data file.
pub(crate) fn folders() -> String {
    race("disk.raw", "link")
}

const STARTS: u32 = 3000;

fn race(name: &str, other: &str) -> String {
    let scene = Scene::new(Step::Start, false);
    let lab = &scene.lab;
    lab.data("bystander");
    dress(&lab.path("bystander"), 9);
    std::os::unix::fs::symlink(lab.path("bystander"), lab.path("link")).unwrap();
    let bystander = std::fs::File::open(lab.path("bystander")).unwrap();
    let before = seen(&bystander);
    let (stop, ready) = (AtomicBool::new(false), Barrier::new(2));
    let (one, two) = (lab.path(name), lab.path(other));
    let (mut done, mut refused) = (0, 0);
    std::thread::scope(|scope| {
        // Also when an assertion fails, or the swapper would go on for ever.
        let _at_the_end = Stop(&stop);
        let swapper = scope.spawn(|| swap(&one, &two, &stop, &ready));
        ready.wait();
        let relabeller = Relabeller::default();
        for _ in 0..STARTS {
            match relabeller.change(&scene.intent) {
                Ok(changed) => {
                    done += 1;
                    // A file that is away just then stays as it is, and is given back later.
                    let _later = relabeller.stop(&changed.running);
                }
                Err(_) => refused += 1,
            }
            assert_eq!(seen(&bystander), before);
        }
        stop.store(true, Ordering::Relaxed);
        swapper.join().unwrap();
    });
    assert!(done > 0 && refused > 0, "{done} starts, {refused} refusals");
    if State::of(&lab.path("bystander")) != State::original(9) {
        exchange(&one, &two);
    }
    // The relabeller's records say what is still to be given back.
    scene.recover_and_stop(Side::After);
    scene.check_end(Side::After);
    assert_eq!(seen(&bystander), before);
    format!("{done} starts got through, {refused} were refused")
}

/// Stops the swapper when it is dropped.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn swap(one: &Path, two: &Path, stop: &AtomicBool, ready: &Barrier) {
    ready.wait();
    let mut swapped = false;
    while !stop.load(Ordering::Relaxed) || swapped {
        exchange(one, two);
        swapped = !swapped;
    }
}

fn exchange(one: &Path, two: &Path) {
    renameat_with(CWD, one, CWD, two, RenameFlags::EXCHANGE).unwrap();
}

/// What would change if the bystander were labelled; its change time, too.
fn seen(file: &std::fs::File) -> (u32, u32, u32, Vec<u8>) {
    let metadata = file.metadata().unwrap();
    let mut label = vec![0; 256];
    let length = rustix::fs::fgetxattr(file, "security.selinux", &mut label).unwrap();
    label.truncate(length);
    let mut names = [0; 256];
    let names_length = rustix::fs::flistxattr(file, &mut names).unwrap();
    label.extend_from_slice(&names[..names_length]);
    (metadata.uid(), metadata.gid(), metadata.mode(), label)
}
