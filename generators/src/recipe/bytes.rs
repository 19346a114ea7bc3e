//! Byte strings as a recipe writes them.

use std::fmt;

use serde::de::value::MapAccessDeserializer;
use serde::de::{self, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A string of bytes: a name, a payload, the start of a file. In TOML it is text, or
/// `{ hex = "ff00" }` for any bytes, or `{ repeat = "a", times = 1000 }`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Bytes {
    /// UTF-8 text.
    Text(String),
    /// Bytes that need not be text.
    Hex(Vec<u8>),
    /// The same text many times.
    Repeat {
        /// What is repeated.
        repeat: String,
        /// How often.
        times: u32,
    },
}

impl Bytes {
    /// The text, unless the string is written in another form.
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Bytes::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Length in bytes before any `{dir}` is replaced.
    #[must_use]
    pub fn length(&self) -> usize {
        match self {
            Bytes::Text(text) => text.len(),
            Bytes::Hex(bytes) => bytes.len(),
            Bytes::Repeat { repeat, times } => repeat.len().saturating_mul(*times as usize),
        }
    }

    /// The bytes as they stand. The caller has limited [`Bytes::length`].
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        match self {
            Bytes::Text(text) => text.clone().into_bytes(),
            Bytes::Hex(bytes) => bytes.clone(),
            Bytes::Repeat { repeat, times } => repeat.repeat(*times as usize).into_bytes(),
        }
    }

    /// The bytes of a file name: `expand` is applied to text, the other forms stay as they are.
    pub(crate) fn expanded(&self, expand: &dyn Fn(&str) -> Vec<u8>) -> Vec<u8> {
        match self {
            Bytes::Text(text) => expand(text),
            other => other.to_bytes(),
        }
    }
}

impl Bytes {
    /// These bytes and no others: as [`Bytes::from`], but not as text in which a fixture or a
    /// scenario would replace something, such as `{dir}`.
    #[must_use]
    pub fn verbatim(bytes: Vec<u8>) -> Bytes {
        match Bytes::from(bytes) {
            Bytes::Text(text) if has_placeholder(&text) => Bytes::Hex(text.into_bytes()),
            other => other,
        }
    }
}

/// Whether a word stands in braces. In JSON, quotes and colons do.
#[must_use]
pub fn has_placeholder(text: &str) -> bool {
    let is_word = |c: char| c.is_ascii_alphanumeric() || "-.+_".contains(c);
    text.match_indices('{').any(|(at, _)| {
        let inside = text[at + 1..].split_once('}');
        inside.is_some_and(|(word, _)| !word.is_empty() && word.chars().all(is_word))
    })
}

impl Default for Bytes {
    fn default() -> Bytes {
        Bytes::Text(String::new())
    }
}

impl From<&str> for Bytes {
    fn from(text: &str) -> Bytes {
        Bytes::Text(text.to_owned())
    }
}

impl From<String> for Bytes {
    fn from(text: String) -> Bytes {
        Bytes::Text(text)
    }
}

impl From<Vec<u8>> for Bytes {
    /// Text where the bytes are text that a TOML file can show.
    fn from(bytes: Vec<u8>) -> Bytes {
        match String::from_utf8(bytes) {
            Ok(text) if !text.chars().any(char::is_control) => Bytes::Text(text),
            Ok(text) => Bytes::Hex(text.into_bytes()),
            Err(error) => Bytes::Hex(error.into_bytes()),
        }
    }
}

/// The forms that are not plain text.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    #[serde(skip_serializing_if = "Option::is_none")]
    hex: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    repeat: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    times: Option<u32>,
}

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let table = |hex, repeat, times| Table { hex, repeat, times };
        match self {
            Bytes::Text(text) => serializer.serialize_str(text),
            Bytes::Hex(bytes) => table(Some(hex(bytes)), None, None).serialize(serializer),
            Bytes::Repeat { repeat, times } => {
                table(None, Some(repeat.clone()), Some(*times)).serialize(serializer)
            }
        }
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Bytes, D::Error> {
        deserializer.deserialize_any(BytesVisitor)
    }
}

struct BytesVisitor;

impl<'de> Visitor<'de> for BytesVisitor {
    type Value = Bytes;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("text, { hex = \"...\" } or { repeat = \"...\", times = N }")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Bytes, E> {
        Ok(text.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Bytes, A::Error> {
        let table = Table::deserialize(MapAccessDeserializer::new(map))?;
        match (table.hex, table.repeat, table.times) {
            (Some(digits), None, None) => parse_hex(&digits)
                .map(Bytes::Hex)
                .ok_or_else(|| de::Error::custom("hex needs pairs of the digits 0-9 and a-f")),
            (None, Some(repeat), Some(times)) => Ok(Bytes::Repeat { repeat, times }),
            _ => Err(de::Error::custom("give hex, or repeat and times")),
        }
    }
}

/// Lowercase hexadecimal digits, two for each byte.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    let digit = |value: u8| char::from(b"0123456789abcdef"[usize::from(value & 0xf)]);
    bytes
        .iter()
        .flat_map(|byte| [digit(byte >> 4), digit(*byte)])
        .collect()
}

fn parse_hex(digits: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u32>> = digits.chars().map(|digit| digit.to_digit(16)).collect();
    let (pairs, rest) = digits.as_deref()?.as_chunks::<2>();
    let byte = |pair: &[u32; 2]| u8::try_from(pair[0] << 4 | pair[1]).ok();
    rest.is_empty()
        .then(|| pairs.iter().map(byte).collect())
        .flatten()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::text("\"disk.raw\"", b"disk.raw")]
    #[case::hex(r#"{"hex": "00ffA0"}"#, &[0, 255, 160])]
    #[case::no_bytes(r#"{"hex": ""}"#, &[])]
    #[case::repeated(r#"{"repeat": "ab", "times": 3}"#, b"ababab")]
    fn every_form_is_understood(#[case] json: &str, #[case] bytes: &[u8]) {
        let found: Bytes = serde_json::from_str(json).unwrap();
        assert_eq!(found.to_bytes(), bytes);
        assert_eq!(found.length(), bytes.len());
    }

    #[rstest]
    #[case::plain("disk.raw", false)]
    #[case::json(r#"json:{"driver":"raw"}"#, false)]
    #[case::empty("a{}", false)]
    #[case::the_folder("{dir}/x", true)]
    #[case::behind_another("{ {axis}", true)]
    fn text_that_would_be_replaced_is_recognised(#[case] text: &str, #[case] replaced: bool) {
        assert_eq!(has_placeholder(text), replaced);
        let verbatim = Bytes::verbatim(text.into());
        assert_eq!(verbatim.as_text().is_none(), replaced);
        assert_eq!(verbatim.to_bytes(), text.as_bytes());
    }

    #[rstest]
    #[case::half_a_byte(r#"{"hex": "0"}"#)]
    #[case::no_digit(r#"{"hex": "0g"}"#)]
    #[case::both(r#"{"hex": "00", "repeat": "a", "times": 1}"#)]
    #[case::no_times(r#"{"repeat": "a"}"#)]
    #[case::nothing("{}")]
    #[case::a_number("1")]
    fn anything_else_is_an_error(#[case] json: &str) {
        let error = serde_json::from_str::<Bytes>(json).unwrap_err().to_string();
        assert!(error.contains("hex"), "{error}");
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            let value = Bytes::from(bytes.clone());
            let json = serde_json::to_string(&value).unwrap();
            prop_assert_eq!(serde_json::from_str::<Bytes>(&json).unwrap().to_bytes(), bytes);
        }
    }
}
