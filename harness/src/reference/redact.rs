//! Names as they may be shown: without the credentials that some carry.
//!
//! QEMU takes passwords inside names, as `proto://user:password@host/...`, in `json:{...}` and in
//! `rbd:...:key=...`. Reports end up in logs and bug trackers, so none of that is printed.

use std::borrow::Cow;
use std::path::Path;

use serde_json::Value;

/// What stands in place of a credential.
const HIDDEN: &str = "***";

/// Keys of a `json:` name whose values can't be a credential; every other string is hidden.
const HARMLESS: [&str; 9] = [
    "driver", "export", "file", "filename", "host", "path", "port", "protocol", "type",
];

/// A name without its credentials.
#[must_use]
pub fn text(name: &str) -> Cow<'_, str> {
    if let Some(json) = name.strip_prefix("json:") {
        return match serde_json::from_str(json) {
            Ok(value) => json_text(name, value),
            Err(_) => Cow::Owned(format!("json:{HIDDEN}")),
        };
    }
    if name.starts_with("rbd:") && name.contains(":key=") {
        let (before, _) = name.split_once(":key=").unwrap_or((name, ""));
        return Cow::Owned(format!("{before}:key={HIDDEN}"));
    }
    user_info(name)
}

/// A path without credentials, made valid UTF-8.
#[must_use]
pub fn path(path: &Path) -> String {
    line(&path.to_string_lossy())
}

/// A line of text without the credentials of a name that stands in it.
#[must_use]
pub fn line(line: &str) -> String {
    match line.find("json:").or_else(|| line.find("rbd:")) {
        Some(at) => format!("{}{}", user_info(&line[..at]), text(&line[at..])),
        None => user_info(line).into_owned(),
    }
}

/// The name as it is where nothing had to be hidden.
fn json_text(name: &str, mut value: Value) -> Cow<'_, str> {
    if hide(&mut value, true) {
        Cow::Owned(format!("json:{value}"))
    } else {
        Cow::Borrowed(name)
    }
}

/// Hides strings in JSON, and says whether there were any.
fn hide(value: &mut Value, harmless: bool) -> bool {
    match value {
        Value::String(text) => {
            let shown = if harmless {
                user_info(text).into_owned()
            } else {
                HIDDEN.to_owned()
            };
            let changed = shown != *text;
            *text = shown;
            changed
        }
        Value::Object(members) => members.iter_mut().fold(false, |changed, (key, value)| {
            let last = key.rsplit('.').next().unwrap_or(key);
            hide(value, HARMLESS.contains(&last)) | changed
        }),
        Value::Array(values) => values
            .iter_mut()
            .fold(false, |changed, value| hide(value, harmless) | changed),
        Value::Number(_) if !harmless => {
            *value = Value::String(HIDDEN.to_owned());
            true
        }
        Value::Number(_) | Value::Bool(_) | Value::Null => false,
    }
}

/// Hides what stands between `://` and the last `@` before the next slash.
fn user_info(name: &str) -> Cow<'_, str> {
    let mut shown = String::new();
    let mut rest = name;
    while let Some(at) = rest.find("://") {
        let (before, authority) = rest.split_at(at + 3);
        let end = authority.find(['/', '?', '#']).unwrap_or(authority.len());
        shown.push_str(before);
        rest = match authority[..end].rfind('@') {
            Some(user) => {
                shown.push_str(HIDDEN);
                &authority[user..]
            }
            None => authority,
        };
    }
    if shown.is_empty() {
        return Cow::Borrowed(name);
    }
    shown.push_str(rest);
    Cow::Owned(shown)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    #[rstest]
    #[case("disk.raw", "disk.raw")]
    #[case("nbd://host/x", "nbd://host/x")]
    #[case("a@b", "a@b")]
    #[case("http://user:secret@host/x@y", "http://***@host/x@y")]
    #[case("http://a:b@c:d@host", "http://***@host")]
    #[case("x http://a:s@h y ftp://b:t@i", "x http://***@h y ftp://***@i")]
    #[case(
        "rbd:pool/image:id=admin:key=AQ==:x",
        "rbd:pool/image:id=admin:key=***"
    )]
    #[case("json:{}", "json:{}")]
    #[case(
        r#"json:{"driver":"qcow2","file":{"driver":"file","filename":"/x"}}"#,
        r#"json:{"driver":"qcow2","file":{"driver":"file","filename":"/x"}}"#
    )]
    #[case(
        r#"json:{"file.p\u0061ssword":"s"}"#,
        r#"json:{"file.password":"***"}"#
    )]
    #[case(r#"json:{"user":7}"#, r#"json:{"user":"***"}"#)]
    #[case(
        r#"json:{"filename":"ssh://u:s@h/x"}"#,
        r#"json:{"filename":"ssh://***@h/x"}"#
    )]
    #[case(r#"json:{"password":"s""#, "json:***")]
    fn credentials_are_hidden_and_nothing_else(#[case] name: &str, #[case] shown: &str) {
        assert_eq!(text(name), shown);
        let path = path(Path::new(&format!("/folder/{name}")));
        assert_eq!(path, format!("/folder/{shown}"));
    }

    proptest! {
        #[test]
        fn no_password_of_a_uri_survives(
            scheme in "[a-z]{1,8}", user in "[a-z:@]{0,6}", host in "[a-z]{1,5}", path in "[a-z/@]{0,8}",
        ) {
            let name = format!("{scheme}://{user}S3CRET@{host}/{path}");
            prop_assert!(!text(&name).contains("S3CRET"));
        }
    }
}
