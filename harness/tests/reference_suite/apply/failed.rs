//! Starts that fail, are aborted or are killed.

use std::cell::Cell;

use qconform::reference::label::dac::Dac;
use qconform::reference::label::selinux::Selinux;
use qconform::reference::label::target::Target;
use qconform::reference::label::{Config, Driver, DriverError, Relabeller, Running, RunningFile};
use rstest::rstest;

use super::{abort, config, lab, overlay_plan, plan_with, start, states, stop};
use crate::lab::{disk, disk_with};

/// A driver that fails at one of its changes, or takes the whole relabeller with it.
#[derive(Debug)]
struct Failing<D> {
    inner: D,
    successes: Cell<u32>,
    kills: bool,
}

impl<D> Failing<D> {
    fn new(inner: D, successes: u32, kills: bool) -> Self {
        let successes = Cell::new(successes);
        Self {
            inner,
            successes,
            kills,
        }
    }
}

impl<D: Driver> Driver for Failing<D> {
    fn name(&self) -> &'static str {
        self.inner.name()
    }

    fn wanted(&self, file: &RunningFile) -> Option<String> {
        self.inner.wanted(file)
    }

    fn disclaim(&self, file: &mut RunningFile) {
        self.inner.disclaim(file);
    }

    fn check(&self, target: &Target<'_>, state: Option<&str>) -> Result<(), DriverError> {
        self.inner.check(target, state)
    }

    fn current(&self, target: &Target<'_>) -> Result<Option<String>, DriverError> {
        self.inner.current(target)
    }

    fn set(&self, target: &Target<'_>, state: Option<&str>) -> Result<(), DriverError> {
        let left = self.successes.replace(self.successes.get().wrapping_sub(1));
        match (left, self.kills) {
            (0, true) => std::panic::resume_unwind(Box::new("killed")),
            (0, false) => Err(DriverError::BadState("injected".to_owned())),
            _ => self.inner.set(target, state),
        }
    }
}

#[rstest]
fn a_failed_start_leaves_no_trace(#[values(0, 1, 2, 3)] successes: u32) {
    let Some(lab) = lab() else { return };
    let before = states(&lab);
    let failing = Failing::new(Selinux, successes, false);
    let drivers: [&dyn Driver; 2] = [&Dac, &failing];
    let error = Relabeller::default()
        .with_drivers(&drivers)
        .start(&overlay_plan(&lab), &config(), "one")
        .unwrap_err();
    assert_eq!(
        (error.class.as_str(), error.left_behind),
        ("refused", vec![])
    );
    assert_eq!(states(&lab), before);
}

#[test]
fn a_failed_start_keeps_what_another_domain_uses() {
    let Some(lab) = lab() else { return };
    let readonly = plan_with(&lab, &disk_with("base.qcow2", "", "<readonly/>"), &config());
    let other = start(&readonly, &config(), "other").unwrap();
    // The file in use comes first, so its record has changed when the start fails.
    let disks = disk_with("base.qcow2", "", "<readonly/>").replace("vda", "vdb");
    let both = plan_with(&lab, &(disks + &disk("overlay.qcow2")), &config());
    let during = states(&lab);
    let failing = Failing::new(Selinux, 1, false);
    let drivers: [&dyn Driver; 2] = [&Dac, &failing];
    Relabeller::default()
        .with_drivers(&drivers)
        .start(&both, &config(), "one")
        .unwrap_err();
    assert_eq!(states(&lab), during);
    assert_eq!(stop(&other).errors, []);
}

#[rstest]
#[case::with_records(true)]
#[case::without_records(false)]
fn an_aborted_start_gives_back_kept_kinds_too(#[case] remember: bool) {
    let Some(lab) = lab() else { return };
    let before = states(&lab);
    let config = Config {
        remember,
        ..config()
    };
    let running = start(
        &plan_with(&lab, &disk("overlay.qcow2"), &config),
        &config,
        "one",
    )
    .unwrap();
    assert_eq!(abort(&running).errors, []);
    assert_eq!(states(&lab), before);
}

#[rstest]
fn a_start_killed_before_any_change_is_cleaned_up_from_the_plan_alone(
    #[values(0, 1, 2, 3, 4)] successes: u32,
    #[values(true, false)] owner: bool,
) {
    let Some(lab) = lab() else { return };
    let before = states(&lab);
    let plan = overlay_plan(&lab);
    let (dac, selinux) = (
        Failing::new(Dac, successes, true),
        Failing::new(Selinux, successes, true),
    );
    let drivers: [&dyn Driver; 2] = if owner {
        [&dac, &Selinux]
    } else {
        [&Dac, &selinux]
    };
    // An unwinding stands for the kill: nothing of the start's own cleaning up runs.
    let start = || {
        Relabeller::default()
            .with_drivers(&drivers)
            .start(&plan, &config(), "one")
            .map(drop)
    };
    let killed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(start)).is_err();
    assert_eq!(killed, successes < 4);
    assert_eq!(abort(&Running::of(&plan, &config(), "one")).errors, []);
    assert_eq!(states(&lab), before);
}

#[test]
fn a_start_after_a_killed_one_still_knows_the_original_state() {
    let Some(lab) = lab() else { return };
    let before = states(&lab);
    drop(start(&overlay_plan(&lab), &config(), "one").unwrap());
    let running = start(&overlay_plan(&lab), &config(), "one").unwrap();
    assert_eq!(stop(&running).errors, []);
    assert_eq!(states(&lab)[..2], before[..2]);
}
