//! Header extensions as a recipe places them.

use std::fmt;

use serde::de::value::{MapAccessDeserializer, StrDeserializer};
use serde::de::{self, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::Bytes;

/// One header extension. In TOML it is the name of one that other options describe, such as
/// `"data-file"`, or `{ type = 0x44415441, data = "...", length = 8 }` for any other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Extension {
    /// One that another option of the image describes; nothing is written if none does.
    Known(Known),
    /// One that is spelled out.
    Other(Other),
}

/// The extensions that options of an image describe, in the order in which QEMU writes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Known {
    /// `backing-format`.
    BackingFormat,
    /// `data-file`.
    DataFile,
    /// Where the LUKS header is.
    Crypto,
    /// `feature-names`.
    FeatureNames,
    /// Where the bitmap directory is.
    Bitmaps,
    /// The end marker.
    End,
}

/// An extension that is spelled out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Other {
    /// Its type.
    #[serde(rename = "type")]
    pub kind: u32,
    /// Its payload; padding to a multiple of 8 bytes is added.
    #[serde(default)]
    pub data: Bytes,
    /// The length field in bytes, if it is not that of the payload.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub length: Option<u32>,
}

/// The feature name table. Specification: Feature name table.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct FeatureNames {
    /// Whether the names of all bits that the specification knows come first.
    pub known: bool,
    /// Further names.
    pub more: Vec<FeatureName>,
}

/// The name of one feature bit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct FeatureName {
    /// 0 incompatible, 1 compatible, 2 autoclear.
    pub kind: u8,
    /// The bit's number.
    pub bit: u8,
    /// The name, padded with zeros or cut to 46 bytes.
    pub name: Bytes,
}

impl Serialize for Extension {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Extension::Known(known) => known.serialize(serializer),
            Extension::Other(other) => other.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Extension {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Extension, D::Error> {
        deserializer.deserialize_any(ExtensionVisitor)
    }
}

struct ExtensionVisitor;

impl<'de> Visitor<'de> for ExtensionVisitor {
    type Value = Extension;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("an extension's name or { type = N, data = \"...\" }")
    }

    fn visit_str<E: de::Error>(self, name: &str) -> Result<Extension, E> {
        Known::deserialize(StrDeserializer::new(name)).map(Extension::Known)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Extension, A::Error> {
        Other::deserialize(MapAccessDeserializer::new(map)).map(Extension::Other)
    }
}
