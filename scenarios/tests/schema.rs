//! `docs/scenario.schema.json`, for editors, knows the keys that scenarios have.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;

use qconform_scenarios::suite::Suite;
use rstest::rstest;
use serde_json::Value;

const SCHEMA: &str = include_str!("../../docs/scenario.schema.json");

/// A scenario of level label with room for one more key at each place.
const TEXT: &str = r#"title = "a scenario"
level = "label"
requirements = ["label.top-image"]
#root
[files]
"disk.qcow2" = { qcow2 = { version = 3 #qcow2
}, owner = "1:2" #file
}
"disk.raw" = { raw = { size = 32768 #raw
} }
[domain]
seclabels = []
#domain
[[domain.disks]]
source = "disk.qcow2"
layers = [{ source = "disk.raw" #layer
}]
#disk
[config]
remember = true
#config
[[expect]]
refuse = "must"
#expect
"#;

/// Names in a message such as "unknown field `x`, expected one of `a`, `b`".
fn expected(message: &str) -> BTreeSet<String> {
    let (_, names) = message.split_once("expected").unwrap();
    let names = names.split('`').skip(1).step_by(2);
    names.map(ToOwned::to_owned).collect()
}

/// What the loader would take at a place instead of a key that there isn't.
fn keys_of_the_loader(place: &str) -> BTreeSet<String> {
    let comma = ["qcow2", "file", "raw", "layer"].contains(&place);
    let key = if comma { ", zzz = 1" } else { "zzz = 1" };
    // The comment ends a line, so the key can stand in its place.
    let text = TEXT.replace(&format!("#{place}\n"), &format!("{key}\n"));
    assert_ne!(text, TEXT);
    let files = [("t.toml".to_owned(), text)];
    let error = Suite::of_files(&files).unwrap_err().to_string();
    assert!(error.contains("unknown field `zzz`"), "{error}");
    expected(&error)
}

fn keys_of_the_schema(pointer: &str) -> BTreeSet<String> {
    let schema: Value = serde_json::from_str(SCHEMA).unwrap();
    let properties = schema.pointer(pointer).and_then(Value::as_object);
    let properties = properties.unwrap_or_else(|| panic!("{pointer}"));
    properties.keys().cloned().collect()
}

#[rstest]
#[case::a_file("file", "/$defs/file/properties")]
#[case::an_image("qcow2", "/$defs/file/properties/qcow2/anyOf/0/properties")]
#[case::a_raw_file("raw", "/$defs/file/properties/raw/anyOf/0/properties")]
#[case::a_domain("domain", "/$defs/domain/properties")]
#[case::a_disk("disk", "/$defs/disk/anyOf/0/properties")]
#[case::a_layer("layer", "/$defs/layer/anyOf/0/properties")]
#[case::the_configuration("config", "/$defs/config/properties")]
fn the_schema_has_the_keys_of_the_loader(#[case] place: &str, #[case] pointer: &str) {
    assert_eq!(keys_of_the_schema(pointer), keys_of_the_loader(place));
}

/// What the loader takes apart before it types the rest has no message of its own.
#[test]
fn the_schema_has_the_keys_of_a_scenario() {
    let mut keys = keys_of_the_loader("root");
    let apart = ["axes", "define", "expect", "impossible"];
    keys.extend(apart.map(ToOwned::to_owned));
    assert_eq!(keys_of_the_schema("/properties"), keys);
    let mut expect = keys_of_the_loader("expect");
    expect.extend(["when", "accept", "reject", "also"].map(ToOwned::to_owned));
    let pointer = "/properties/expect/items/properties";
    assert_eq!(keys_of_the_schema(pointer), expect);
}

#[test]
fn every_scenario_uses_keys_that_the_schema_has() {
    let known = keys_of_the_schema("/properties");
    let mut count = 0;
    for (name, text) in Suite::embedded_files() {
        if !name.starts_with("suite/") {
            continue;
        }
        count += 1;
        let table: toml::Table = text.parse().unwrap();
        for key in table.keys() {
            assert!(known.contains(key), "{name}: {key}");
        }
    }
    assert!(count > 200, "{count}");
}
