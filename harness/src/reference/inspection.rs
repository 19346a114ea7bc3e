//! What `inspect` reports about one image.

use std::path::Path;

use serde::Serialize;

use super::file::{OpenError, open_image};
use super::format::Format;
use super::layout;
use super::probe::extensions::LuksArea;
use super::probe::header::Fields;
use super::probe::{self, Header, Opened, ProbeError, features};
use super::violation::Violation;

mod facts;

pub use facts::{
    BackingFacts, BitmapFacts, BitmapsFacts, DataFileFacts, ExtensionFacts, FeatureNameFacts,
    NameFacts, SnapshotFacts, SnapshotsFacts,
};

/// The facts of one image, in the shape of `inspect --json`.
///
/// The facts of a rejected image are absent, and so are those that its format doesn't have.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Inspection {
    /// The image as given, made valid UTF-8.
    pub path: String,
    /// Whether the image can be opened.
    pub accepted: bool,
    /// Why it can't.
    pub error: Option<Rejection>,
    /// The declared or recognised format.
    pub format: Option<Format>,
    /// 2 or 3 for qcow2, absent for other formats.
    pub version: Option<u32>,
    /// In bytes; absent for a format that isn't read.
    pub virtual_size: Option<u64>,
    /// Binary logarithm of the cluster size in bytes.
    pub cluster_bits: Option<u32>,
    /// In bytes; 72 for version 2.
    pub header_length: Option<u32>,
    /// Names of the incompatible feature bits.
    pub incompatible: Option<Vec<String>>,
    /// Names of the compatible feature bits.
    pub compatible: Option<Vec<String>>,
    /// Names of the autoclear feature bits.
    pub autoclear: Option<Vec<String>>,
    /// Width of a refcount in bits.
    pub refcount_bits: Option<u32>,
    /// `deflate` or `zstd`.
    pub compression: Option<&'static str>,
    /// `none`, `aes` or `luks`.
    pub encryption: Option<&'static str>,
    /// Where the LUKS header is.
    pub luks: Option<LuksArea>,
    /// The backing image that the header names.
    pub backing: Option<BackingFacts>,
    /// The data file, exactly when the image uses one.
    pub data_file: Option<DataFileFacts>,
    /// The name of a data file in an image that doesn't use one.
    pub unused_data_file: Option<NameFacts>,
    /// Internal snapshots.
    pub snapshots: Option<SnapshotsFacts>,
    /// Persistent bitmaps, unless there are none that count.
    pub bitmaps: Option<BitmapsFacts>,
    /// The feature name table.
    pub feature_names: Option<Vec<FeatureNameFacts>>,
    /// Every header extension, known or not.
    pub extensions: Option<Vec<ExtensionFacts>>,
    /// What the specification forbids and QEMU accepts.
    pub violations: Vec<Violation>,
}

/// Why an image can't be opened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Rejection {
    /// The class, see [`probe::RejectClass`].
    pub class: &'static str,
    /// A lowercase fragment.
    pub message: String,
    /// Where in the image, in bytes.
    pub offset: u64,
}

/// A header couldn't be had from a path.
#[derive(Debug, thiserror::Error)]
pub enum ProbeFailure {
    /// The file can't be read at all.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The file isn't a valid image.
    #[error(transparent)]
    Probe(#[from] ProbeError),
}

/// Opens a file and reads its header.
///
/// # Errors
///
/// [`ProbeFailure::Open`] for a file that can't be read, [`ProbeFailure::Probe`] for one that
/// isn't a valid image.
pub fn probe_path(path: &Path, format: Option<Format>) -> Result<Header, ProbeFailure> {
    let file = open_image(path)?;
    Ok(probe::probe(&file, format)?)
}

impl Inspection {
    /// Inspects the file at `path`; a rejected image is a result, not an error.
    ///
    /// # Errors
    ///
    /// [`OpenError`] where the file can't be read.
    pub fn of(path: &Path, format: Option<Format>) -> Result<Self, OpenError> {
        let file = open_image(path)?;
        let facts = match probe::inspect(&file, format) {
            Ok(opened) => Self::accepted(opened),
            Err(error) => Self::rejected(error),
        };
        Ok(Self {
            path: path.to_string_lossy().into_owned(),
            ..facts
        })
    }

    fn accepted(opened: Opened) -> Self {
        let common = Self {
            accepted: true,
            format: Some(opened.header.format),
            virtual_size: opened.header.virtual_size,
            ..Self::default()
        };
        match opened.header.fields.clone() {
            // Formats without feature bits have none of them set.
            None => Self {
                incompatible: Some(Vec::new()),
                compatible: Some(Vec::new()),
                autoclear: Some(Vec::new()),
                ..common
            },
            Some(fields) => common.with_fields(&fields).with_contents(&fields, opened),
        }
    }

    fn with_fields(self, fields: &Fields) -> Self {
        Self {
            version: Some(fields.version),
            cluster_bits: Some(fields.cluster_bits),
            header_length: Some(fields.header_length),
            incompatible: Some(features::incompatible_names(fields.incompatible)),
            compatible: Some(features::compatible_names(fields.compatible)),
            autoclear: Some(features::autoclear_names(fields.autoclear)),
            refcount_bits: Some(1 << fields.refcount_order),
            compression: Some(fields.compression.as_str()),
            encryption: Some(encryption(fields.crypt_method)),
            ..self
        }
    }

    fn with_contents(self, fields: &Fields, opened: Opened) -> Self {
        let header = opened.header;
        Self {
            luks: header.luks,
            backing: header.backing.as_ref().map(BackingFacts::from),
            data_file: header.data_file.as_ref().map(DataFileFacts::from),
            unused_data_file: header.unused_data_file_name.as_ref().map(NameFacts::from),
            snapshots: Some(SnapshotsFacts::new(fields, &opened.snapshots)),
            bitmaps: header
                .bitmaps
                .map(|area| BitmapsFacts::new(area, &opened.bitmaps)),
            feature_names: Some(opened.feature_names.iter().map(Into::into).collect()),
            extensions: Some(opened.extensions.iter().map(Into::into).collect()),
            violations: header.violations,
            ..self
        }
    }

    fn rejected(error: ProbeError) -> Self {
        let error = Rejection {
            class: error.class.as_str(),
            message: error.message,
            offset: error.offset,
        };
        Self {
            error: Some(error),
            ..Self::default()
        }
    }
}

fn encryption(method: u32) -> &'static str {
    match method {
        layout::CRYPT_AES => "aes",
        layout::CRYPT_LUKS => "luks",
        _ => "none",
    }
}
