//! The schemas that are checked in are those of the types.

use std::path::Path;

use qconform::subject::protocol::schema;
use rstest::rstest;

#[rstest]
#[case::to_an_adapter("request.schema.json", schema::of_requests())]
#[case::from_an_adapter("reply.schema.json", schema::of_replies())]
fn a_schema_that_is_checked_in_is_that_of_the_types(
    #[case] name: &str,
    #[case] schema: serde_json::Value,
) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../docs/protocol")
        .join(name);
    let schema = serde_json::to_string_pretty(&schema).unwrap() + "\n";
    if std::env::var_os("QCONFORM_UPDATE").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, &schema).unwrap();
    }
    let stored = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(stored, schema, "QCONFORM_UPDATE=1 writes it anew");
}
