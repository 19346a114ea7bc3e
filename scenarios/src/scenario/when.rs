//! `when`: which combinations an `[[expect]]` or `[[impossible]]` speaks of.

use std::collections::BTreeMap;

use toml::{Table, Value};

use crate::axis::{self, Axes, Choices};
use crate::error::Fault;

/// Labels by axis; an axis that isn't named may have any choice.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct When {
    labels: BTreeMap<String, Vec<String>>,
}

impl When {
    /// Takes `when` out of a table: for each axis one value or an array of them.
    pub(super) fn take(table: &mut Table, axes: &Axes) -> Result<Self, Fault> {
        let Some(value) = table.remove("when") else {
            return Ok(When::default());
        };
        let Value::Table(conditions) = value else {
            return Err(Fault::at(["when"], "`when` is a table of axes"));
        };
        let mut labels = BTreeMap::new();
        for (axis, value) in conditions {
            let wanted = wanted(&value, &axis, axes)
                .map_err(|message| Fault::at(["when", &axis], message))?;
            labels.insert(axis, wanted);
        }
        Ok(When { labels })
    }

    /// Whether every combination is spoken of.
    pub(super) fn is_always(&self) -> bool {
        self.labels.is_empty()
    }

    /// The axes that it names.
    pub(super) fn axes(&self) -> impl Iterator<Item = &str> {
        self.labels.keys().map(String::as_str)
    }

    /// Whether these choices are spoken of.
    pub(super) fn matches(&self, choices: &Choices) -> bool {
        self.labels.iter().all(|(axis, wanted)| {
            choices
                .get(axis.as_str())
                .is_some_and(|choice| wanted.contains(&choice.label))
        })
    }
}

fn wanted(value: &Value, axis: &str, axes: &Axes) -> Result<Vec<String>, String> {
    let values = match value {
        Value::Array(values) => values.as_slice(),
        single => std::slice::from_ref(single),
    };
    let mut labels = Vec::new();
    for value in values {
        let label = axis::label(value).ok_or("a choice is a string, a number or a boolean")?;
        match axes.has(axis, &label) {
            Some(true) => labels.push(label),
            Some(false) => return Err(format!("axis `{axis}` has no choice `{label}`")),
            None => return Err(format!("there is no axis `{axis}`")),
        }
    }
    Ok(labels)
}

/// The reason of an `[[impossible]]` whose `when` has been taken.
pub(super) fn reason(mut table: Table) -> Result<String, Fault> {
    let reason = table.remove("reason");
    if let Some(key) = table.keys().next() {
        return Err(Fault::at([key], format!("unknown key `{key}`")));
    }
    match reason {
        Some(Value::String(text)) if !text.is_empty() => Ok(text),
        _ => Err(Fault::at([], "an [[impossible]] gives its `reason`")),
    }
}
