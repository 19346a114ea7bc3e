//! What to write: the description that a fixture is made from.
//!
//! Every option has a default, so a recipe says only what matters to it. In TOML:
//!
//! ```toml
//! seed = 7
//! [files]
//! "disk.qcow2" = { qcow2 = { data-file = "disk.raw", data-file-raw = true } }
//! "disk.raw" = { raw = { populated = [0, 1, 2, 3, 4, 5, 6, 7] } }
//! "sub/link" = { symlink = { target = "../disk.raw" } }
//! ```
//!
//! A recipe may ask for an image that no reader should accept; only what cannot be written at
//! all is an error.

mod check;
mod error;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub(crate) use check::check_populated;
pub use error::RecipeError;

/// A folder of files. The same recipe gives the same bytes on every machine, unless a name in it
/// uses `{dir}`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Recipe {
    /// Goes into every marker; two fixtures with different seeds share no populated block.
    pub seed: u64,
    /// Names relative to the fixture's folder, with `/` between folders, which are made on the
    /// way.
    pub files: BTreeMap<String, Content>,
}

/// What one name of a fixture is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Content {
    /// A qcow2 image.
    Qcow2(Qcow2),
    /// A raw image or data file.
    Raw(Raw),
    /// A symbolic link.
    Symlink(Symlink),
    /// A folder, empty unless other names are inside it.
    Directory(Directory),
    /// A FIFO, which hangs whoever opens it without care.
    Fifo(Fifo),
}

/// A qcow2 image. Its populated guest clusters hold the marker of the image's own name, unless
/// [`Qcow2::uses_data_file`]: then they are mapped, and the data file is an entry of its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Qcow2 {
    /// 2 or 3.
    pub version: u32,
    /// The cluster size as a power of two, 9 to 21.
    pub cluster_bits: u32,
    /// Virtual size in bytes.
    pub size: u64,
    /// Indexes of the guest clusters that are allocated; order and repetition mean nothing.
    pub populated: Vec<u64>,
    /// The backing name as the header stores it, after [`crate::fixture::expand_name`].
    pub backing: Option<String>,
    /// Payload of the backing format extension; may be given without a backing name.
    pub backing_format: Option<String>,
    /// Payload of the data file extension, after [`crate::fixture::expand_name`]. Version 2 has
    /// no such extension, but it can be written there, where readers ignore it.
    pub data_file: Option<String>,
    /// Incompatible bit 2. Without it, set exactly if version 3 has a `data_file`.
    pub data_file_bit: Option<bool>,
    /// Autoclear bit 1; with bit 2 it also maps every guest cluster, as QEMU does.
    pub data_file_raw: bool,
    /// Length of a version 3 header in bytes, 104 or 112; 112 unless given.
    pub header_length: Option<u32>,
}

/// A raw file: holes, and populated clusters that hold the marker of its name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Raw {
    /// Length in bytes.
    pub size: u64,
    /// What an index in `populated` counts, in bytes.
    pub cluster_size: u64,
    /// Indexes of the clusters that are written; order and repetition mean nothing.
    pub populated: Vec<u64>,
}

/// A symbolic link, which may dangle or loop.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Symlink {
    /// Where it points, after [`crate::fixture::expand_name`].
    pub target: String,
}

/// A folder.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Directory {}

/// A FIFO.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fifo {}

impl Default for Qcow2 {
    fn default() -> Qcow2 {
        Qcow2 {
            version: 3,
            cluster_bits: 12,
            size: 32_768,
            populated: vec![0, 5],
            backing: None,
            backing_format: None,
            data_file: None,
            data_file_bit: None,
            data_file_raw: false,
            header_length: None,
        }
    }
}

impl Default for Raw {
    fn default() -> Raw {
        Raw {
            size: 32_768,
            cluster_size: 4096,
            populated: vec![0, 5],
        }
    }
}

impl Qcow2 {
    /// Whether incompatible bit 2 is written: guest clusters then live in a data file, whether
    /// or not the header names one.
    #[must_use]
    pub fn uses_data_file(&self) -> bool {
        self.data_file_bit
            .unwrap_or(self.version >= 3 && self.data_file.is_some())
    }
}
