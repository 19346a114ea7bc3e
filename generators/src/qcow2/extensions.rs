//! Header extensions: which an image has, in which order, and their payloads.

use super::header::{Expand, Tables, expanded};
use super::{bitmaps, luks, resolve};
use crate::layout::{extension, limit};
use crate::recipe::{Bytes, Encryption, Extension, FeatureName, Known, Qcow2, RecipeError};

/// One header extension.
#[derive(Clone, Debug)]
pub(crate) struct DraftExtension {
    pub(crate) kind: u32,
    /// The length field.
    pub(crate) length: u32,
    pub(crate) data: Vec<u8>,
    /// The option that asks for it.
    pub(crate) field: &'static str,
    /// Whether it is meant to be the last, without an end marker behind it.
    pub(crate) ends_area: bool,
}

impl DraftExtension {
    pub(crate) fn new(kind: u32, data: Vec<u8>, field: &'static str) -> DraftExtension {
        DraftExtension {
            kind,
            // Longer payloads have been refused.
            length: data.len() as u32,
            data,
            field,
            ends_area: false,
        }
    }

    /// Appends it with its padding.
    pub(super) fn push_to(&self, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(&self.kind.to_be_bytes());
        bytes.extend_from_slice(&self.length.to_be_bytes());
        bytes.extend_from_slice(&self.data);
        // Relative to the area's start, since a header's length may be any.
        let padding = self.data.len().next_multiple_of(extension::ALIGNMENT) - self.data.len();
        bytes.resize(bytes.len() + padding, 0);
    }
}

/// Every extension in the order in which it is written.
pub(super) fn all(
    file: &str,
    image: &Qcow2,
    tables: &Tables,
    expand: Expand<'_>,
) -> Result<Vec<DraftExtension>, RecipeError> {
    let placed = |known| image.extensions.contains(&Extension::Known(known));
    let usual = [
        Known::BackingFormat,
        Known::DataFile,
        Known::Crypto,
        Known::FeatureNames,
        Known::Bitmaps,
    ];
    let first = usual.into_iter().filter(|known| !placed(*known));
    let last = (image.end_marker && !placed(Known::End)).then_some(Known::End);
    let order = first
        .map(Extension::Known)
        .chain(image.extensions.iter().cloned())
        .chain(last.map(Extension::Known));
    let mut extensions = Vec::new();
    for one in order {
        match one {
            Extension::Known(known) => {
                extensions.extend(known_extension(file, image, tables, known, expand)?);
            }
            Extension::Other(other) => {
                let data = resolve(file, "extensions", &other.data)?;
                let mut one = DraftExtension::new(other.kind, data, "extensions");
                one.length = other.length.unwrap_or(one.length);
                extensions.push(one);
            }
        }
    }
    Ok(extensions)
}

fn known_extension(
    file: &str,
    image: &Qcow2,
    tables: &Tables,
    known: Known,
    expand: Expand<'_>,
) -> Result<Option<DraftExtension>, RecipeError> {
    let format = image.backing_format.as_ref();
    let (kind, field, data) = match known {
        Known::BackingFormat => {
            let data = format.map(|format| resolve(file, "backing-format", format));
            let data = data.transpose()?;
            (extension::BACKING_FORMAT, "backing-format", data)
        }
        Known::DataFile => {
            let data = expanded(file, "data-file", image.data_file.as_ref(), expand)?;
            (extension::DATA_FILE, "data-file", data)
        }
        Known::Crypto => {
            // A layout spells it out, with the place that it was found to name.
            let used = image.encryption == Encryption::Luks && image.layout.is_none();
            let data = [tables.luks, luks::LENGTH];
            let data = used.then(|| data.into_iter().flat_map(u64::to_be_bytes).collect());
            (extension::CRYPTO, "encryption", data)
        }
        Known::FeatureNames => {
            let data = image.feature_names.as_ref().map(|names| {
                let known = if names.known { known_names() } else { vec![] };
                known
                    .iter()
                    .chain(&names.more)
                    .flat_map(feature_name)
                    .collect()
            });
            (extension::FEATURE_NAMES, "feature-names", data)
        }
        Known::Bitmaps => {
            let data = (!image.bitmaps.is_empty()).then(|| bitmaps_payload(image, tables));
            (extension::BITMAPS, "bitmaps", data)
        }
        Known::End => (extension::END, "extensions", Some(Vec::new())),
    };
    Ok(data.map(|data| DraftExtension::new(kind, data, field)))
}

/// Specification: Bitmaps extension.
fn bitmaps_payload(image: &Qcow2, tables: &Tables) -> Vec<u8> {
    let mut data = Vec::new();
    data.extend_from_slice(&(image.bitmaps.len() as u32).to_be_bytes());
    data.extend_from_slice(&0_u32.to_be_bytes());
    data.extend_from_slice(&bitmaps::directory_length(image).to_be_bytes());
    data.extend_from_slice(&tables.bitmap_directory.to_be_bytes());
    data
}

/// The names that the specification gives to feature bits, in the words that QEMU stores.
pub(crate) fn known_names() -> Vec<FeatureName> {
    let names: [(u8, u8, &str); 8] = [
        (0, 0, "dirty bit"),
        (0, 1, "corrupt bit"),
        (0, 2, "external data file"),
        (0, 3, "compression type"),
        (0, 4, "extended L2 entries"),
        (1, 0, "lazy refcounts"),
        (2, 0, "bitmaps"),
        (2, 1, "raw external data"),
    ];
    let name = |(kind, bit, name): (u8, u8, &str)| FeatureName {
        kind,
        bit,
        name: Bytes::from(name),
    };
    names.into_iter().map(name).collect()
}

pub(crate) fn feature_name(feature: &FeatureName) -> Vec<u8> {
    let mut bytes = vec![feature.kind, feature.bit];
    let mut name = feature.name.to_bytes();
    name.resize(limit::FEATURE_NAME_LENGTH, 0);
    bytes.extend_from_slice(&name);
    bytes
}
