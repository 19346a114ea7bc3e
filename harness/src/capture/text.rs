//! Writes a case as TOML that a person can read: a table for each file, long lists line by line.

use std::fmt::Write as _;

use toml::{Table, Value};

use super::CaptureError;

/// Longest list that stays on one line.
const LINE_MAX: usize = 100;

/// Writes a table with its heading, which is the path to it.
pub(super) fn table(out: &mut String, path: &[&str], table: &Table) {
    let is_own = |value: &Value| value.as_table().is_some_and(is_large);
    // The headings of inner tables say enough.
    if table.is_empty() || !table.values().all(is_own) {
        let heading: Vec<String> = path.iter().map(|key| self::key(key)).collect();
        let _infallible = writeln!(out, "\n[{}]", heading.join("."));
    }
    for (name, value) in table.iter().filter(|(_, value)| !is_own(value)) {
        pair(out, name, value);
    }
    for (name, value) in table.iter().filter(|(_, value)| is_own(value)) {
        let inner = [path, &[name.as_str()]].concat();
        if let Some(value) = value.as_table() {
            self::table(out, &inner, value);
        }
    }
}

/// Writes one key and its value.
pub(super) fn pair(out: &mut String, name: &str, value: &Value) {
    let line = value.to_string();
    let _infallible = match value {
        Value::Array(values) if line.len() > LINE_MAX => {
            let lines: String = values.iter().map(|value| format!("  {value},\n")).collect();
            writeln!(out, "{} = [\n{lines}]", key(name))
        }
        _ => writeln!(out, "{} = {line}", key(name)),
    };
}

/// Comment lines; whatever the text holds, it stays a comment.
pub(super) fn comment(out: &mut String, text: &str) {
    let text: String = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    let _infallible = writeln!(out, "# {text}");
}

/// A value as TOML has it.
pub(super) fn value(value: &impl serde::Serialize) -> Result<Value, CaptureError> {
    Value::try_from(value).map_err(|error| CaptureError::Inexpressible {
        message: error.to_string(),
    })
}

/// Whether a table gets a heading of its own.
fn is_large(table: &Table) -> bool {
    table.len() > 3 || Value::Table(table.clone()).to_string().len() > LINE_MAX
}

fn key(name: &str) -> String {
    let bare = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if !name.is_empty() && name.chars().all(bare) {
        return name.to_owned();
    }
    let mut quoted = String::from("\"");
    for c in name.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if c.is_control() => {
                let _infallible = write!(quoted, "\\u{:04x}", u32::from(c));
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_written_reads_back(
            name in ".{0,20}",
            text in any::<String>(),
            numbers in proptest::collection::vec(0_i64..1 << 40, 0..60),
        ) {
            let mut inner = Table::new();
            inner.insert(name.clone(), Value::String(text));
            inner.insert("numbers".into(), Value::from(numbers));
            let mut outer = Table::new();
            outer.insert(name.clone(), Value::Table(inner));
            let mut written = String::new();
            comment(&mut written, &name);
            table(&mut written, &["files", &name], &outer);
            let read: Table = written.parse().unwrap();
            let files = read["files"].as_table().unwrap();
            prop_assert_eq!(files[&name].as_table().unwrap(), &outer);
        }
    }
}
