//! One file system after the other.

use std::panic::{AssertUnwindSafe, catch_unwind};

use libtest_mimic::Failed;
use qconform::reference::label::{ApplyError, Intent, Relabeller, Running, Side};

use crate::faulty::{Fault, Faulty, unwind};
use crate::lab::Lab;
use crate::machine::{Volume, or_skip_volume};
use crate::scene::{STEPS, Scene, Step, records};

/// The volume to test on; says so where there is none.
fn volume(name: &str) -> Result<Option<Volume>, Failed> {
    if let Some(reason) = or_skip_volume(name) {
        println!("skipped: {reason}");
        return Ok(None);
    }
    Volume::new(name).map(Some)
}

pub(crate) fn cycle(name: &str) -> Result<(), Failed> {
    let Some(volume) = volume(name)? else {
        return Ok(());
    };
    for step in STEPS {
        let scene = Scene::on(Lab::on(&volume.path()), step, false);
        let stopped = scene.take(&Relabeller::default())?;
        assert_eq!((stopped.errors, stopped.violations), (vec![], vec![]));
        if step == Step::Start {
            let found = records(&scene.lab.path("disk.raw"));
            // Real root keeps its records where nobody else can write.
            assert!(
                found.iter().all(|record| record.starts_with("trusted.")),
                "{found:?}"
            );
            assert_eq!(found.len(), 2);
        }
        scene.recover_and_stop(Side::After);
        scene.check_end(Side::After);
    }
    Ok(())
}

pub(crate) fn kills(name: &str) -> Result<(), Failed> {
    let Some(volume) = volume(name)? else {
        return Ok(());
    };
    let mut points = 0;
    for step in [
        Step::Start,
        Step::Stop,
        Step::Snapshot,
        Step::Commit,
        Step::Pivot,
    ] {
        for at in 0.. {
            let scene = Scene::on(Lab::on(&volume.path()), step, false);
            let faulty = Faulty::new(at, Fault::KillAfter, unwind);
            let relabeller = Relabeller::default().with_system(&faulty);
            let killed = catch_unwind(AssertUnwindSafe(|| scene.take(&relabeller))).is_err();
            let side = if at % 2 == 0 {
                Side::Before
            } else {
                Side::After
            };
            let side = if killed { side } else { Side::After };
            scene.recover_and_stop(side);
            scene.check_end(side);
            if !killed {
                break;
            }
            points += 1;
        }
    }
    println!("{name}: {points} points");
    Ok(())
}

pub(crate) fn read_only(name: &str) -> Result<(), Failed> {
    let Some(volume) = volume(name)? else {
        return Ok(());
    };
    let scene = Scene::on(Lab::on(&volume.path()), Step::Start, false);
    let before = scene.snapshot();
    volume.remount("ro")?;
    let error = scene.take(&Relabeller::default()).unwrap_err();
    assert_eq!(error.class.as_str(), "read-only-file-system", "{error}");
    let mut readers = scene.intent.clone();
    readers.after.files.retain(|file| !file.writable);
    assert!(!readers.after.files.is_empty());
    let changed = Relabeller::default().change(&readers)?;
    let found = changed.running.violations.iter();
    let found: Vec<_> = found
        .map(|violation| violation.requirement.as_str())
        .collect();
    let wanted = vec!["label.read-only-file-system"; readers.after.files.len() * 2];
    assert_eq!(found, wanted);
    let stopped = Relabeller::default().stop(&changed.running);
    assert_eq!((stopped.errors, stopped.violations), (vec![], vec![]));
    assert_eq!(scene.snapshot(), before);
    volume.remount("rw")
}

/// Length of a domain's name; with real ones, of 32 digits, there is room for ten times as many.
const ID: usize = 400;

/// A record grows with the domains that use the file, and file systems have limits. A journal
/// takes over there, or else the next domain is refused.
pub(crate) fn full_record(name: &str) -> Result<(), Failed> {
    let Some(volume) = volume(name)? else {
        return Ok(());
    };
    let scene = Scene::on(Lab::on(&volume.path()), Step::Start, false);
    let mut intent = scene.intent.clone();
    intent.after.files.retain(|file| !file.writable);
    let mut domains = Vec::new();
    loop {
        let before = scene.snapshot();
        match start(&mut intent, domains.len()) {
            Ok(running) => domains.push(running),
            Err(error) => {
                assert_eq!(error.class.as_str(), "record", "{error}");
                assert_eq!(error.left_behind, Vec::<String>::new());
                assert_eq!(scene.snapshot(), before);
                break;
            }
        }
        assert!(domains.len() < 5000, "there is no limit");
    }
    println!("{name}: room for {} domains at one file", domains.len());
    intent.after.state_directory = Some(scene.lab.path("journal"));
    for number in domains.len()..domains.len() + 50 {
        domains.push(start(&mut intent, number)?);
    }
    assert!(!scene.journal().is_empty());
    for mut running in domains {
        running
            .state_directory
            .clone_from(&intent.after.state_directory);
        assert_eq!(Relabeller::default().stop(&running).errors, []);
    }
    scene.check_end(Side::After);
    Ok(())
}

/// Starts a domain with the files of an intent.
fn start(intent: &mut Intent, number: usize) -> Result<Running, ApplyError> {
    intent.before.domain = format!("{number:0ID$x}");
    intent.after.domain.clone_from(&intent.before.domain);
    Relabeller::default()
        .change(intent)
        .map(|changed| changed.running)
}
