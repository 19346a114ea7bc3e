//! Finds the line of a value in a TOML text, so that every error names it.
//!
//! Placeholders make a file typed only after substitution, on plain values without
//! positions. Faults therefore carry the path of keys, and only a fault pays for
//! the second parse that turns the path into a line.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::error::{DataError, Fault, Place, Step};

/// Turns a fault into an error with file, line and column.
pub(crate) fn error(file: &str, text: &str, fault: Fault) -> DataError {
    let position = DeTable::parse(text)
        .ok()
        .map(|root| line_and_column(text, offset(&root, &fault.path)));
    DataError {
        place: Place {
            file: file.to_owned(),
            position,
        },
        message: fault.message,
    }
}

/// Turns a TOML syntax or type error into one with file, line and column.
pub(crate) fn syntax(file: &str, text: &str, error: &toml::de::Error) -> DataError {
    DataError {
        place: Place {
            file: file.to_owned(),
            position: error.span().map(|span| line_and_column(text, span.start)),
        },
        message: first_line(error.message()),
    }
}

/// Reads a typed value out of a TOML table, with the path of keys in its faults.
pub(crate) fn typed<T: serde::de::DeserializeOwned>(table: toml::Table) -> Result<T, Fault> {
    serde_path_to_error::deserialize(toml::Value::Table(table)).map_err(|error| {
        let path = error
            .path()
            .iter()
            .filter_map(|segment| match segment {
                serde_path_to_error::Segment::Map { key } => Some(Step::Key(key.clone())),
                serde_path_to_error::Segment::Seq { index } => Some(Step::Index(*index)),
                serde_path_to_error::Segment::Enum { variant } => Some(Step::Key(variant.clone())),
                serde_path_to_error::Segment::Unknown => None,
            })
            .collect();
        Fault {
            path,
            message: first_line(error.inner().message()),
        }
    })
}

fn first_line(message: &str) -> String {
    message.lines().next().unwrap_or_default().to_owned()
}

/// Byte offset of the deepest part of `path` that exists in the text.
fn offset(root: &Spanned<DeTable<'_>>, path: &[Step]) -> usize {
    let mut found = root.span().start;
    let mut here: Option<&DeValue<'_>> = None;
    for (depth, step) in path.iter().enumerate() {
        let next = match (step, here) {
            (Step::Key(key), None) if depth == 0 => entry(root.get_ref(), key),
            (Step::Key(key), Some(DeValue::Table(table))) => entry(table, key),
            (Step::Index(index), Some(DeValue::Array(array))) => array
                .get(*index)
                .map(|value| (value.span().start, value.get_ref())),
            _ => None,
        };
        let Some((start, value)) = next else { break };
        found = start;
        here = Some(value);
    }
    found
}

fn entry<'a, 'i>(table: &'a DeTable<'i>, key: &str) -> Option<(usize, &'a DeValue<'i>)> {
    let (name, value) = table.iter().find(|(name, _)| name.get_ref() == key)?;
    Some((name.span().start, value.get_ref()))
}

fn line_and_column(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    (
        before.matches('\n').count() + 1,
        before[line_start..].chars().count() + 1,
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    const TEXT: &str = "a = 1\n[b]\nc = { d = [\n  10,\n  20 ] }\n";

    #[rstest]
    #[case::a_top_level_key(&["a"], (1, 1))]
    #[case::a_nested_key(&["b", "c", "d"], (3, 7))]
    #[case::an_array_element(&["b", "c", "d", "1"], (5, 3))]
    #[case::the_deepest_part_that_exists(&["b", "c", "x"], (3, 1))]
    fn a_path_leads_to_its_line(#[case] path: &[&str], #[case] expected: (usize, usize)) {
        let mut fault = Fault::at([], "wrong");
        for part in path.iter().rev() {
            fault = fault.inside([part]);
        }
        let error = error("x.toml", TEXT, fault);
        assert_eq!(error.place.position, Some(expected));
    }
}
