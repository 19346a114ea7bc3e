//! Gives files back when their last user stops, or when a start failed.

use super::DRIVERS;
use super::driver::Driver;
use super::error::{ApplyClass, ApplyError};
use super::record::{self, Found};
use super::running::{Running, RunningFile};
use super::start::{current, refused};
use super::target::Target;
use crate::reference::violation::FileViolation;

/// How a stop went; a file that can't be given back doesn't keep the others from it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[must_use]
pub struct Stopped {
    /// What was odd.
    pub violations: Vec<FileViolation>,
    /// What failed.
    pub errors: Vec<ApplyError>,
}

/// Gives back the files of a domain that stopped.
///
/// Files that another domain uses stay as they are, and so do readonly, shareable and backing
/// files, whose records go. Never reads a header.
pub fn stop(running: &Running) -> Stopped {
    release_all(running, false)
}

/// Gives back every file of a domain whose start failed after it was labelled.
///
/// As [`stop`], and files whose label a stop would keep get their state back, too.
pub fn abort(running: &Running) -> Stopped {
    release_all(running, true)
}

fn release_all(running: &Running, failed: bool) -> Stopped {
    let boot = record::boot_id();
    let mut release = Release {
        running,
        boot,
        failed,
        outcome: Stopped::default(),
    };
    // A failed start goes back the way it came.
    let order: Vec<_> = match failed {
        true => running.files.iter().rev().collect(),
        false => running.files.iter().collect(),
    };
    for file in order {
        if let Err(error) = release.file(file) {
            release.outcome.errors.push(error);
        }
    }
    release.outcome
}

struct Release<'a> {
    running: &'a Running,
    boot: &'static str,
    failed: bool,
    outcome: Stopped,
}

impl Release<'_> {
    fn file(&mut self, file: &RunningFile) -> Result<(), ApplyError> {
        let drivers: Vec<_> = DRIVERS
            .iter()
            .filter(|driver| driver.wanted(file).is_some())
            .collect();
        if drivers.is_empty() {
            return Ok(());
        }
        if !file.path.exists() {
            self.note("label.file-kept", file, "file is gone".to_owned());
            return Ok(());
        }
        let target = Target::open(file)?;
        if !target.lock() {
            // Leaving the file with a domain that is gone would be worse than going on.
            self.note(
                "label.lock",
                file,
                "somebody holds the lock of this file".to_owned(),
            );
        }
        // One driver's failure must not keep the other from giving its part back.
        let results: Vec<_> = drivers
            .iter()
            .map(|driver| self.state(file, **driver, &target))
            .collect();
        results.into_iter().collect()
    }

    fn state(
        &mut self,
        file: &RunningFile,
        driver: &dyn Driver,
        target: &Target,
    ) -> Result<(), ApplyError> {
        match record::load(target, driver.name(), &self.running.namespaces)? {
            Some(found) => self.recorded(driver, target, found),
            None => self.unrecorded(file, driver, target),
        }
    }

    fn recorded(
        &self,
        driver: &dyn Driver,
        target: &Target,
        found: Found,
    ) -> Result<(), ApplyError> {
        let namespace = found.namespace;
        let mut users = found.record.users.iter();
        let Some(index) = users.position(|user| *user == self.running.domain) else {
            return Ok(());
        };
        let mut record = found.record;
        record.users.remove(index);
        let record = record.of_this_boot(self.boot);
        if !record.users.is_empty() {
            return record::store(target, driver.name(), &[namespace], &record).map(|_| ());
        }
        if record.restore || self.failed {
            let original = record.original.as_deref();
            give_back(driver, target, original)?;
        }
        record::put(target, driver.name(), namespace, None).map_err(|error| {
            let message = format!("record can't be removed: {error}");
            ApplyError::new(ApplyClass::Record, target.path(), message)
        })
    }

    /// Without a record only a failed start still knows the state; a stop leaves it alone,
    /// because a guess such as root's would be worse.
    fn unrecorded(
        &mut self,
        file: &RunningFile,
        driver: &dyn Driver,
        target: &Target,
    ) -> Result<(), ApplyError> {
        match file.before.get(driver.name()) {
            Some(state) if self.failed => give_back(driver, target, state.as_deref()),
            _ if self.failed => Ok(()),
            _ => {
                let message = format!(
                    "no record of the {} state, which stays as it is",
                    driver.name()
                );
                self.note("label.original-remembered", file, message);
                Ok(())
            }
        }
    }

    fn note(&mut self, requirement: &str, file: &RunningFile, message: String) {
        let violation = FileViolation::of_file(requirement, &file.path, message);
        self.outcome.violations.push(violation);
    }
}

fn give_back(driver: &dyn Driver, target: &Target, state: Option<&str>) -> Result<(), ApplyError> {
    if current(driver, target)?.as_deref() == state {
        return Ok(());
    }
    driver
        .set(target, state)
        .map_err(|error| refused(target, &error))
}
