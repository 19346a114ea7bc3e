//! Which axes a part of a scenario depends on.

use std::collections::BTreeSet;

use toml::{Table, Value};

use super::define::Define;
use crate::axis::{self, Axes};

/// The axes that what stands under these keys depends on, by itself or through words.
pub(super) fn axes_of(keys: &[&str], body: &Table, defines: &[Define], axes: &Axes) -> Vec<String> {
    let mut names = BTreeSet::new();
    for value in keys.iter().filter_map(|key| body.get(*key)) {
        used(value, &mut names);
    }
    let mut left: Vec<String> = names.iter().cloned().collect();
    while let Some(word) = left.pop() {
        let mut behind = BTreeSet::new();
        defines
            .iter()
            .for_each(|define| define.used_by(&word, &mut behind));
        let new = behind.into_iter().filter(|name| names.insert(name.clone()));
        left.extend(new);
    }
    names.retain(|name| axes.is_axis(name));
    names.into_iter().collect()
}

/// Adds the placeholders in a value.
pub(super) fn used(value: &Value, names: &mut BTreeSet<String>) {
    match value {
        Value::String(text) => names.extend(axis::placeholders(text).map(str::to_owned)),
        Value::Array(values) => values.iter().for_each(|value| used(value, names)),
        Value::Table(table) => table.values().for_each(|value| used(value, names)),
        _ => {}
    }
}
