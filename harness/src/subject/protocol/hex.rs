//! Bytes as hex, as they travel.

use std::fmt::Write as _;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Bytes that travel as pairs of hex digits: lowercase when written, either case when read.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Hex(Vec<u8>);

impl Hex {
    /// The bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl From<&[u8]> for Hex {
    fn from(bytes: &[u8]) -> Self {
        Hex(bytes.to_vec())
    }
}

impl From<Hex> for String {
    fn from(hex: Hex) -> Self {
        let mut text = String::with_capacity(hex.0.len() * 2);
        for byte in hex.0 {
            // Writing to a string can't fail.
            let _ = write!(text, "{byte:02x}");
        }
        text
    }
}

impl TryFrom<String> for Hex {
    type Error = NotHex;

    fn try_from(text: String) -> Result<Self, NotHex> {
        let (pairs, rest) = text.as_bytes().as_chunks::<2>();
        if !rest.is_empty() {
            return Err(NotHex);
        }
        let digit = |byte: u8| char::from(byte).to_digit(16);
        let byte = |[high, low]: &[u8; 2]| u8::try_from(digit(*high)? * 16 + digit(*low)?).ok();
        let bytes: Option<Vec<u8>> = pairs.iter().map(byte).collect();
        bytes.map(Hex).ok_or(NotHex)
    }
}

/// A text that is no hex.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not pairs of hex digits")]
pub struct NotHex;

impl JsonSchema for Hex {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Hex".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "pattern": "^([0-9a-fA-F]{2})*$",
            "description": "Bytes as pairs of hex digits.",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case::empty("", Some(&[][..]))]
    #[case::either_case("00fFa1", Some(&[0, 255, 0xa1][..]))]
    #[case::odd("0", None)]
    #[case::no_digit("0g", None)]
    #[case::sign("+1", None)]
    #[case::not_ascii("ää", None)]
    fn pairs_of_digits_are_bytes(#[case] text: &str, #[case] bytes: Option<&[u8]>) {
        let read = Hex::try_from(text.to_owned()).ok();
        assert_eq!(read.as_ref().map(Hex::bytes), bytes);
    }

    #[test]
    fn bytes_come_back_as_they_were() {
        let all: Vec<u8> = (0..=255).collect();
        let text = String::from(Hex::from(all.as_slice()));
        assert_eq!(Hex::try_from(text).unwrap().bytes(), all);
    }
}
