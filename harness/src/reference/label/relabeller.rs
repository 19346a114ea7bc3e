//! The steps of a domain's life, as far as they label files.
//!
//! Each step brings the domain from one set of uses to another: first every file that it is
//! about to use gets what it needs, or none does; then the files that it no longer uses are let
//! go. Whatever happens in between, the same step can be done again, or taken back, from what
//! its [`Intent`] says.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use super::acquire::acquire;
use super::config::Config;
use super::driver::Driver;
use super::error::ApplyError;
use super::plan::Plan;
use super::release::{Parting, Stopped, release};
use super::running::{Running, RunningFile};
use super::session::Occasion;
use super::system::{Kernel, System};
use super::{dac, selinux};

/// The drivers, in the order in which they act on a file.
pub const DRIVERS: [&dyn Driver; 2] = [&dac::Dac, &selinux::Selinux];

/// Labels files; what it does it with can be replaced.
#[derive(Debug, Clone, Copy)]
pub struct Relabeller<'a> {
    system: &'a dyn System,
    drivers: &'a [&'a dyn Driver],
}

impl Default for Relabeller<'_> {
    fn default() -> Self {
        Self {
            system: &Kernel,
            drivers: &DRIVERS,
        }
    }
}

/// A step that is about to begin. Kept until it has ended, it is what a relabeller that was
/// killed meanwhile needs to know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intent {
    /// What the domain uses before.
    pub before: Running,
    /// What it uses afterwards.
    pub after: Running,
}

/// On which side of a step the domain turned out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// It goes on as before the step.
    Before,
    /// The step has happened.
    After,
}

/// A step that is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changed {
    /// What the domain uses now.
    pub running: Running,
    /// How the files that it no longer uses were let go.
    pub stopped: Stopped,
}

impl<'a> Relabeller<'a> {
    /// As this one, with other system calls.
    #[must_use]
    pub fn with_system(self, system: &'a dyn System) -> Self {
        Self { system, ..self }
    }

    /// As this one, with other drivers.
    #[must_use]
    pub fn with_drivers(self, drivers: &'a [&'a dyn Driver]) -> Self {
        Self { drivers, ..self }
    }

    /// Labels the files of a domain that starts, or that is restored from a file.
    ///
    /// `domain` stands for it in records, see
    /// [`Domain::id`](crate::reference::domain::Domain::id).
    ///
    /// # Errors
    ///
    /// [`ApplyError`] for the first file that can't be labelled; every file then has the state
    /// that it had before, except what [`ApplyError::left_behind`] names.
    pub fn start(&self, plan: &Plan, config: &Config, domain: &str) -> Result<Running, ApplyError> {
        let after = Running::of(plan, config, domain);
        self.acquired(Occasion::Start, &[], after)
    }

    /// Labels the files of a domain that comes from another host and still runs there.
    ///
    /// Where the storage is shared, its records say who uses the files there, and a domain that
    /// needs them otherwise here is refused.
    ///
    /// # Errors
    ///
    /// As [`start`](Self::start).
    pub fn arrive(
        &self,
        plan: &Plan,
        config: &Config,
        domain: &str,
    ) -> Result<Running, ApplyError> {
        let after = Running::of(plan, config, domain);
        self.acquired(Occasion::Arrival, &[], after)
    }

    /// Gives a running domain other files: for a disk that is attached or detached, another
    /// medium, a snapshot, a block job that begins or ends.
    ///
    /// # Errors
    ///
    /// As [`start`](Self::start): the domain goes on with the files that it had.
    pub fn change(&self, intent: &Intent) -> Result<Changed, ApplyError> {
        let Intent { before, after } = intent;
        let running = self.acquired(Occasion::Change, &before.files, after.clone())?;
        let stopped = self.let_go(before, &running, |_| Parting::Done);
        Ok(Changed { running, stopped })
    }

    /// Finishes or takes back a step that failed after it had labelled files, or whose relabeller
    /// was killed at any point of it.
    ///
    /// Files that the domain got for a step that did not happen have their former state again,
    /// kept kinds too. Files are let go of last, when the domain can't use them any more; so
    /// [`Side::Before`] is for steps that the domain has not taken, and never for a stop.
    ///
    /// # Errors
    ///
    /// As [`start`](Self::start).
    pub fn recover(&self, intent: &Intent, side: Side) -> Result<Changed, ApplyError> {
        let Intent { before, after } = intent;
        let (now, other) = match side {
            Side::Before => (before, after),
            Side::After => (after, before),
        };
        let running = self.acquired(Occasion::Recovery, &before.files, now.clone())?;
        let certain: HashSet<_> = before.files.iter().map(RunningFile::key).collect();
        let stopped = self.let_go(other, &running, |file| {
            if certain.contains(&file.key()) {
                Parting::Done
            } else {
                Parting::Failed
            }
        });
        Ok(Changed { running, stopped })
    }

    /// Gives back the files of a domain that stopped, or that was saved to a file.
    ///
    /// Files that another domain uses stay as they are, and so do readonly, shareable and backing
    /// files, whose records go. Never reads a header.
    pub fn stop(&self, running: &Running) -> Stopped {
        self.let_go(running, &running.with_files(Vec::new()), |_| Parting::Done)
    }

    /// Gives back every file of a domain whose start failed after it was labelled.
    ///
    /// As [`stop`](Self::stop), and files whose label a stop would keep get their state back, too.
    pub fn abort(&self, running: &Running) -> Stopped {
        self.let_go(running, &running.with_files(Vec::new()), |_| {
            Parting::Failed
        })
    }

    /// Ends the uses of a domain that goes on at another host: its files stay as they are.
    pub fn leave(&self, running: &Running) -> Stopped {
        self.let_go(running, &running.with_files(Vec::new()), |_| Parting::Moved)
    }

    fn acquired(
        &self,
        occasion: Occasion,
        before: &[RunningFile],
        mut after: Running,
    ) -> Result<Running, ApplyError> {
        acquire(self.system, self.drivers, occasion, before, &mut after)?;
        Ok(after)
    }

    /// Lets go of what one set of uses has and the other hasn't, last file first: the way back.
    fn let_go(
        &self,
        from: &Running,
        to: &Running,
        parting: impl Fn(&RunningFile) -> Parting,
    ) -> Stopped {
        let files = from.files.iter().rev();
        let mut gone: Vec<_> = files.map(|file| left_over(file, &to.files)).collect();
        gone.retain(RunningFile::is_touched);
        let files = gone.iter().map(|file| (file, parting(file)));
        release(self.system, self.drivers, from, files)
    }
}

/// A use with those parts only that no other use of the same file still needs.
fn left_over(file: &RunningFile, kept: &[RunningFile]) -> RunningFile {
    let mut left = file.clone();
    for other in kept.iter().filter(|other| other.key() == file.key()) {
        left.owner = left.owner.filter(|_| other.owner.is_none());
        left.label = left.label.filter(|_| other.label.is_none());
    }
    left
}
