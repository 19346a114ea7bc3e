//! Labels every file of a plan, or none.

use std::collections::{BTreeMap, HashMap};

use super::DRIVERS;
use super::config::{Config, Namespace};
use super::driver::{Driver, DriverError};
use super::error::{ApplyClass, ApplyError};
use super::plan::Plan;
use super::record::{self, Found, Record};
use super::running::{Running, RunningFile};
use super::target::Target;
use crate::reference::violation::FileViolation;

/// Labels the files of a domain that starts.
///
/// `domain` stands for it in records, see [`Domain::id`](crate::reference::domain::Domain::id).
///
/// # Errors
///
/// [`ApplyError`] for the first file that can't be labelled; every file then has the state
/// that it had before, except what [`ApplyError::left_behind`] names.
pub fn start(plan: &Plan, config: &Config, domain: &str) -> Result<Running, ApplyError> {
    start_with(plan, config, domain, &DRIVERS)
}

/// As [`start`], with drivers of the caller's, for tests and for mutants.
///
/// # Errors
///
/// As [`start`].
pub fn start_with(
    plan: &Plan,
    config: &Config,
    domain: &str,
    drivers: &[&dyn Driver],
) -> Result<Running, ApplyError> {
    label_all(plan, config, domain, Occasion::Start, drivers)
}

/// Labels the files of a disk that a running domain gets; its [`stop`](fn@super::stop) is the
/// detaching.
///
/// The plan is that of a domain with this disk alone. Files that the domain uses already are
/// counted once more.
///
/// # Errors
///
/// As [`start`].
pub fn attach(plan: &Plan, config: &Config, domain: &str) -> Result<Running, ApplyError> {
    label_all(plan, config, domain, Occasion::Attach, &DRIVERS)
}

/// Whether the domain may use files already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Occasion {
    Start,
    Attach,
}

fn label_all(
    plan: &Plan,
    config: &Config,
    domain: &str,
    occasion: Occasion,
    drivers: &[&dyn Driver],
) -> Result<Running, ApplyError> {
    let mut running = Running::of(plan, config, domain);
    let targets = open_all(&running.files)?;
    let mut session = Session {
        domain: running.domain.clone(),
        occasion,
        remember: running.remember,
        namespaces: running.namespaces.clone(),
        boot: record::boot_id(),
        seen: HashMap::new(),
        done: Vec::new(),
        violations: Vec::new(),
    };
    for (file, driver, target) in uses(&running.files, drivers, &targets) {
        session.check(file, driver, target)?;
    }
    let mut before = Vec::new();
    for (file, driver, target) in uses(&running.files, drivers, &targets) {
        match session.label(file, driver, target) {
            Ok(state) => before.push(state),
            Err(error) => return Err(session.undo(error)),
        }
    }
    running.violations = session.violations;
    remember_before(&mut running.files, drivers, before);
    Ok(running)
}

/// Opens each file once, in an order that two relabellers share, so that none waits for the
/// other's lock while it holds one.
fn open_all(files: &[RunningFile]) -> Result<BTreeMap<(u64, u64), Target>, ApplyError> {
    let mut targets = BTreeMap::new();
    let touched = files
        .iter()
        .filter(|file| file.owner.is_some() || file.label.is_some());
    let sorted: BTreeMap<_, _> = touched.map(|file| (file.key(), file)).collect();
    for (key, file) in sorted {
        let target = Target::open(file)?;
        if !target.lock() {
            let message = "another relabeller holds this file";
            return Err(ApplyError::new(ApplyClass::Busy, &file.path, message));
        }
        targets.insert(key, target);
    }
    Ok(targets)
}

/// Every file with every driver that touches it.
fn uses<'a>(
    files: &'a [RunningFile],
    drivers: &'a [&'a dyn Driver],
    targets: &'a BTreeMap<(u64, u64), Target>,
) -> impl Iterator<Item = (&'a RunningFile, &'a dyn Driver, &'a Target)> {
    files.iter().flat_map(move |file| {
        let target = targets.get(&file.key());
        let wanted = drivers
            .iter()
            .filter(|driver| driver.wanted(file).is_some());
        wanted.filter_map(move |driver| Some((file, *driver, target?)))
    })
}

fn remember_before(
    files: &mut [RunningFile],
    drivers: &[&dyn Driver],
    before: Vec<Option<String>>,
) {
    let mut before = before.into_iter();
    for file in files {
        let wanted: Vec<_> = drivers
            .iter()
            .filter(|driver| driver.wanted(file).is_some())
            .collect();
        for driver in wanted {
            if let Some(state) = before.next() {
                file.before.insert(driver.name().to_owned(), state);
            }
        }
    }
}

/// One step that a start has taken, with what it takes to go back.
struct Done<'a> {
    target: &'a Target,
    driver: &'a dyn Driver,
    state: Option<String>,
    record_before: Option<Found>,
    record_now: Option<Namespace>,
}

/// A file's state before this start touched it.
struct Seen {
    state: Option<String>,
    record: Option<Found>,
}

impl Seen {
    fn of(
        driver: &dyn Driver,
        target: &Target,
        namespaces: &[Namespace],
    ) -> Result<Self, ApplyError> {
        let state = current(driver, target)?;
        let record = record::load(target, driver.name(), namespaces)?;
        Ok(Self { state, record })
    }
}

struct Session<'a> {
    domain: String,
    occasion: Occasion,
    remember: bool,
    namespaces: Vec<Namespace>,
    boot: &'static str,
    /// What the check saw, until the file's first use takes it.
    seen: HashMap<((u64, u64), &'static str), Seen>,
    done: Vec<Done<'a>>,
    violations: Vec<FileViolation>,
}

impl<'a> Session<'a> {
    /// A record with those users only that can be using the file now.
    fn live(&self, record: Record) -> Record {
        let mut record = record.of_this_boot(self.boot);
        if self.occasion == Occasion::Start {
            // A domain that only starts now can't be using the file: that start was killed.
            record.users.retain(|user| *user != self.domain);
        }
        record
    }

    /// Refuses, before anything changes, a file whose users need it otherwise.
    fn check(
        &mut self,
        file: &RunningFile,
        driver: &dyn Driver,
        target: &Target,
    ) -> Result<(), ApplyError> {
        let seen = Seen::of(driver, target, &self.namespaces)?;
        let found = seen.record.as_ref();
        let record = found.map(|found| self.live(found.record.clone()));
        let in_use = record.is_some_and(|record| !record.users.is_empty());
        let current = seen.state.as_deref();
        if in_use && !driver.same(current, driver.wanted(file).as_deref()) {
            let message = format!(
                "file is in use with {} {:?}",
                driver.name(),
                current.unwrap_or_default().trim_end_matches('\0'),
            );
            return Err(ApplyError::new(ApplyClass::InUse, target.path(), message));
        }
        self.seen.insert((file.key(), driver.name()), seen);
        Ok(())
    }

    /// Records a file's state, then changes it; gives the state that it had.
    fn label(
        &mut self,
        file: &RunningFile,
        driver: &'a dyn Driver,
        target: &'a Target,
    ) -> Result<Option<String>, ApplyError> {
        let checked = self.seen.remove(&(file.key(), driver.name()));
        let first_use = checked.is_some();
        let seen = match checked {
            Some(seen) => seen,
            None => Seen::of(driver, target, &self.namespaces)?,
        };
        let record_now = match self.remember {
            true => {
                let record = self.next_record(&seen, file.restore, first_use);
                self.store(driver, target, seen.record.as_ref(), &record)?
            }
            false => None,
        };
        let Seen {
            state,
            record: record_before,
        } = seen;
        let wanted = driver.wanted(file);
        let change = !driver.same(state.as_deref(), wanted.as_deref());
        // Whatever happens next, this step can be undone.
        self.done.push(Done {
            target,
            driver,
            state: state.clone(),
            record_before,
            record_now,
        });
        if !change {
            return Ok(state);
        }
        match driver.set(target, wanted.as_deref()) {
            Ok(()) => Ok(state),
            Err(DriverError::Unsupported) => {
                self.give_up(driver, target)?;
                Ok(state)
            }
            Err(error) => Err(refused(target, &error)),
        }
    }

    /// The record with one more use in it.
    fn next_record(&self, seen: &Seen, restore: bool, first_use: bool) -> Record {
        let mut record = match &seen.record {
            Some(found) if first_use => self.live(found.record.clone()),
            Some(found) => found.record.clone(),
            None => Record::new(seen.state.clone(), self.boot),
        };
        record.users.push(self.domain.clone());
        record.restore |= restore;
        record
    }

    fn store(
        &mut self,
        driver: &dyn Driver,
        target: &Target,
        found: Option<&Found>,
        record: &Record,
    ) -> Result<Option<Namespace>, ApplyError> {
        let places = match found {
            Some(found) => vec![found.namespace],
            None => self.namespaces.clone(),
        };
        let stored = record::store(target, driver.name(), &places, record)?;
        if stored.is_none() && found.is_some() {
            let message = "record can't be changed";
            return Err(ApplyError::new(ApplyClass::Record, target.path(), message));
        }
        if stored.is_none() {
            let message = format!("no record of the {} state can be kept here", driver.name());
            self.note("label.original-remembered", target, message);
        }
        Ok(stored)
    }

    /// The file system has no labels: nothing to record and nothing to give back.
    fn give_up(&mut self, driver: &dyn Driver, target: &Target) -> Result<(), ApplyError> {
        let message = format!("file system has no {} labels", driver.name());
        self.note("label.supported", target, message);
        let Some(done) = self.done.pop() else {
            return Ok(());
        };
        done.undo()
            .map_err(|message| ApplyError::new(ApplyClass::Record, target.path(), message))
    }

    fn note(&mut self, requirement: &str, target: &Target, message: String) {
        self.violations
            .push(FileViolation::of_file(requirement, target.path(), message));
    }

    /// Goes back to where this start began, last step first.
    fn undo(&mut self, mut error: ApplyError) -> ApplyError {
        while let Some(done) = self.done.pop() {
            if let Err(message) = done.undo() {
                let path = done.target.path().display();
                error.left_behind.push(format!("{path}: {message}"));
            }
        }
        error
    }
}

impl Done<'_> {
    fn undo(&self) -> Result<(), String> {
        let now = self
            .driver
            .current(self.target)
            .map_err(|error| error.to_string())?;
        if now != self.state {
            let state = self.state.as_deref();
            self.driver
                .set(self.target, state)
                .map_err(|error| error.to_string())?;
        }
        let name = self.driver.name();
        let result = match (&self.record_before, self.record_now) {
            (Some(found), _) => record::put(self.target, name, found.namespace, Some(&found.raw)),
            (None, Some(namespace)) => record::put(self.target, name, namespace, None),
            (None, None) => Ok(()),
        };
        result.map_err(|error| format!("record: {error}"))
    }
}

pub(super) fn current(driver: &dyn Driver, target: &Target) -> Result<Option<String>, ApplyError> {
    driver
        .current(target)
        .map_err(|error| refused(target, &error))
}

pub(super) fn refused(target: &Target, error: &DriverError) -> ApplyError {
    let class = match error {
        DriverError::Privileges(_) => ApplyClass::Privileges,
        _ => ApplyClass::Refused,
    };
    ApplyError::new(class, target.path(), error.to_string())
}
