//! The JSON Schemas of the protocol, made from its types.

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;

use super::{Reply, Request, VERSION};

/// The schema of a line to an adapter.
#[must_use]
pub fn of_requests() -> serde_json::Value {
    of::<Request>("to")
}

/// The schema of a line from an adapter.
#[must_use]
pub fn of_replies() -> serde_json::Value {
    of::<Reply>("from")
}

fn of<T: JsonSchema>(direction: &str) -> serde_json::Value {
    let generator = SchemaSettings::draft2020_12().into_generator();
    let mut schema = generator.into_root_schema_for::<T>();
    let title = format!("A line {direction} an adapter, protocol {VERSION}");
    schema.insert("title".to_owned(), title.into());
    schema.to_value()
}
