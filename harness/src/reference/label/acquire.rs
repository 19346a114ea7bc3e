//! Labels files for a domain: all of them, or none.

use std::collections::HashMap;

use super::driver::Driver;
use super::error::{ApplyClass, ApplyError};
use super::running::{Running, RunningFile};
use super::session::{Held, Occasion, Session, Wish};
use super::system::System;
use super::target::Target;
use super::uses::{Group, Key, groups, groups_of_running, needs};

/// Brings the files of `after` into the state that the domain needs.
///
/// `before` is how it uses files now. Files whose use stays the same are left alone.
pub(super) fn acquire(
    system: &dyn System,
    drivers: &[&dyn Driver],
    occasion: Occasion,
    before: &[RunningFile],
    after: &mut Running,
) -> Result<(), ApplyError> {
    let groups = groups(&after.files)?;
    let old = groups_of_running(before);
    let changed = |group: &&Group<'_>| {
        let same = old.get(&group.file.key()).is_some_and(|old| {
            (old.count, old.restore) == (group.count, group.restore)
                && needs(old.file) == needs(group.file)
        });
        group.file.is_touched() && (occasion != Occasion::Change || !same)
    };
    let mut groups: Vec<_> = groups.iter().filter(changed).collect();
    if matches!(occasion, Occasion::Change | Occasion::Recovery) {
        // A running domain gets what it needs before it loses anything.
        groups.sort_by_key(|group| !group.file.writable);
    }
    let targets = open_all(system, &groups)?;
    let mut session = Session::new(system, occasion, after);
    let wishes = wishes(&groups, drivers, &targets);
    let mut seen = Vec::with_capacity(wishes.len());
    for wish in &wishes {
        seen.push(session.check(wish)?);
    }
    let mut found = Vec::with_capacity(wishes.len());
    for (wish, seen) in wishes.iter().zip(seen) {
        match session.label(wish, seen) {
            Ok(held) => found.push((wish.target.key(), wish.driver, held)),
            Err(error) => return Err(session.undo(error)),
        }
    }
    after.violations = session.violations();
    remember_found(&mut after.files, before, found);
    Ok(())
}

/// Opens each file once, in an order that two relabellers share, so that none waits for the
/// other's lock while it holds one.
fn open_all<'s>(
    system: &'s dyn System,
    groups: &[&Group<'_>],
) -> Result<Vec<Target<'s>>, ApplyError> {
    let mut files: Vec<_> = groups.iter().map(|group| group.file).collect();
    files.sort_by_key(|file| file.key());
    let mut targets = Vec::with_capacity(files.len());
    for file in files {
        let target = Target::open(system, file)?;
        if !target.lock() {
            let message = "another relabeller holds this file";
            return Err(ApplyError::new(ApplyClass::Busy, &file.path, message));
        }
        targets.push(target);
    }
    Ok(targets)
}

/// Every file with every driver that touches it.
fn wishes<'a, 'd, 's>(
    groups: &[&'a Group<'a>],
    drivers: &[&'d dyn Driver],
    targets: &'a [Target<'s>],
) -> Vec<Wish<'a, 'd, 's>> {
    let mut wishes = Vec::with_capacity(groups.len() * drivers.len());
    for group in groups {
        let key = group.file.key();
        let Ok(place) = targets.binary_search_by_key(&key, Target::key) else {
            continue;
        };
        for driver in drivers {
            if let Some(state) = driver.wanted(group.file) {
                wishes.push(Wish {
                    group,
                    driver: *driver,
                    target: &targets[place],
                    state,
                });
            }
        }
    }
    wishes
}

/// Notes in each use what was found before the domain had the file, and which driver let go.
fn remember_found(
    files: &mut [RunningFile],
    before: &[RunningFile],
    found: Vec<(Key, &dyn Driver, Held)>,
) {
    let old: HashMap<_, _> = before.iter().map(|file| (file.key(), file)).collect();
    for file in files.iter_mut() {
        if let Some(old) = old.get(&file.key()) {
            file.before = old.before.clone();
        }
    }
    for (key, driver, held) in found {
        for file in files.iter_mut().filter(|file| file.key() == key) {
            match &held {
                Held::As(state) => {
                    let name = driver.name().to_owned();
                    file.before.entry(name).or_insert_with(|| state.clone());
                }
                Held::Not => driver.disclaim(file),
            }
        }
    }
}
