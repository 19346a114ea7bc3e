//! Gives files back when their last user lets go of them.

use super::driver::Driver;
use super::error::{ApplyClass, ApplyError};
use super::record::User;
use super::running::{Running, RunningFile};
use super::session::{current, refused};
use super::store::{Found, Place, Records};
use super::system::System;
use super::target::Target;
use crate::reference::violation::FileViolation;

/// How a release went; a file that can't be given back doesn't keep the others from it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[must_use]
pub struct Stopped {
    /// What was odd.
    pub violations: Vec<FileViolation>,
    /// What failed.
    pub errors: Vec<ApplyError>,
}

/// Why a domain lets go of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Parting {
    /// It is done with it.
    Done,
    /// It never really had it: the step that labelled it failed.
    Failed,
    /// It goes on using it at another host.
    Moved,
}

/// Lets go of files; `running` says who does.
pub(super) fn release<'a>(
    system: &dyn System,
    drivers: &[&dyn Driver],
    running: &Running,
    files: impl Iterator<Item = (&'a RunningFile, Parting)>,
) -> Stopped {
    let mut release = Release {
        system,
        drivers,
        records: Records::of(running, system),
        user: running.user(),
        outcome: Stopped::default(),
    };
    let mut seen = Vec::new();
    for (file, parting) in files {
        // All uses of a file by one domain stand in one entry of its record.
        if seen.contains(&file.key()) || !file.is_touched() {
            continue;
        }
        seen.push(file.key());
        if let Err(error) = release.file(file, parting) {
            release.outcome.errors.push(error);
        }
    }
    release.outcome
}

struct Release<'a> {
    system: &'a dyn System,
    drivers: &'a [&'a dyn Driver],
    records: Records<'a>,
    user: User,
    outcome: Stopped,
}

impl Release<'_> {
    fn file(&mut self, file: &RunningFile, parting: Parting) -> Result<(), ApplyError> {
        let target = match Target::open(self.system, file) {
            Ok(target) => target,
            Err(error) if error.class == ApplyClass::Missing => return self.gone(file),
            Err(error) => return Err(error),
        };
        if !target.lock() {
            // Leaving the file with a domain that is gone would be worse than going on.
            let message = "somebody holds the lock of this file".to_owned();
            self.note("label.last-user", file, message);
        }
        // One driver's failure must not keep the other from giving its part back.
        let mut result = Ok(());
        for driver in self.drivers {
            if driver.wanted(file).is_some() {
                result = result.and(self.state(file, *driver, &target, parting));
            }
        }
        result
    }

    /// A file that was removed took its attributes along, and left its entry in the journal.
    fn gone(&mut self, file: &RunningFile) -> Result<(), ApplyError> {
        self.note("label.last-user", file, "file is gone".to_owned());
        for driver in self.drivers {
            let forgotten = self
                .records
                .forget_missing(file.key(), driver.name(), &self.user);
            forgotten.map_err(|error| {
                ApplyError::new(ApplyClass::Record, &file.path, format!("journal: {error}"))
            })?;
        }
        Ok(())
    }

    fn state(
        &mut self,
        file: &RunningFile,
        driver: &dyn Driver,
        target: &Target<'_>,
        parting: Parting,
    ) -> Result<(), ApplyError> {
        match self.records.load(target, driver.name())? {
            Some(found) => self.recorded(driver, target, found, parting),
            None => self.unrecorded(file, driver, target, parting),
        }
    }

    fn recorded(
        &self,
        driver: &dyn Driver,
        target: &Target<'_>,
        found: Found,
        parting: Parting,
    ) -> Result<(), ApplyError> {
        let (name, place) = (driver.name(), found.place);
        if place != Place::Journal {
            self.records.tidy(target, name)?;
        }
        let mut record = found.record;
        let Some(used) = record.take(&self.user) else {
            return Ok(());
        };
        record.forget_stale(&self.user);
        if !record.is_unused() {
            record.restore |= used.restore && parting == Parting::Done;
            return self
                .records
                .store(target, name, &record, Some(place))
                .map(|_| ());
        }
        let back = match parting {
            Parting::Done => record.restore || used.restore,
            Parting::Failed => true,
            Parting::Moved => false,
        };
        if back {
            give_back(driver, target, record.original.as_deref())?;
        }
        self.records.remove(target, name, place)
    }

    /// Without a record only a failed step still knows the state; a stop leaves it alone,
    /// because a guess such as root's would be worse.
    fn unrecorded(
        &mut self,
        file: &RunningFile,
        driver: &dyn Driver,
        target: &Target<'_>,
        parting: Parting,
    ) -> Result<(), ApplyError> {
        self.records.tidy(target, driver.name())?;
        match (parting, file.before.get(driver.name())) {
            (Parting::Failed, Some(state)) => give_back(driver, target, state.as_deref()),
            (Parting::Failed, None) | (Parting::Moved, _) => Ok(()),
            (Parting::Done, _) => {
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

fn give_back(
    driver: &dyn Driver,
    target: &Target<'_>,
    state: Option<&str>,
) -> Result<(), ApplyError> {
    if current(driver, target)?.as_deref() == state {
        return Ok(());
    }
    driver
        .set(target, state)
        .map_err(|error| refused(target, &error))
}
