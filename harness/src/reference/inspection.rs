//! What `inspect` reports about one image.

use std::path::Path;

use serde::Serialize;

use super::bytes::Name;
use super::file::{OpenError, open_image};
use super::format::Format;
use super::probe::{self, Header, ProbeError, features};
use super::violation::Violation;

/// The header facts of one image, in the shape of `inspect --json`.
///
/// The facts of a rejected image are absent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
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
    /// The backing image that the header names.
    pub backing: Option<BackingFacts>,
    /// The data file, exactly when the image uses one.
    pub data_file: Option<DataFileFacts>,
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

/// A backing image as a header names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BackingFacts {
    /// Up to the first NUL, made valid UTF-8.
    pub name: String,
    /// The whole payload in hexadecimal.
    pub name_hex: String,
    /// The format that the header gives.
    pub format: Option<String>,
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
        match probe_path(path, format) {
            Ok(header) => Ok(Self::accepted(path, header)),
            Err(ProbeFailure::Probe(error)) => Ok(Self::rejected(path, error)),
            Err(ProbeFailure::Open(error)) => Err(error),
        }
    }

    fn accepted(path: &Path, header: Header) -> Self {
        let fields = header.fields;
        let bits = |pick: fn(&probe::header::Fields) -> u64| fields.as_ref().map_or(0, pick);
        Self {
            accepted: true,
            format: Some(header.format),
            version: fields.as_ref().map(|fields| fields.version),
            virtual_size: header.virtual_size,
            cluster_bits: fields.as_ref().map(|fields| fields.cluster_bits),
            header_length: fields.as_ref().map(|fields| fields.header_length),
            incompatible: Some(features::incompatible_names(bits(|fields| {
                fields.incompatible
            }))),
            compatible: Some(features::compatible_names(bits(|fields| fields.compatible))),
            autoclear: Some(features::autoclear_names(bits(|fields| fields.autoclear))),
            backing: header.backing.map(|backing| BackingFacts {
                name: backing.name.text(),
                name_hex: backing.name.hex(),
                format: backing.format,
            }),
            data_file: header.data_file.map(|data_file| DataFileFacts {
                name: data_file.name.as_ref().map(Name::text),
                name_hex: data_file.name.as_ref().map(Name::hex),
                raw: data_file.raw,
            }),
            violations: header.violations,
            ..Self::empty(path)
        }
    }

    fn rejected(path: &Path, error: ProbeError) -> Self {
        let error = Rejection {
            class: error.class.as_str(),
            message: error.message,
            offset: error.offset,
        };
        Self {
            error: Some(error),
            ..Self::empty(path)
        }
    }

    fn empty(path: &Path) -> Self {
        Self {
            path: path.to_string_lossy().into_owned(),
            accepted: false,
            error: None,
            format: None,
            version: None,
            virtual_size: None,
            cluster_bits: None,
            header_length: None,
            incompatible: None,
            compatible: None,
            autoclear: None,
            backing: None,
            data_file: None,
            violations: Vec::new(),
        }
    }
}
