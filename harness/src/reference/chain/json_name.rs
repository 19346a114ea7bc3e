//! `json:{...}` as the name of an image.
//!
//! QEMU takes the options of a block node, nested or with dotted keys. Only names that mean one
//! local file are followed: at most one format above one protocol, and no option besides. An
//! option that isn't known here could name a further file.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::Value;

use super::names::{Reading, is_ambiguous, protocol};

/// The options with dotted keys.
type Options = BTreeMap<String, Value>;

/// What the JSON behind `json:` means.
pub(super) fn read(json: &[u8]) -> Reading {
    let Ok(Value::Object(members)) = serde_json::from_slice(json) else {
        return Reading::Unknown("not a JSON object");
    };
    let mut options = Options::new();
    if flatten("", Value::Object(members), &mut options).is_none() {
        return Reading::Unknown("an option is given twice");
    }
    let nested = options.keys().any(|key| key.starts_with("file."));
    let (format, level) = if nested {
        (options.remove("driver"), "file.")
    } else {
        (None, "")
    };
    let mut take = |key: &str| options.remove(&format!("{level}{key}"));
    let (driver, filename) = (take("driver"), take("filename"));
    match (driver, filename) {
        (Some(Value::String(driver)), _) if protocol(&driver).is_some() => Reading::Network(driver),
        (driver, Some(Value::String(filename))) if options.is_empty() => {
            local(driver, filename, format)
        }
        _ => Reading::Unknown("the options are not those of one local file"),
    }
}

fn local(driver: Option<Value>, filename: String, format: Option<Value>) -> Reading {
    let given = match driver {
        Some(Value::String(driver)) => ["file", "host_device"].contains(&driver.as_str()),
        // Without a driver the name is interpreted once more.
        None => !is_ambiguous(filename.as_bytes()),
        Some(_) => false,
    };
    let format = match format {
        Some(Value::String(format)) => Some(format),
        None => None,
        Some(_) => return Reading::Unknown("the driver is not a string"),
    };
    // QEMU takes a relative one against its working directory, libvirt against nothing.
    if !given || !filename.starts_with('/') || filename.contains('\0') {
        return Reading::Unknown("the options are not those of one local file by absolute path");
    }
    let path = PathBuf::from(filename);
    Reading::Local { path, format }
}

/// Collects scalars by dotted keys; `None` if one is there twice.
fn flatten(prefix: &str, value: Value, options: &mut Options) -> Option<()> {
    let Value::Object(members) = value else {
        return options
            .insert(prefix.to_owned(), value)
            .is_none()
            .then_some(());
    };
    for (key, value) in members {
        let key = match prefix {
            "" => key,
            _ => format!("{prefix}.{key}"),
        };
        flatten(&key, value, options)?;
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(r#"{"driver":"file","filename":"/x"}"#, None)]
    #[case(r#"{"filename":"/x"}"#, None)]
    #[case(
        r#"{"driver":"qcow2","file":{"driver":"file","filename":"/x"}}"#,
        Some("qcow2")
    )]
    #[case(
        r#"{"driver":"raw","file.driver":"host_device","file.filename":"/x"}"#,
        Some("raw")
    )]
    #[case(r#"{"file":{"filename":"/x"}}"#, None)]
    fn one_local_file_is_followed(#[case] json: &str, #[case] format: Option<&str>) {
        let format = format.map(str::to_owned);
        let path = "/x".into();
        assert_eq!(read(json.as_bytes()), Reading::Local { path, format });
    }

    #[rstest]
    #[case(r#"{"driver":"nbd","host":"h"}"#, "nbd")]
    #[case(
        r#"{"driver":"raw","file":{"driver":"https","password":"s"}}"#,
        "https"
    )]
    fn a_network_driver_is_recognised(#[case] json: &str, #[case] protocol: &str) {
        assert_eq!(read(json.as_bytes()), Reading::Network(protocol.to_owned()));
    }

    #[rstest]
    #[case::no_json("x")]
    #[case::no_object("[]")]
    #[case::nothing("{}")]
    #[case::relative(r#"{"driver":"file","filename":"x"}"#)]
    #[case::protocol_inside(r#"{"filename":"nbd:x"}"#)]
    #[case::other_driver(r#"{"driver":"null-co","filename":"/x"}"#)]
    #[case::data_file(r#"{"driver":"qcow2","file.filename":"/x","data-file.filename":"/y"}"#)]
    #[case::two_formats(r#"{"driver":"raw","file":{"driver":"qcow2","file":{"filename":"/x"}}}"#)]
    #[case::twice(r#"{"file":{"filename":"/x"},"file.filename":"/y"}"#)]
    #[case::nul(r#"{"filename":"/x\u0000"}"#)]
    #[case::number(r#"{"driver":7,"filename":"/x"}"#)]
    fn anything_else_is_unknown(#[case] json: &str) {
        assert!(matches!(read(json.as_bytes()), Reading::Unknown(_)));
    }
}
