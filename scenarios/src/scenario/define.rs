//! `[[define]]`: words that stand for something else in each combination, so that a matrix over
//! many axes is written once.

use std::collections::BTreeSet;
use std::sync::Arc;

use toml::{Table, Value};

use super::depends;
use super::when::When;
use crate::axis::{self, Axes, Choice, Choices};
use crate::error::Fault;

/// Words, for the combinations that a `when` speaks of.
#[derive(Debug, Clone)]
pub(super) struct Define {
    /// The combinations.
    pub(super) when: When,
    words: Table,
}

impl Define {
    /// Reads one table.
    pub(super) fn take(mut table: Table, axes: &Axes) -> Result<Self, Fault> {
        let when = When::take(&mut table, axes)?;
        if table.is_empty() {
            return Err(Fault::at([], "a [[define]] defines at least one word"));
        }
        for name in table.keys() {
            if !axis::is_slug(name) || name == "dir" || axes.is_axis(name) {
                let message = format!("`{name}` can't be the name of a word");
                return Err(Fault::at([name], message));
            }
        }
        Ok(Define { when, words: table })
    }

    /// Adds the axes and words that this makes `word` depend on.
    pub(super) fn used_by(&self, word: &str, names: &mut BTreeSet<String>) {
        if let Some(value) = self.words.get(word) {
            names.extend(self.when.axes().map(str::to_owned));
            depends::used(value, names);
        }
    }
}

/// The choices of a combination and the words that are defined for it, as placeholders take them.
/// A word may use axes, and words of tables above its own. What is defined without a `when` is a
/// default.
pub(super) fn with_words(defines: &[Define], choices: &Choices) -> Result<Choices, Fault> {
    let mut all = choices.clone();
    let mut settled = BTreeSet::new();
    for (index, define) in defines.iter().enumerate() {
        if !define.when.matches(choices) {
            continue;
        }
        let mut defined = Vec::with_capacity(define.words.len());
        for (name, value) in &define.words {
            let inside = |fault: Fault| fault.inside(["define", &index.to_string(), name]);
            let value = axis::substitute(value, &all)
                .map_err(inside)?
                .unwrap_or_else(|| Value::String(axis::ABSENT.to_owned()));
            let label = axis::label(&value).unwrap_or_default();
            let default = define.when.is_always();
            if default && settled.contains(name.as_str()) {
                continue;
            }
            if !default && !settled.insert(name.as_str()) {
                return Err(inside(Fault::at([], format!("`{name}` is defined twice"))));
            }
            defined.push((Arc::from(name.as_str()), Arc::new(Choice { label, value })));
        }
        // Only now: a word may use words of tables above its own.
        all.extend(defined);
    }
    Ok(all)
}
