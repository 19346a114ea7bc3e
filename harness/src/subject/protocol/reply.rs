//! What an adapter says.
//!
//! A fact that the implementation doesn't tell is left out; `null` says that there is none.

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

use super::Hex;

/// A line from an adapter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum Reply {
    /// Who it is, in answer to `hello`.
    Hello(HelloReply),
    /// The implementation accepts the input; the facts belong to the level.
    Result(Box<ResultReply>),
    /// The implementation refuses the input cleanly.
    Rejected {
        /// Number of the question.
        seq: u64,
        /// The kind of refusal, in the implementation's own words.
        class: String,
        /// Its message.
        message: String,
    },
    /// The implementation doesn't do what is asked.
    Unsupported {
        /// Number of the question.
        seq: u64,
        /// What it doesn't do.
        message: String,
    },
    /// The implementation died, or failed in a way that it doesn't document.
    Crashed {
        /// Number of the question.
        seq: u64,
        /// How.
        message: String,
    },
    /// The adapter itself could not ask the implementation.
    Error {
        /// Number of the question.
        seq: u64,
        /// Why.
        message: String,
    },
}

impl Reply {
    /// Number of the question that it answers; `None` for a `hello`.
    #[must_use]
    pub fn seq(&self) -> Option<u64> {
        match self {
            Reply::Hello(_) => None,
            Reply::Result(result) => Some(result.seq),
            Reply::Rejected { seq, .. }
            | Reply::Unsupported { seq, .. }
            | Reply::Crashed { seq, .. }
            | Reply::Error { seq, .. } => Some(*seq),
        }
    }
}

/// Who an adapter speaks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HelloReply {
    /// Version of the protocol.
    pub protocol: u32,
    /// Name of the implementation.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its homepage.
    #[serde(default)]
    pub homepage: Option<String>,
    /// Where its bugs are reported.
    #[serde(default)]
    pub issues: Option<String>,
    /// The levels that it can be asked for. Those that the harness doesn't know are passed over.
    pub levels: Vec<String>,
    /// Whether it is a reader or a gatekeeper.
    #[serde(default)]
    pub role: Role,
    /// What it refuses by design, cleanly: `data-file`, `backing`, `encryption`, `zstd`,
    /// `extended-l2`, `compressed`, `snapshots`, `bitmaps`, `version-2`, `raw`.
    #[serde(default)]
    pub refuses: Vec<String>,
}

/// Words that `refuses` may have.
pub const FEATURES: [&str; 10] = [
    "data-file",
    "backing",
    "encryption",
    "zstd",
    "extended-l2",
    "compressed",
    "snapshots",
    "bitmaps",
    "version-2",
    "raw",
];

/// What a refusal by design is worth.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Made to use images: what it refuses by design is not supported.
    #[default]
    Reader,
    /// Made to keep images out: what it refuses by design is refused rightly.
    Gatekeeper,
}

/// The facts of an accepted input.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ResultReply {
    /// Number of the question.
    pub seq: u64,
    /// Facts in the header (`header`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub header: Option<HeaderReply>,
    /// Guest bytes, one for each offset (`read`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reads: Option<Vec<ReadReply>>,
    /// The files that are used, one for each use (`access`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub files: Option<Vec<FileReply>>,
    /// The layers of each disk's block nodes (`blockdev`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub layers: Option<Vec<LayerReply>>,
    /// The domain as it was written (`xml`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub xml: Option<String>,
}

/// Facts in a header.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HeaderReply {
    /// `qcow2`, `raw`, ...
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<String>,
    /// Header version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u32>,
    /// Size of the virtual disk in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub virtual_size: Option<u64>,
    /// The backing file as stored; null if there is none.
    #[serde(
        default,
        deserialize_with = "told",
        skip_serializing_if = "Option::is_none"
    )]
    pub backing: Option<Option<BackingReply>>,
    /// The data file; null if the image uses none.
    #[serde(
        default,
        deserialize_with = "told",
        skip_serializing_if = "Option::is_none"
    )]
    pub data_file: Option<Option<DataFileReply>>,
}

/// A backing file as a header names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BackingReply {
    /// The name as stored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<Hex>,
    /// The format as stored; null if none is.
    #[serde(
        default,
        deserialize_with = "told",
        skip_serializing_if = "Option::is_none"
    )]
    pub format: Option<Option<String>>,
}

/// A data file as a header names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DataFileReply {
    /// The name up to the first NUL; null if the image names none.
    #[serde(
        default,
        deserialize_with = "told",
        skip_serializing_if = "Option::is_none"
    )]
    pub name: Option<Option<Hex>>,
    /// The raw flag.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub raw: Option<bool>,
}

/// Guest bytes at one offset.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ReadReply {
    /// Guest offset in bytes.
    pub offset: u64,
    /// The bytes.
    pub bytes: Hex,
}

/// One use of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FileReply {
    /// Absolute path.
    pub path: Hex,
    /// `top`, `data-file`, `backing` or `backing-data-file`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// `rw` or `ro`.
    pub access: String,
}

/// One layer of the graph of block nodes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LayerReply {
    /// Absolute path of the image.
    pub file: Hex,
    /// QEMU's driver for its format; `raw` also where there is no format node.
    pub driver: String,
    /// Whether the layer's topmost node is read-only.
    pub read_only: bool,
    /// The node that is given as data file; null if none is.
    pub data_file: Option<NodeReply>,
    /// Absolute path of the next layer's image; null where there is none.
    pub backing: Option<Hex>,
}

/// The node of a data file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NodeReply {
    /// Absolute path.
    pub file: Hex,
    /// Whether the node is read-only.
    pub read_only: bool,
}

/// Tells a null from a key that is absent, which never comes here.
fn told<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    value: D,
) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(value).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case::absent("{}", None)]
    #[case::none(r#"{"data_file":null}"#, Some(None))]
    #[case::without_a_name(
        r#"{"data_file":{"name":null}}"#,
        Some(Some(DataFileReply { name: Some(None), raw: None }))
    )]
    #[case::name_not_told(
        r#"{"data_file":{"raw":true,"added-later":1}}"#,
        Some(Some(DataFileReply { name: None, raw: Some(true) }))
    )]
    fn a_fact_that_is_not_told_differs_from_none(
        #[case] text: &str,
        #[case] data_file: Option<Option<DataFileReply>>,
    ) {
        let header: HeaderReply = serde_json::from_str(text).unwrap();
        assert_eq!(header.data_file, data_file);
        let again: HeaderReply =
            serde_json::from_value(serde_json::to_value(&header).unwrap()).unwrap();
        assert_eq!(again, header);
    }
}
