//! Axes: a scenario's parameters, their combinations, and their place in ids and text.

use std::collections::BTreeMap;
use std::sync::Arc;

use toml::Value;

use crate::FIXTURE_DIR;
use crate::error::Fault;

/// A value that removes the key or array element whose placeholder it replaces.
pub const ABSENT: &str = "absent";

/// The most combinations that the axes of one scenario may make.
pub const MAX_COMBINATIONS: usize = 100_000;

/// One choice of an axis.
#[derive(Debug, Clone, PartialEq)]
pub struct Choice {
    /// How the choice is called in ids and in `when`.
    pub label: String,
    /// What replaces the placeholder.
    pub value: Value,
}

/// One choice of every axis of a scenario, by axis name. Made for each case, so nothing is copied.
pub type Choices = BTreeMap<Arc<str>, Arc<Choice>>;

/// The axes of a scenario, in the order of their names.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Axes {
    axes: BTreeMap<Arc<str>, Vec<Arc<Choice>>>,
}

impl Axes {
    /// Reads the `[axes]` table: each axis is an array of plain values, or a table
    /// from label to value where the value is no good name (`{ absolute = "{dir}/x" }`).
    pub(crate) fn parse(table: &toml::Table) -> Result<Self, Fault> {
        let mut axes = BTreeMap::new();
        for (name, value) in table {
            let fault = |message: String| Fault::at(["axes", name], message);
            if !is_slug(name) || name == "dir" {
                return Err(fault(format!("`{name}` can't be the name of an axis")));
            }
            // Values may hold `{dir}`, but no other axis.
            let value =
                substitute(value, &Choices::new()).map_err(|inner| inner.inside(["axes", name]))?;
            let choices: Vec<Choice> = match value {
                Some(Value::Array(values)) => values
                    .into_iter()
                    .map(choice)
                    .collect::<Result<_, _>>()
                    .map_err(fault)?,
                Some(Value::Table(table)) => table
                    .into_iter()
                    .map(|(label, value)| Choice { label, value })
                    .collect(),
                _ => return Err(fault("an axis is an array or a table".to_owned())),
            };
            if choices.is_empty() {
                return Err(fault("an axis needs at least one value".to_owned()));
            }
            if let Some(bad) = choices.iter().find(|choice| !is_slug(&choice.label)) {
                return Err(fault(format!(
                    "`{}` can't stand in an id: give it a label",
                    bad.label
                )));
            }
            let choices: Vec<_> = choices.into_iter().map(Arc::new).collect();
            axes.insert(Arc::from(name.as_str()), choices);
        }
        let count = axes
            .values()
            .try_fold(1_usize, |count, choices: &Vec<Arc<Choice>>| {
                count
                    .checked_mul(choices.len())
                    .filter(|count| *count <= MAX_COMBINATIONS)
            });
        if count.is_none() {
            let message = format!("the axes make more than {MAX_COMBINATIONS} combinations");
            return Err(Fault::at(["axes"], message));
        }
        Ok(Axes { axes })
    }

    /// How many combinations there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.axes.values().map(Vec::len).product()
    }

    /// The combination with this number, counted from 0; the last axis turns fastest.
    #[must_use]
    pub fn combination(&self, number: usize) -> Choices {
        let mut rest = number;
        let mut choices = Choices::new();
        for (name, values) in self.axes.iter().rev() {
            choices.insert(Arc::clone(name), Arc::clone(&values[rest % values.len()]));
            rest /= values.len();
        }
        choices
    }

    /// Whether there is an axis of this name.
    pub(crate) fn is_axis(&self, name: &str) -> bool {
        self.axes.contains_key(name)
    }

    /// Whether `label` is a choice of the axis `name`; `None` if there is no such axis.
    pub(crate) fn has(&self, name: &str, label: &str) -> Option<bool> {
        let choices = self.axes.get(name)?;
        Some(choices.iter().any(|choice| choice.label == label))
    }
}

/// The part of an id that tells the choices: `disk=rw,raw=on`.
#[must_use]
pub fn id_part(choices: &Choices) -> String {
    let parts: Vec<String> = choices
        .iter()
        .map(|(axis, choice)| format!("{axis}={}", choice.label))
        .collect();
    parts.join(",")
}

fn choice(value: Value) -> Result<Choice, String> {
    let label = label(&value).ok_or("an axis value is a string, a number or a boolean")?;
    Ok(Choice { label, value })
}

/// The label of a plain value; also how `when` names it.
pub(crate) fn label(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Integer(number) => Some(number.to_string()),
        Value::Boolean(true) => Some("on".to_owned()),
        Value::Boolean(false) => Some("off".to_owned()),
        _ => None,
    }
}

/// Whether a text can stand in an id.
pub(crate) fn is_slug(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    text.starts_with(plain) && text.chars().all(|c| plain(c) || "-.+_".contains(c))
}

/// Replaces every `{axis}` in `value`, and `{dir}` by the fixture's folder. A string
/// that is nothing but a placeholder takes the type of the choice; [`ABSENT`] removes
/// what holds it.
pub(crate) fn substitute(value: &Value, choices: &Choices) -> Result<Option<Value>, Fault> {
    match value {
        Value::String(text) => substitute_text(text, choices),
        Value::Array(values) => {
            let mut out = Vec::with_capacity(values.len());
            for (index, value) in values.iter().enumerate() {
                let new = substitute(value, choices);
                out.extend(new.map_err(|fault| fault.inside([&index.to_string()]))?);
            }
            Ok(Some(Value::Array(out)))
        }
        Value::Table(table) => Ok(Some(Value::Table(substitute_table(table, choices)?))),
        other => Ok(Some(other.clone())),
    }
}

/// [`substitute`] for a table: an absent value takes its key with it.
pub(crate) fn substitute_table(
    table: &toml::Table,
    choices: &Choices,
) -> Result<toml::Table, Fault> {
    let mut out = toml::Table::new();
    for (key, value) in table {
        let new = substitute(value, choices).map_err(|fault| fault.inside([key]))?;
        if let Some(new) = new {
            out.insert(key.clone(), new);
        }
    }
    Ok(out)
}

fn substitute_text(text: &str, choices: &Choices) -> Result<Option<Value>, Fault> {
    let whole = text
        .strip_prefix('{')
        .and_then(|rest| rest.strip_suffix('}'));
    if let Some(choice) = whole.and_then(|name| choices.get(name)) {
        let absent = choice.value.as_str() == Some(ABSENT);
        return Ok((!absent).then(|| choice.value.clone()));
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find('{') {
        let (before, after) = rest.split_at(start);
        out.push_str(before);
        let Some(name) = placeholder(after) else {
            out.push('{');
            rest = &after[1..];
            continue;
        };
        match choices.get(name) {
            Some(choice) => out.push_str(choice.value.as_str().unwrap_or(&choice.label)),
            None if name == "dir" => out.push_str(FIXTURE_DIR),
            None => return Err(Fault::at([], format!("there is no axis `{name}`"))),
        }
        rest = &after[name.len() + 2..];
    }
    out.push_str(rest);
    Ok(Some(Value::String(out)))
}

/// Every name in a `{name}` of a text.
pub(crate) fn placeholders(text: &str) -> impl Iterator<Item = &str> {
    text.match_indices('{')
        .filter_map(|(at, _)| placeholder(&text[at..]))
}

/// The name in a leading `{name}`, if it is one: `json:{"driver"` holds none.
fn placeholder(text: &str) -> Option<&str> {
    let (name, _) = text.strip_prefix('{')?.split_once('}')?;
    is_slug(name).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    fn axes(text: &str) -> Result<Axes, Fault> {
        Axes::parse(&text.parse::<toml::Table>().unwrap())
    }

    #[test]
    fn too_many_combinations_are_refused() {
        let values = format!("[{}]", vec!["1"; 1000].join(","));
        let axis = |name| format!("{name} = {values}\n");
        let text: String = ["a", "b", "c", "d", "e", "f", "g"]
            .into_iter()
            .map(axis)
            .collect();
        let fault = axes(&text).unwrap_err();
        assert_eq!(fault.message, "the axes make more than 100000 combinations");
    }

    #[test]
    fn combinations_are_every_pair_once() {
        let axes = axes("a = [1, 2]\nb = [true, false]").unwrap();
        let ids: Vec<String> = (0..axes.count())
            .map(|number| id_part(&axes.combination(number)))
            .collect();
        assert_eq!(ids, ["a=1,b=on", "a=1,b=off", "a=2,b=on", "a=2,b=off"]);
    }

    #[rstest]
    #[case::a_slash_in_a_value("a = ['x/y']", "`x/y` can't stand in an id: give it a label")]
    #[case::no_values("a = []", "an axis needs at least one value")]
    #[case::a_reserved_name("dir = ['x']", "`dir` can't be the name of an axis")]
    #[case::a_plain_value("a = 3", "an axis is an array or a table")]
    fn a_bad_axis_is_refused(#[case] text: &str, #[case] message: &str) {
        assert_eq!(axes(text).unwrap_err().message, message);
    }

    #[rstest]
    #[case::typed("'{raw}'", Some("true"))]
    #[case::inside_text("'a-{raw}-{dir}'", Some("'a-on-/fixture'"))]
    #[case::braces_that_are_no_placeholder("'json:{\"a\":1}'", Some("'json:{\"a\":1}'"))]
    #[case::absent("'{gone}'", None)]
    #[case::absent_in_an_array("['x', '{gone}']", Some("[\"x\"]"))]
    #[case::absent_takes_its_key("{ a = 1, b = '{gone}' }", Some("{ a = 1 }"))]
    fn placeholders_are_replaced(#[case] text: &str, #[case] expected: Option<&str>) {
        let axes = axes("raw = [true]\ngone = ['absent']").unwrap();
        let parse = |text: &str| format!("v = {text}").parse::<toml::Table>().unwrap()["v"].clone();
        let new = substitute(&parse(text), &axes.combination(0)).unwrap();
        assert_eq!(new, expected.map(parse));
    }

    #[test]
    fn an_unknown_placeholder_is_an_error_with_its_path() {
        let table = "a = ['x', '{nope}']".parse::<toml::Table>().unwrap();
        let fault = substitute_table(&table, &Choices::new()).unwrap_err();
        assert_eq!(fault, Fault::at(["a", "1"], "there is no axis `nope`"));
    }

    proptest! {
        #[test]
        fn text_without_placeholders_stays_as_it_is(text in "[^{}]*") {
            let value = Value::String(text);
            prop_assert_eq!(substitute(&value, &Choices::new()).unwrap(), Some(value.clone()));
        }
    }
}
