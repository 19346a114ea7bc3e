//! The schemas that are checked in are those of the types.

use std::path::Path;

use qconform::subject::protocol::schema;
use rstest::rstest;

const REQUEST: &str = include_str!("../../../docs/protocol/request.schema.json");
const REPLY: &str = include_str!("../../../docs/protocol/reply.schema.json");

#[rstest]
#[case::to_an_adapter("request.schema.json", REQUEST, schema::of_requests())]
#[case::from_an_adapter("reply.schema.json", REPLY, schema::of_replies())]
fn a_schema_that_is_checked_in_is_that_of_the_types(
    #[case] name: &str,
    #[case] stored: &str,
    #[case] schema: serde_json::Value,
) {
    let schema = serde_json::to_string_pretty(&schema).unwrap() + "\n";
    if std::env::var_os("QCONFORM_UPDATE").is_some() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/protocol");
        std::fs::write(folder.join(name), &schema).unwrap();
        return;
    }
    assert_eq!(stored, schema, "QCONFORM_UPDATE=1 writes it anew");
}
