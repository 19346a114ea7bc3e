//! The JSON Schema of a line of `run.jsonl`.

use schemars::generate::SchemaSettings;

use crate::event::{Event, FORMAT};

/// The schema, made from the types that write and read the stream.
#[must_use]
pub fn of_events() -> serde_json::Value {
    let generator = SchemaSettings::draft2020_12().into_generator();
    let mut schema = generator.into_root_schema_for::<Event>();
    let title = format!("A line of qconform's run.jsonl, format {FORMAT}");
    schema.insert("title".to_owned(), title.into());
    schema.to_value()
}
