//! What is known of an image.

use super::bitmaps::Bitmap;
use super::extensions::{BitmapsArea, Extension, Extensions, LuksArea};
use super::features::FeatureName;
use super::header::Fields;
use super::snapshots::Snapshot;
use super::tables;
use crate::reference::bytes::Name;
use crate::reference::format::Format;
use crate::reference::layout;
use crate::reference::violation::Violation;

/// The facts in an image's header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// The format that was declared or recognised.
    pub format: Format,
    /// The virtual size in bytes, rounded down to 512 for qcow2 and up for a raw file, as QEMU
    /// does; absent for a format that isn't read.
    pub virtual_size: Option<u64>,
    /// The fixed part of a qcow2 header; absent for every other format.
    pub fields: Option<Fields>,
    /// The backing image that the header names.
    pub backing: Option<Backing>,
    /// Present exactly when the image uses an external data file: version 3 and incompatible
    /// bit 2.
    pub data_file: Option<DataFile>,
    /// A data file's name in an image that doesn't use one.
    pub unused_data_file_name: Option<Name>,
    /// Where the LUKS header is.
    pub luks: Option<LuksArea>,
    /// Where the persistent bitmaps are, if there are any that count.
    pub bitmaps: Option<BitmapsArea>,
    /// What the specification forbids and QEMU accepts.
    pub violations: Vec<Violation>,
}

/// A backing image as a header names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backing {
    /// Its name, never empty.
    pub name: Name,
    /// The name of its format as it stands in the image, if the header says so.
    pub format_name: Option<Name>,
}

impl Backing {
    /// Its format up to the first NUL, made valid UTF-8; absent where that is empty.
    #[must_use]
    pub fn format(&self) -> Option<String> {
        let text = self.format_name.as_ref().map(Name::text);
        text.filter(|text| !text.is_empty())
    }
}

/// An external data file as a header describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataFile {
    /// Its name, absent where no extension gives one, and possibly empty.
    pub name: Option<Name>,
    /// Whether it promises to hold exactly what the guest sees.
    pub raw: bool,
}

/// An image as far as opening it reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opened {
    /// The header.
    pub header: Header,
    /// Every extension, known or not, in the order of the header.
    pub extensions: Vec<Extension>,
    /// The feature name table.
    pub feature_names: Vec<FeatureName>,
    /// The first [`super::LISTED_MAX`] internal snapshots.
    pub snapshots: Vec<Snapshot>,
    /// The first [`super::LISTED_MAX`] persistent bitmaps.
    pub bitmaps: Vec<Bitmap>,
}

impl Header {
    pub(super) fn without_facts(format: Format) -> Self {
        Self {
            format,
            virtual_size: None,
            fields: None,
            backing: None,
            data_file: None,
            unused_data_file_name: None,
            luks: None,
            bitmaps: None,
            violations: Vec::new(),
        }
    }

    pub(super) fn of_qcow2(
        fields: Fields,
        extensions: Extensions,
        backing: Option<Name>,
        violations: Vec<Violation>,
    ) -> Self {
        let name = extensions.data_file.map(|(name, _)| name);
        let (data_file, unused_data_file_name) = if fields.uses_data_file() {
            let raw = fields.autoclear & layout::DATA_FILE_RAW != 0;
            (Some(DataFile { name, raw }), None)
        } else {
            (None, name)
        };
        let format_name = extensions.backing_format.map(|(name, _)| name);
        let backing = backing.filter(|name| !name.bytes().is_empty());
        Self {
            format: Format::Qcow2,
            virtual_size: Some(tables::virtual_size(&fields)),
            fields: Some(fields),
            backing: backing.map(|name| Backing { name, format_name }),
            data_file,
            unused_data_file_name,
            luks: extensions.luks,
            bitmaps: extensions.bitmaps,
            violations,
        }
    }
}
