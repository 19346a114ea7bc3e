//! Random domains that go through random lives with random failures.
//!
//! Four things always hold: bystanders are untouched; bytes and modes never change; a data file
//! is in the state of the image that names it; and after the last stop every file is as its
//! requirement says.

mod act;
mod disk;
mod life;

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::test_runner::{Config as Settings, TestRunner};

use act::acts;
use disk::disks;
use life::Life;

const LIVES: u32 = 1500;

pub(crate) fn any() -> String {
    let settings = Settings {
        cases: LIVES,
        failure_persistence: None,
        ..Settings::default()
    };
    let tally = std::cell::RefCell::new(BTreeMap::new());
    let mut runner = TestRunner::new(settings);
    let domains = (
        prop::collection::vec(disks(), 1..=4),
        prop::collection::vec(acts(), 1..14),
        prop::bool::ANY,
    );
    let result = runner.run(&domains, |(disks, acts, journal)| {
        let mut life = Life::new(disks, journal);
        for act in acts {
            let outcome = life.act(act);
            *tally.borrow_mut().entry(outcome).or_insert(0_u32) += 1;
            life.check();
        }
        life.end();
        Ok(())
    });
    if let Err(error) = result {
        panic!("{error}");
    }
    format!("{LIVES} lives, steps: {:?}", tally.into_inner())
}
