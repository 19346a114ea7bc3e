//! One system call of a step goes wrong, each in its turn.

use std::panic::{AssertUnwindSafe, catch_unwind};

use qconform::reference::label::{Relabeller, Side};
use rustix::io::Errno;

use crate::faulty::{Fault, Faulty, unwind};
use crate::scene::{STEPS, Scene, Step};

const SIDES: [Side; 2] = [Side::Before, Side::After];

pub(crate) fn attributes() -> String {
    kills(false)
}

pub(crate) fn journal() -> String {
    kills(true)
}

fn kills(journal: bool) -> String {
    let mut told = Vec::new();
    let mut points = 0;
    for step in STEPS {
        let calls = calls(step, journal);
        for at in 0..calls {
            for fault in [Fault::KillBefore, Fault::KillAfter] {
                for side in SIDES {
                    kill(step, journal, at, fault, side);
                    points += 1;
                }
            }
        }
        told.push(format!("{step:?} {calls} calls"));
    }
    format!("{points} points: {}", told.join(", "))
}

/// How many system calls a step makes.
pub(crate) fn calls(step: Step, journal: bool) -> u32 {
    let scene = Scene::new(step, journal);
    let counting = Faulty::counting();
    let relabeller = Relabeller::default().with_system(&counting);
    let stopped = scene.take(&relabeller).unwrap();
    assert_eq!(stopped.errors, []);
    scene.recover_and_stop(Side::After);
    scene.check_end(Side::After);
    counting.calls()
}

fn kill(step: Step, journal: bool, at: u32, fault: Fault, side: Side) {
    let scene = Scene::new(step, journal);
    let faulty = Faulty::new(at, fault, unwind);
    let relabeller = Relabeller::default().with_system(&faulty);
    let taken = catch_unwind(AssertUnwindSafe(|| scene.take(&relabeller)));
    assert!(taken.is_err(), "{step:?} was not killed at {at}");
    scene.recover_and_stop(side);
    scene.check_end(side);
}

pub(crate) fn errors() -> String {
    failing(false)
}

pub(crate) fn journal_errors() -> String {
    failing(true)
}

fn failing(journal: bool) -> String {
    let mut points = 0;
    let mut undone = 0;
    for step in STEPS {
        for at in 0..calls(step, journal) {
            for error in [Errno::IO, Errno::NOSPC] {
                undone += u32::from(fail(step, journal, at, error));
                points += 1;
            }
        }
    }
    format!("{points} points, {undone} of them undone")
}

/// Whether the step was undone: then nothing has changed at all. Otherwise it is done, or what
/// is left of it can be done again.
fn fail(step: Step, journal: bool, at: u32, error: Errno) -> bool {
    let scene = Scene::new(step, journal);
    let before = (scene.snapshot(), scene.journal());
    let faulty = Faulty::new(at, Fault::Error(error), unwind);
    let result = scene.take(&Relabeller::default().with_system(&faulty));
    let (undone, side) = match result {
        Ok(_) => (false, Side::After),
        Err(failed) => {
            let place = format!("{step:?}, call {at}: {failed}");
            assert_eq!(failed.left_behind, Vec::<String>::new(), "{place}");
            assert_eq!((scene.snapshot(), scene.journal()), before, "{place}");
            (true, Side::Before)
        }
    };
    scene.recover_and_stop(side);
    scene.check_end(side);
    undone
}
