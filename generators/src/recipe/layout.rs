//! Where everything in a captured image lies.

use serde::de;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Bytes, Clusters};

/// The tables of an image as they were found in a real one, byte for byte: whatever is wrong,
/// scattered or left over comes back as it was. An image with a layout plans nothing behind its
/// first cluster, so the options that describe guest clusters, snapshots and bitmaps stay empty.
///
/// Parts are written in the order in which they stand here, so that tables win over guest data
/// where a broken image has both in one place. [`super::Qcow2::length`] has the last word.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Layout {
    /// Entries in the active L1 table, as the header counts them.
    pub l1_size: u32,
    /// Offset of the active L1 table in bytes.
    pub l1_table: u64,
    /// Offset of the refcount table in bytes.
    pub refcount_table: u64,
    /// Length of the refcount table in clusters.
    pub refcount_table_clusters: u32,
    /// Internal snapshots, as the header counts them.
    pub snapshot_count: u32,
    /// Offset of the snapshot table in bytes.
    pub snapshot_table: u64,
    /// Parts of the file that hold zeros instead of holes, in bytes; what else stands here is
    /// written over them.
    #[serde(skip_serializing_if = "Clusters::is_empty")]
    pub zeros: Clusters,
    /// Holes for which the file system reserves room, in bytes.
    #[serde(skip_serializing_if = "Clusters::is_empty")]
    pub reserved: Clusters,
    /// Parts of the file that hold the marker.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub data: Vec<MarkedData>,
    /// Offsets of compressed clusters in bytes; a cluster of zeros is written to each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub compressed: Vec<u64>,
    /// Offset in bytes of a LUKS header, which nothing can unlock.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub luks_header: Option<u64>,
    /// Bytes of tables. What no piece covers stays a hole.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub pieces: Vec<Piece>,
}

/// A part of the file that holds the marker of the image's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MarkedData {
    /// Offset in the file in bytes.
    pub at: u64,
    /// The guest's offset in bytes, which the marker tells.
    pub guest: u64,
    /// Length in bytes.
    pub length: u64,
}

/// Bytes of a table. In TOML `{ at = 65536, bytes = { hex = "..." } }`, or for numbers in
/// sequence `{ at = 65536, first = "8000000000050000", step = 65536, count = 8192 }`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Offset in the file in bytes.
    pub at: u64,
    /// What stands there.
    pub content: PieceContent,
}

/// What a piece holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PieceContent {
    /// These bytes.
    Bytes(Bytes),
    /// Numbers of 64 bits, big endian, one after the other.
    Numbers {
        /// The first; in TOML 16 hexadecimal digits, because TOML's numbers have 63 bits.
        first: u64,
        /// What each is greater than the one before.
        step: u64,
        /// How many there are.
        count: u64,
    },
}

/// A piece as TOML has it.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    at: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    bytes: Option<Bytes>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    first: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    step: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    count: Option<u64>,
}

impl Serialize for Piece {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut table = Table {
            at: self.at,
            bytes: None,
            first: None,
            step: None,
            count: None,
        };
        match &self.content {
            PieceContent::Bytes(bytes) => table.bytes = Some(bytes.clone()),
            PieceContent::Numbers { first, step, count } => {
                table.first = Some(format!("{first:016x}"));
                table.step = Some(*step);
                table.count = Some(*count);
            }
        }
        table.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Piece {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Piece, D::Error> {
        let table = Table::deserialize(deserializer)?;
        let content = match (table.bytes, table.first, table.step, table.count) {
            (Some(bytes), None, None, None) => PieceContent::Bytes(bytes),
            (None, Some(first), Some(step), Some(count)) => PieceContent::Numbers {
                first: parse(&first)
                    .ok_or_else(|| de::Error::custom("first needs 1 to 16 hexadecimal digits"))?,
                step,
                count,
            },
            _ => {
                let message = "a piece has bytes, or first, step and count";
                return Err(de::Error::custom(message));
            }
        };
        let at = table.at;
        Ok(Piece { at, content })
    }
}

/// A sign, which the standard library takes, is no digit.
fn parse(digits: &str) -> Option<u64> {
    let plain = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    u64::from_str_radix(digits, 16).ok().filter(|_| plain)
}

impl Piece {
    /// Length in bytes; the largest number where that doesn't fit.
    #[must_use]
    pub fn length(&self) -> u64 {
        match &self.content {
            PieceContent::Bytes(bytes) => bytes.length() as u64,
            PieceContent::Numbers { count, .. } => count.saturating_mul(8),
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::bytes(
        r#"{"at":512,"bytes":{"hex":"00ff"}}"#,
        Piece { at: 512, content: PieceContent::Bytes(vec![0, 255].into()) }
    )]
    #[case::numbers_that_toml_does_not_have(
        r#"{"at":0,"first":"8000000000050000","step":65536,"count":3}"#,
        Piece {
            at: 0,
            content: PieceContent::Numbers { first: 1 << 63 | 0x5_0000, step: 65_536, count: 3 },
        }
    )]
    fn a_piece_reads_and_writes_itself(#[case] json: &str, #[case] piece: Piece) {
        assert_eq!(serde_json::from_str::<Piece>(json).unwrap(), piece);
        assert_eq!(serde_json::to_string(&piece).unwrap(), json);
    }

    #[rstest]
    #[case::nothing(r#"{"at":0}"#)]
    #[case::both(r#"{"at":0,"bytes":"a","first":"0","step":0,"count":1}"#)]
    #[case::no_count(r#"{"at":0,"first":"0","step":0}"#)]
    #[case::a_sign(r#"{"at":0,"first":"+1","step":0,"count":1}"#)]
    #[case::too_many_digits(
        r#"{"at":0,"first":"00000000000000001ffffffffffffffff","step":0,"count":1}"#
    )]
    fn anything_else_is_an_error(#[case] json: &str) {
        serde_json::from_str::<Piece>(json).unwrap_err();
    }
}
