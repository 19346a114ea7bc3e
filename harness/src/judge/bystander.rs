//! What happened to files that nothing should happen to.

use std::sync::Arc;

use qconform_reports::event::Difference;
use qconform_scenarios::case::{Case, Step};
use qconform_scenarios::verdict::Level;

use super::difference;
use crate::observe::{FileState, Snapshot, Touch};
use crate::worker::Observation;

/// Decoys that were opened or touched.
pub(super) fn touched(case: &Case, observation: &Observation) -> Vec<Difference> {
    // Where an image is opened, every file is watched.
    let all_are_decoys = case.level() != Level::Open;
    let decoy = |name: &str| case.files.get(name).is_some_and(|file| file.decoy);
    let is_decoy = |touch: &&Touch| all_are_decoys || decoy(&touch.file);
    observation
        .stages
        .iter()
        .flat_map(|stage| {
            stage.touches.iter().filter(is_decoy).map(move |touch| {
                let place = format!("{}{}", prefix(stage.step), touch.file);
                difference(place, "never opened or touched", touch.what.clone())
            })
        })
        .collect()
}

/// Files that a question which labels nothing changed.
pub(super) fn changed(observation: &Observation) -> Vec<Difference> {
    observation
        .stages
        .iter()
        .flat_map(|stage| {
            let mut found =
                appeared_or_gone(stage.step, &observation.before, &stage.after, |_| false);
            for (name, before, after) in both(&observation.before, &stage.after) {
                found.extend(content(stage.step, name, before, after));
                found.extend(owner_and_label(stage.step, name, before, after));
            }
            found
        })
        .collect()
}

/// Whether a file is the overlay in which changes to one of these transient images get lost.
pub(super) fn is_overlay(name: &str, transient: &[String]) -> bool {
    let rest = transient.iter().find_map(|image| name.strip_prefix(image));
    rest.is_some_and(|rest| rest.starts_with(".TRANSIENT-"))
}

/// Files that are in one snapshot only, but for new ones that may be.
pub(super) fn appeared_or_gone(
    step: Option<Step>,
    before: &Snapshot,
    after: &Snapshot,
    may_be_new: impl Fn(&str) -> bool,
) -> Vec<Difference> {
    let gone = before.keys().filter(|name| !after.contains_key(*name));
    let is_new = |name: &&Arc<str>| !before.contains_key(*name) && !may_be_new(name);
    let appeared = after.keys().filter(is_new);
    let gone = gone.map(|name| difference(at(step, name, "file"), "there", "gone"));
    let appeared = appeared.map(|name| difference(at(step, name, "file"), "no such file", "there"));
    gone.chain(appeared).collect()
}

/// Files that are in both snapshots.
pub(super) fn both<'a>(
    before: &'a Snapshot,
    after: &'a Snapshot,
) -> impl Iterator<Item = (&'a str, &'a FileState, &'a FileState)> {
    before
        .iter()
        .filter_map(|(name, before)| Some((&**name, &**before, &**after.get(name)?)))
}

/// What labelling never changes: kind, mode, length, bytes and foreign attributes.
pub(super) fn content(
    step: Option<Step>,
    name: &str,
    before: &FileState,
    after: &FileState,
) -> Vec<Difference> {
    if before == after {
        return Vec::new();
    }
    let attributes = |state: &FileState| {
        let pairs: Vec<String> = state
            .xattrs
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        if pairs.is_empty() {
            "none".to_owned()
        } else {
            pairs.join(" ")
        }
    };
    let octal = |mode: u32| format!("{mode:04o}");
    let all = [
        ("kind", before.kind.clone(), after.kind.clone()),
        ("mode", octal(before.mode), octal(after.mode)),
        ("size", before.size.to_string(), after.size.to_string()),
        ("bytes", before.sha256.clone(), after.sha256.clone()),
        ("attributes", attributes(before), attributes(after)),
    ];
    differing(step, name, all)
}

/// Owner and label of a file that must be as it was.
pub(super) fn owner_and_label(
    step: Option<Step>,
    name: &str,
    before: &FileState,
    after: &FileState,
) -> Vec<Difference> {
    let all = [
        ("owner", before.owner.to_string(), after.owner.to_string()),
        (
            "label",
            shown(before.label.as_deref()),
            shown(after.label.as_deref()),
        ),
    ];
    differing(step, name, all)
}

fn differing<const N: usize>(
    step: Option<Step>,
    name: &str,
    all: [(&str, String, String); N],
) -> Vec<Difference> {
    all.into_iter()
        .filter(|(_, before, after)| before != after)
        .map(|(what, before, after)| difference(at(step, name, what), before, after))
        .collect()
}

/// A label, or the word for a file without one.
pub(super) fn shown(label: Option<&str>) -> String {
    label.unwrap_or("no label").to_owned()
}

/// The place of a difference: `start: disk.raw owner`.
pub(super) fn at(step: Option<Step>, name: &str, what: &str) -> String {
    format!("{}{name} {what}", prefix(step))
}

fn prefix(step: Option<Step>) -> String {
    step.map_or_else(String::new, |step| format!("{}: ", step.as_str()))
}
