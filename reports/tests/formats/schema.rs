//! The schema that is checked in is the one of the types, and readers tolerate what it allows.

use std::fmt::Write as _;
use std::path::Path;

use qconform_reports::schema;
use qconform_reports::stream::Run;

use crate::runs::stored;

#[test]
fn the_schema_that_is_checked_in_is_that_of_the_types() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/run.schema.json");
    let schema = serde_json::to_string_pretty(&schema::of_events()).unwrap() + "\n";
    if std::env::var_os("QCONFORM_UPDATE").is_some() {
        std::fs::write(&path, &schema).unwrap();
    }
    let stored = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(stored, schema, "QCONFORM_UPDATE=1 writes it anew");
}

/// Puts a key that nobody knows into every object.
fn with_more_keys(value: &mut serde_json::Value) {
    match value {
        serde_json::Value::Object(object) => {
            object.values_mut().for_each(with_more_keys);
            // Maps from names to counts hold no keys of ours.
            if !object.values().all(|it| it.is_u64() || it.is_object()) {
                object.insert("added-later".to_owned(), serde_json::json!([{}]));
            }
        }
        serde_json::Value::Array(list) => list.iter_mut().for_each(with_more_keys),
        _ => {}
    }
}

#[test]
fn a_stream_with_added_keys_says_the_same() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/every-verdict.jsonl");
    let text = std::fs::read_to_string(&path).unwrap();
    let mut longer = String::new();
    for line in text.lines() {
        let mut event = serde_json::from_str(line).unwrap();
        with_more_keys(&mut event);
        writeln!(longer, "{event}").unwrap();
    }
    assert!(longer.matches("added-later").count() > 60);
    assert_eq!(Run::read(&path, longer.as_bytes()).unwrap(), stored());
}

#[test]
fn a_stream_of_the_first_writers_is_still_read() {
    let text = concat!(
        r#"{"event":"header","format":1,"tool":"0.1.0","suite":"0.1.0","suite_digest":"00","#,
        r#""started":"2026-11-23T08:00:00Z","command":[],"seed":0,"selected":1,"subjects":[],"#,
        r#""capabilities":[],"requirements":[]}"#,
        "\n",
        r#"{"event":"case","case":"a","subject":"s","title":"t","level":"read","requirements":["r"],"#,
        r#""verdict":"pass","message":"","differences":[],"known_reason":null,"repeat":"x","micros":1}"#,
        "\n",
        r#"{"event":"footer","complete":true,"counts":{"s":{"pass":1}},"stale":[],"millis":1}"#,
        "\n",
    );
    let run = Run::read(Path::new("run.jsonl"), text.as_bytes()).unwrap();
    assert_eq!((run.cases.len(), run.gap()), (1, None));
}
