//! What to write: the description that a fixture is made from.
//!
//! Every option has a default, so a recipe says only what matters to it. In TOML:
//!
//! ```toml
//! seed = 7
//! [files]
//! "disk.qcow2" = { qcow2 = { data-file = "disk.raw", data-file-raw = true } }
//! "disk.raw" = { raw = { populated = ["0..8"] } }
//! "sub/link" = { symlink = { target = "../disk.raw" } }
//! ```
//!
//! A recipe may ask for an image that no reader should accept; only what cannot be written at
//! all is an error.

mod bytes;
mod check;
mod clusters;
mod error;
mod extension;
mod layout;
mod metadata;
mod qcow2;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use bytes::{Bytes, has_placeholder, hex};
pub(crate) use check::check_inside;
pub use clusters::Clusters;
pub use error::RecipeError;
pub use extension::{Extension, FeatureName, FeatureNames, Known, Other};
pub use layout::{Layout, MarkedData, Piece, PieceContent};
pub use metadata::{Bitmap, Snapshot};
pub use qcow2::{Compression, Encryption, Patch, Qcow2, Subclusters};

/// A folder of files. The same recipe gives the same bytes on every machine, unless a name in it
/// uses `{dir}`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Recipe {
    /// Goes into every marker; two fixtures with different seeds share no populated block.
    pub seed: u64,
    /// Names relative to the fixture's folder, with `/` between folders, which are made on the
    /// way. Names that are not UTF-8, and backslashes, are written as [`crate::file_name`] says.
    pub files: BTreeMap<String, Content>,
}

/// What one name of a fixture is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Content {
    /// A qcow2 image.
    Qcow2(Box<Qcow2>),
    /// A raw image or data file.
    Raw(Raw),
    /// A symbolic link.
    Symlink(Symlink),
    /// A folder, empty unless other names are inside it.
    Directory(Directory),
    /// A FIFO, which hangs whoever opens it without care.
    Fifo(Fifo),
    /// A socket that nobody listens on.
    Socket(Socket),
    /// A further name of another file of the recipe.
    HardLink(HardLink),
    /// A file that is there already and stays as it is.
    Given(Given),
}

impl From<Qcow2> for Content {
    fn from(image: Qcow2) -> Content {
        Content::Qcow2(Box::new(image))
    }
}

impl From<Raw> for Content {
    fn from(raw: Raw) -> Content {
        Content::Raw(raw)
    }
}

/// A raw file: holes, and populated clusters that hold the marker of its name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Raw {
    /// Length in bytes.
    pub size: u64,
    /// What an index in `populated` counts, in bytes.
    pub cluster_size: u64,
    /// The clusters that are written.
    pub populated: Clusters,
    /// What the file starts with, whether or not cluster 0 is populated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start: Option<Bytes>,
}

/// A symbolic link, which may dangle or loop.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Symlink {
    /// Where it points, after [`crate::fixture::expand_name`].
    pub target: Bytes,
}

/// A folder.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Directory {}

/// A FIFO.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fifo {}

/// A socket.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Socket {}

/// A hard link.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct HardLink {
    /// The name in the recipe of the file that gets one name more; it is no link itself.
    pub target: String,
}

/// A regular file that was in the folder before: a disk that has been in use, over which a new
/// image is written. It is not opened, let alone changed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Given {}

impl Default for Raw {
    fn default() -> Raw {
        Raw {
            size: 32_768,
            cluster_size: 4096,
            populated: [0, 5].into(),
            start: None,
        }
    }
}
