//! One step's way through the files that it labels: look at all of them, label one after the
//! other, and know the way back.

use super::driver::{Driver, DriverError};
use super::error::{ApplyClass, ApplyError};
use super::record::{Record, Use, User};
use super::running::Running;
use super::store::{Found, Place, Records, Stored};
use super::system::System;
use super::target::Target;
use super::uses::Group;
use crate::reference::violation::FileViolation;

/// What a domain may have to do with its files already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Occasion {
    /// It starts: whatever records say of it is left over from a start that was killed.
    Start,
    /// It arrives from another host, where it still runs.
    Arrival,
    /// It runs, and uses other files from now on.
    Change,
    /// It runs, and nobody knows how far its last change came.
    Recovery,
}

/// A file that a driver is about to label.
pub(super) struct Wish<'a, 'd, 's> {
    pub(super) group: &'a Group<'a>,
    pub(super) driver: &'d dyn Driver,
    pub(super) target: &'a Target<'s>,
    /// The state that it is to have.
    pub(super) state: String,
}

/// What became of one driver's part of a file.
pub(super) enum Held {
    /// It is labelled; this is the state that it had.
    As(Option<String>),
    /// There is no such label here, or it can't be changed and needn't.
    Not,
}

/// A file's state before this step touched it.
pub(super) struct Seen {
    state: Option<String>,
    record: Option<Found>,
}

/// One change that a step has made, with what it takes to go back.
struct Done<'a, 's> {
    target: &'a Target<'s>,
    driver: &'a dyn Driver,
    state: Option<String>,
    record_before: Option<Found>,
    record_now: Option<Place>,
}

pub(super) struct Session<'a, 's> {
    user: User,
    occasion: Occasion,
    remember: bool,
    records: Records<'a>,
    done: Vec<Done<'a, 's>>,
    violations: Vec<FileViolation>,
}

impl<'a, 's> Session<'a, 's> {
    pub(super) fn new(system: &'a dyn System, occasion: Occasion, after: &'a Running) -> Self {
        Self {
            user: after.user(),
            occasion,
            remember: after.remember,
            records: Records::of(after, system),
            done: Vec::new(),
            violations: Vec::new(),
        }
    }

    /// What was odd, once everything is labelled.
    pub(super) fn violations(self) -> Vec<FileViolation> {
        self.violations
    }

    /// Leaves those uses only that can still be true.
    fn forget_dead(&self, record: &mut Record) {
        record.forget_stale(&self.user);
        if self.occasion == Occasion::Start {
            record.forget_domain(&self.user.domain);
        }
    }

    /// Looks at a file, and refuses one that can't get what the domain needs: before anything
    /// changes.
    pub(super) fn check(&self, wish: &Wish<'_, '_, '_>) -> Result<Seen, ApplyError> {
        let (driver, target) = (wish.driver, wish.target);
        let wanted = Some(wish.state.as_str());
        let checked = driver.check(target, wanted);
        checked.map_err(|error| refused(target, &error))?;
        let state = current(driver, target)?;
        let mut record = self.records.load(target, driver.name())?;
        if let Some(found) = &mut record {
            self.forget_dead(&mut found.record);
        }
        let found = record.as_ref();
        let in_use = found.is_some_and(|found| found.record.has_others(&self.user));
        if in_use && !driver.same(state.as_deref(), wanted) {
            let message = format!(
                "file is in use with {} {:?}",
                driver.name(),
                state.as_deref().unwrap_or_default().trim_end_matches('\0'),
            );
            return Err(ApplyError::new(ApplyClass::InUse, target.path(), message));
        }
        Ok(Seen { state, record })
    }

    /// Records a file's state, then changes it.
    pub(super) fn label(
        &mut self,
        wish: &Wish<'a, 'a, 's>,
        seen: Seen,
    ) -> Result<Held, ApplyError> {
        let (group, driver, target) = (wish.group, wish.driver, wish.target);
        let stored = match self.remember {
            true => self.store(wish, &seen)?,
            false => Stored::Nowhere,
        };
        let Seen { state, record } = seen;
        if stored == Stored::ReadOnly {
            return self.read_only(group, target);
        }
        // Whatever happens next, this can be undone.
        self.done.push(Done {
            target,
            driver,
            state: state.clone(),
            record_before: record,
            record_now: match stored {
                Stored::At(place) => Some(place),
                Stored::Nowhere | Stored::ReadOnly => None,
            },
        });
        let wanted = Some(wish.state.as_str());
        if driver.same(state.as_deref(), wanted) {
            return Ok(Held::As(state));
        }
        match driver.set(target, wanted) {
            Ok(()) => Ok(Held::As(state)),
            Err(DriverError::Unsupported) => {
                let message = format!("file system has no {} labels", driver.name());
                self.note("label.supported", target, message);
                self.give_up(target)
            }
            Err(error) if error.is_read_only() => {
                self.give_up(target)?;
                self.read_only(group, target)
            }
            Err(error) => Err(refused(target, &error)),
        }
    }

    /// Writes the record with this domain's uses in it.
    fn store(&mut self, wish: &Wish<'_, '_, '_>, seen: &Seen) -> Result<Stored, ApplyError> {
        let (group, driver, target) = (wish.group, wish.driver, wish.target);
        let found = seen.record.as_ref();
        let mut record = match found {
            Some(found) => found.record.clone(),
            None => Record::new(seen.state.clone()),
        };
        let (count, restore) = (group.count, group.restore);
        record.put(&self.user, Use { count, restore });
        let place = found.map(|found| found.place);
        let stored = self.records.store(target, driver.name(), &record, place)?;
        if stored == Stored::Nowhere {
            let message = format!("no record of the {} state can be kept here", driver.name());
            self.note("label.original-remembered", target, message);
        }
        Ok(stored)
    }

    /// Nothing can change here; whether that is enough depends on what the domain wants.
    fn read_only(&mut self, group: &Group<'_>, target: &Target<'_>) -> Result<Held, ApplyError> {
        if group.file.writable {
            let message = "its file system is read-only, and the domain would write it";
            return Err(ApplyError::new(
                ApplyClass::ReadOnly,
                target.path(),
                message,
            ));
        }
        let message = "its file system is read-only, so it stays as it is".to_owned();
        self.note("label.read-only-file-system", target, message);
        Ok(Held::Not)
    }

    /// Takes back the record of a state that can't be set.
    fn give_up(&mut self, target: &Target<'_>) -> Result<Held, ApplyError> {
        if let Some(done) = self.done.pop() {
            let undone = done.undo_record(&self.records);
            undone.map_err(|error| ApplyError {
                path: target.path().to_owned(),
                ..error
            })?;
        }
        Ok(Held::Not)
    }

    fn note(&mut self, requirement: &str, target: &Target<'_>, message: String) {
        self.violations
            .push(FileViolation::of_file(requirement, target.path(), message));
    }

    /// Goes back to where this step began, last change first.
    pub(super) fn undo(&mut self, mut error: ApplyError) -> ApplyError {
        while let Some(done) = self.done.pop() {
            if let Err(left) = done.undo(&self.records) {
                error.left_behind.push(left.to_string());
            }
        }
        error
    }
}

impl Done<'_, '_> {
    fn undo(&self, records: &Records<'_>) -> Result<(), ApplyError> {
        if current(self.driver, self.target)? != self.state {
            let state = self.state.as_deref();
            let set = self.driver.set(self.target, state);
            set.map_err(|error| refused(self.target, &error))?;
        }
        self.undo_record(records)
    }

    fn undo_record(&self, records: &Records<'_>) -> Result<(), ApplyError> {
        let name = self.driver.name();
        if let Some(found) = &self.record_before {
            records.put_back(self.target, name, found)?;
        }
        let before = self.record_before.as_ref().map(|found| found.place);
        match self.record_now.filter(|place| Some(*place) != before) {
            Some(place) => records.remove(self.target, name, place),
            None => Ok(()),
        }
    }
}

pub(super) fn current(
    driver: &dyn Driver,
    target: &Target<'_>,
) -> Result<Option<String>, ApplyError> {
    driver
        .current(target)
        .map_err(|error| refused(target, &error))
}

pub(super) fn refused(target: &Target<'_>, error: &DriverError) -> ApplyError {
    let class = match error {
        DriverError::Privileges(_) => ApplyClass::Privileges,
        DriverError::UnmappedId(_) => ApplyClass::UnmappedId,
        _ => ApplyClass::Refused,
    };
    ApplyError::new(class, target.path(), error.to_string())
}
