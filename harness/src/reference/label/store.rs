//! Where records are kept: extended attributes of the file itself, or else the journal.

use std::path::Path;

use rustix::io::Errno;

use super::config::Namespace;
use super::error::{ApplyClass, ApplyError};
use super::journal::{Entry, Journal, JournalError};
use super::record::{Record, User};
use super::running::Running;
use super::system::System;
use super::target::Target;

/// Where one record is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Attribute(Namespace),
    Journal,
}

/// A record where it was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) place: Place,
    pub(super) record: Record,
    /// What it takes to put it back exactly.
    raw: Raw,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Raw {
    Bytes(Vec<u8>),
    Entry(Entry),
}

/// What came of storing a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stored {
    At(Place),
    /// Nowhere: no namespace takes it and no folder is named.
    Nowhere,
    /// The file system can't be written.
    ReadOnly,
}

/// The places that a configuration names, best first.
#[derive(Debug, Clone, Copy)]
pub(super) struct Records<'a> {
    system: &'a dyn System,
    namespaces: &'a [Namespace],
    folder: Option<&'a Path>,
}

impl<'a> Records<'a> {
    pub(super) fn of(running: &'a Running, system: &'a dyn System) -> Self {
        Self {
            system,
            namespaces: &running.namespaces,
            folder: running.state_directory.as_deref(),
        }
    }

    fn journal(&self) -> Option<Journal<'a>> {
        let system = self.system;
        self.folder.map(|folder| Journal { system, folder })
    }

    /// Finds a file's record, in the first place that has one.
    pub(super) fn load(
        &self,
        target: &Target<'_>,
        driver: &str,
    ) -> Result<Option<Found>, ApplyError> {
        for namespace in self.namespaces {
            let name = attribute(*namespace, driver);
            let value = match target.xattr(&name) {
                Ok(value) => value,
                Err(error) => {
                    let error = std::io::Error::from(error);
                    return Err(fail(
                        target,
                        format!("record {name} can't be read: {error}"),
                    ));
                }
            };
            let Some(raw) = value else { continue };
            if self.is_forged(target, *namespace, driver) {
                continue;
            }
            let record = Record::parse(&raw)
                .map_err(|error| fail(target, format!("record {name} {error}")))?;
            let (place, raw) = (Place::Attribute(*namespace), Raw::Bytes(raw));
            return Ok(Some(Found { place, record, raw }));
        }
        let Some(journal) = self.journal() else {
            return Ok(None);
        };
        let entry = journal.load(target, driver);
        let entry = entry.map_err(|error| fail(target, format!("journal: {error}")))?;
        Ok(entry.map(|entry| Found {
            place: Place::Journal,
            record: entry.record.clone(),
            raw: Raw::Entry(entry),
        }))
    }

    /// Whether a record can't be this program's: a file's owner can set what is in `user`, where
    /// this program would write only if no better namespace took it.
    fn is_forged(&self, target: &Target<'_>, namespace: Namespace, driver: &str) -> bool {
        let better = self.namespaces.iter().take_while(|it| **it != namespace);
        namespace == Namespace::User
            && better
                .into_iter()
                .any(|better| target.takes_xattr(&attribute(*better, driver)))
    }

    /// Writes a record where the last one was, or else in the first place that takes it.
    pub(super) fn store(
        &self,
        target: &Target<'_>,
        driver: &str,
        record: &Record,
        at: Option<Place>,
    ) -> Result<Stored, ApplyError> {
        let namespaces = match &at {
            Some(Place::Attribute(namespace)) => std::slice::from_ref(namespace),
            Some(Place::Journal) => &[],
            None => self.namespaces,
        };
        let value = record
            .to_bytes()
            .map_err(|error| fail(target, format!("record {error}")))?;
        for namespace in namespaces {
            let name = attribute(*namespace, driver);
            match target.set_xattr(&name, Some(&value)) {
                Ok(()) => return Ok(Stored::At(Place::Attribute(*namespace))),
                Err(Errno::PERM | Errno::ACCESS | Errno::OPNOTSUPP) => {}
                Err(Errno::ROFS) => return Ok(Stored::ReadOnly),
                Err(Errno::NOSPC | Errno::TOOBIG) if self.folder.is_some() => {
                    return self.overflow(target, driver, record, *namespace);
                }
                Err(error) => {
                    let error = std::io::Error::from(error);
                    let message = format!("record {name} can't be written: {error}");
                    return Err(fail(target, message));
                }
            }
        }
        match (at, self.journal()) {
            (None | Some(Place::Journal), Some(journal)) => {
                let stored = journal.store(target, driver, record);
                stored.map_err(|error| fail(target, format!("journal: {error}")))?;
                Ok(Stored::At(Place::Journal))
            }
            (None, None) => Ok(Stored::Nowhere),
            (Some(_), _) => Err(fail(target, "record can't be changed".to_owned())),
        }
    }

    /// A file system keeps little more than a block of attributes; a base image with many users
    /// has its record in the journal from then on.
    fn overflow(
        &self,
        target: &Target<'_>,
        driver: &str,
        record: &Record,
        namespace: Namespace,
    ) -> Result<Stored, ApplyError> {
        if let Some(journal) = self.journal() {
            let stored = journal.store(target, driver, record);
            stored.map_err(|error| fail(target, format!("journal: {error}")))?;
        }
        // Only now: whoever is killed in between still finds the old one.
        self.remove(target, driver, Place::Attribute(namespace))?;
        Ok(Stored::At(Place::Journal))
    }

    /// Removes a record.
    pub(super) fn remove(
        &self,
        target: &Target<'_>,
        driver: &str,
        place: Place,
    ) -> Result<(), ApplyError> {
        match (place, self.journal()) {
            (Place::Attribute(namespace), _) => target
                .set_xattr(&attribute(namespace, driver), None)
                .map_err(|error| std::io::Error::from(error).to_string()),
            (Place::Journal, Some(journal)) => journal
                .remove(target.key(), driver)
                .map_err(|error| error.to_string()),
            (Place::Journal, None) => Ok(()),
        }
        .map_err(|error| fail(target, format!("record can't be removed: {error}")))
    }

    /// Puts a record back as it was found.
    pub(super) fn put_back(
        &self,
        target: &Target<'_>,
        driver: &str,
        found: &Found,
    ) -> Result<(), ApplyError> {
        let result = match (&found.raw, found.place, self.journal()) {
            (Raw::Bytes(raw), Place::Attribute(namespace), _) => target
                .set_xattr(&attribute(namespace, driver), Some(raw))
                .map_err(|error| std::io::Error::from(error).to_string()),
            (Raw::Entry(entry), _, Some(journal)) => journal
                .write(target.key(), driver, entry)
                .map_err(|error| error.to_string()),
            _ => Ok(()),
        };
        result.map_err(|error| fail(target, format!("record can't be put back: {error}")))
    }

    /// Removes what a kill between two system calls may have left of a record that is nowhere.
    pub(super) fn tidy(&self, target: &Target<'_>, driver: &str) -> Result<(), ApplyError> {
        self.remove(target, driver, Place::Journal)
    }

    /// Ends a use of a file that is gone; only the journal can still have a record of it.
    pub(super) fn forget_missing(
        &self,
        key: (u64, u64),
        driver: &str,
        user: &User,
    ) -> Result<(), JournalError> {
        let Some(journal) = self.journal() else {
            return Ok(());
        };
        let Some(mut entry) = journal.entry(key, driver)? else {
            return Ok(());
        };
        if entry.record.take(user).is_none() {
            return Ok(());
        }
        entry.record.forget_stale(user);
        if entry.record.is_unused() {
            return journal.remove(key, driver);
        }
        journal.write(key, driver, &entry)
    }
}

fn attribute(namespace: Namespace, driver: &str) -> String {
    format!("{}{driver}", namespace.prefix())
}

fn fail(target: &Target<'_>, message: String) -> ApplyError {
    ApplyError::new(ApplyClass::Record, target.path(), message)
}
