//! Relabellers in processes of their own, which are killed by a signal or meet each other.

use std::process::{Child, Command, ExitCode, Stdio};
use std::time::Duration;

use qconform::reference::label::{Intent, Relabeller, Side};

use crate::faulty::{Fault, Faulty, kill};
use crate::kills::calls;
use crate::scene::{STEPS, Scene, Step};

/// First argument of a process that is a relabeller.
pub(crate) const CHILD: &str = "--relabel";
/// This program, where a worker sees it.
pub(crate) const PROGRAM: &str = "/qconform";
/// The intent, where the relabeller finds it.
pub(crate) const INTENT: &str = "/tmp/intent";

/// In a process of its own: takes a step, or takes it and goes back over and over.
///
/// Arguments are `once CALL before|after`, `cycle TIMES DOMAIN` or `refused`.
pub(crate) fn child(arguments: &[String]) -> ExitCode {
    let text = std::fs::read(INTENT).unwrap();
    let intent: Intent = serde_json::from_slice(&text).unwrap();
    match arguments {
        [once, at, place] if once == "once" => {
            let fault = match place.as_str() {
                "before" => Fault::KillBefore,
                _ => Fault::KillAfter,
            };
            let faulty = Faulty::new(at.parse().unwrap(), fault, kill);
            step(&intent, &Relabeller::default().with_system(&faulty));
        }
        [cycle, times, domain] if cycle == "cycle" => {
            for _ in 0..times.parse::<u32>().unwrap() {
                cycle_once(&intent, domain);
            }
        }
        [refused] if refused == "refused" => {
            let error = Relabeller::default().change(&intent).unwrap_err();
            println!("{}: {error}", error.class.as_str());
        }
        _ => return ExitCode::from(2),
    }
    ExitCode::SUCCESS
}

/// A step as its intent says it; a stop has no files afterwards.
fn step(intent: &Intent, relabeller: &Relabeller<'_>) {
    if intent.after.files.is_empty() {
        assert_eq!(relabeller.stop(&intent.before).errors, []);
        return;
    }
    let changed = relabeller.change(intent).unwrap();
    assert_eq!(changed.stopped.errors, []);
}

fn cycle_once(intent: &Intent, domain: &str) {
    let rename = |running: &qconform::reference::label::Running| {
        let mut running = running.clone();
        domain.clone_into(&mut running.domain);
        running
    };
    let relabeller = Relabeller::default();
    let intent = Intent {
        before: rename(&intent.before),
        after: rename(&intent.after),
    };
    // Another process may have the files, and then nothing happens.
    if let Ok(changed) = relabeller.change(&intent) {
        let stopped = relabeller.stop(&changed.running);
        assert_eq!(stopped.errors, []);
    }
}

fn spawn(arguments: &[&str]) -> Child {
    let mut command = Command::new(PROGRAM);
    command.arg(CHILD).args(arguments);
    command.stdout(Stdio::null()).stderr(Stdio::inherit());
    command.spawn().unwrap()
}

fn write_intent(scene: &Scene) {
    let text = serde_json::to_vec(&scene.intent).unwrap();
    std::fs::write(INTENT, text).unwrap();
}

pub(crate) fn at_every_call() -> String {
    use std::os::unix::process::ExitStatusExt;
    let mut points = 0;
    for step in STEPS {
        for at in 0..calls(step, false) {
            for (place, side) in [("before", Side::Before), ("after", Side::After)] {
                let scene = Scene::new(step, false);
                write_intent(&scene);
                let status = spawn(&["once", &at.to_string(), place]).wait().unwrap();
                // A start has no files before it, so here it is a change, with fewer calls.
                if status.signal() != Some(9) {
                    assert!(
                        status.success() && step == Step::Start,
                        "{step:?} {at}: {status}"
                    );
                } else {
                    points += 1;
                }
                scene.recover_and_stop(side);
                scene.check_end(side);
            }
        }
    }
    format!("{points} processes killed")
}

pub(crate) fn at_random_times() -> String {
    let mut hit = 0;
    for number in 0..200_u64 {
        let scene = Scene::new(Step::Start, number % 2 == 1);
        write_intent(&scene);
        let mut process = spawn(&["cycle", "1000000", "guest"]);
        // From before the program has begun to somewhere in its cycles.
        std::thread::sleep(Duration::from_micros(number * 97 % 9000));
        process.kill().unwrap();
        process.wait().unwrap();
        hit += u32::from(
            scene
                .snapshot()
                .iter()
                .any(|(_, records)| !records.is_empty()),
        );
        // The process may have been starting or stopping, so it is asked to have started.
        scene.recover_and_stop(Side::After);
        scene.check_end(Side::After);
    }
    format!("200 processes killed, {hit} of them between start and stop")
}

pub(crate) fn two_at_once() -> String {
    let scene = Scene::new(Step::Start, false);
    write_intent(&scene);
    let children = ["one", "two", "three"].map(|domain| spawn(&["cycle", "400", domain]));
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    scene.check_end(Side::After);
    "3 processes, 400 cycles each".to_owned()
}
