//! Facts of an image that have parts, in the shape of `inspect --json`.

use serde::Serialize;

use crate::reference::bytes::Name;
use crate::reference::probe::bitmaps::Bitmap;
use crate::reference::probe::extensions::{BitmapsArea, Extension};
use crate::reference::probe::features::FeatureName;
use crate::reference::probe::header::Fields;
use crate::reference::probe::snapshots::Snapshot;
use crate::reference::probe::{Backing, DataFile};

/// A name as an image stores it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NameFacts {
    /// Up to the first NUL, made valid UTF-8.
    pub name: String,
    /// The whole payload in hexadecimal.
    pub name_hex: String,
}

/// A backing image as a header names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BackingFacts {
    /// Its name.
    #[serde(flatten)]
    pub name: NameFacts,
    /// The format that the header gives.
    pub format: Option<String>,
    /// The same as it stands in the image, in hexadecimal.
    pub format_hex: Option<String>,
}

/// A data file as a header describes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DataFileFacts {
    /// Up to the first NUL, made valid UTF-8; absent where the header gives none.
    pub name: Option<String>,
    /// The whole payload in hexadecimal.
    pub name_hex: Option<String>,
    /// Whether it promises to hold exactly what the guest sees.
    pub raw: bool,
}

/// Internal snapshots.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SnapshotsFacts {
    /// How many there are.
    pub count: u32,
    /// Where their table is, in bytes.
    pub offset: u64,
    /// The first [`crate::reference::probe::LISTED_MAX`] of them.
    pub listed: Vec<SnapshotFacts>,
}

/// One internal snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SnapshotFacts {
    /// Its id, made valid UTF-8.
    pub id: String,
    /// Its name.
    #[serde(flatten)]
    pub name: NameFacts,
    /// Size of the saved machine state in bytes.
    pub vm_state_size: u64,
    /// Virtual size in bytes.
    pub disk_size: u64,
}

/// Persistent bitmaps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BitmapsFacts {
    /// How many there are.
    pub count: u32,
    /// Where their directory is, in bytes.
    pub offset: u64,
    /// Length of the directory in bytes.
    pub size: u64,
    /// The first [`crate::reference::probe::LISTED_MAX`] of them.
    pub listed: Vec<BitmapFacts>,
}

/// One persistent bitmap.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BitmapFacts {
    /// Its name.
    #[serde(flatten)]
    pub name: NameFacts,
    /// How many bytes of the disk one bit stands for.
    pub granularity: u64,
    /// Of `in-use` and `auto`, those that are set.
    pub flags: Vec<&'static str>,
}

/// One name of the feature name table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FeatureNameFacts {
    /// `incompatible`, `compatible`, `autoclear` or `unknown`.
    pub kind: &'static str,
    /// The bit's number.
    pub bit: u8,
    /// Its name.
    #[serde(flatten)]
    pub name: NameFacts,
}

/// One header extension.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ExtensionFacts {
    /// Its type, eight hexadecimal digits.
    #[serde(rename = "type")]
    pub kind: String,
    /// Where it stands in the image, in bytes.
    pub offset: u64,
    /// Length of its data in bytes.
    pub length: u32,
}

impl From<&Name> for NameFacts {
    fn from(name: &Name) -> Self {
        Self {
            name: name.text(),
            name_hex: name.hex(),
        }
    }
}

impl From<&Backing> for BackingFacts {
    fn from(backing: &Backing) -> Self {
        Self {
            name: NameFacts::from(&backing.name),
            format: backing.format(),
            format_hex: backing.format_name.as_ref().map(Name::hex),
        }
    }
}

impl From<&DataFile> for DataFileFacts {
    fn from(data_file: &DataFile) -> Self {
        Self {
            name: data_file.name.as_ref().map(Name::text),
            name_hex: data_file.name.as_ref().map(Name::hex),
            raw: data_file.raw,
        }
    }
}

impl SnapshotsFacts {
    pub(super) fn new(fields: &Fields, listed: &[Snapshot]) -> Self {
        let facts = |snapshot: &Snapshot| SnapshotFacts {
            id: snapshot.id.text(),
            name: NameFacts::from(&snapshot.name),
            vm_state_size: snapshot.vm_state_size,
            disk_size: snapshot.disk_size,
        };
        Self {
            count: fields.snapshots,
            offset: fields.snapshots_offset,
            listed: listed.iter().map(facts).collect(),
        }
    }
}

impl BitmapsFacts {
    pub(super) fn new(area: BitmapsArea, listed: &[Bitmap]) -> Self {
        let facts = |bitmap: &Bitmap| BitmapFacts {
            name: NameFacts::from(&bitmap.name),
            granularity: bitmap.granularity,
            flags: [("in-use", bitmap.in_use), ("auto", bitmap.auto)]
                .into_iter()
                .filter_map(|(name, set)| set.then_some(name))
                .collect(),
        };
        Self {
            count: area.count,
            offset: area.offset,
            size: area.size,
            listed: listed.iter().map(facts).collect(),
        }
    }
}

impl From<&FeatureName> for FeatureNameFacts {
    fn from(feature: &FeatureName) -> Self {
        let kind = match feature.kind {
            0 => "incompatible",
            1 => "compatible",
            2 => "autoclear",
            _ => "unknown",
        };
        Self {
            kind,
            bit: feature.bit,
            name: NameFacts::from(&feature.name),
        }
    }
}

impl From<&Extension> for ExtensionFacts {
    fn from(extension: &Extension) -> Self {
        Self {
            kind: format!("{:08x}", extension.kind),
            offset: extension.offset,
            length: extension.length,
        }
    }
}
