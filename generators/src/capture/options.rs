//! What of a header a recipe's options can say.

use super::header::{Found as FoundExtension, Header};
use crate::layout::{
    autoclear, compatible, crypt, extension, header as field, incompatible, limit,
};
use crate::qcow2::{feature_name, known_names};
use crate::recipe::{
    Bytes, Compression, Encryption, Extension, FeatureName, FeatureNames, Known, Layout, Other,
    Qcow2,
};

/// The image in options alone, whether or not they say everything.
pub(super) fn options(header: &Header, layout: Layout) -> Qcow2 {
    let mut image = Qcow2 {
        version: if header.version == 2 { 2 } else { 3 },
        cluster_bits: header.cluster_bits,
        size: expressible(header.size),
        populated: [].into(),
        encryption: match header.crypt_method {
            crypt::AES => Encryption::Aes,
            crypt::LUKS => Encryption::Luks,
            _ => Encryption::None,
        },
        layout: Some(Box::new(layout)),
        backing: header
            .backing
            .clone()
            .map(|range| Bytes::verbatim(header.bytes[range].to_vec())),
        ..Qcow2::default()
    };
    set_extensions(header, &mut image);
    if image.version == 3 {
        set_version_3(header, &mut image);
    }
    image
}

fn set_version_3(header: &Header, image: &mut Qcow2) {
    let has = |bits: u64, mask: u64| bits & mask != 0;
    if header.header_length as usize != field::LENGTH_V3 {
        image.header_length = Some(header.header_length);
    }
    let tail = header.bytes.get(field::LENGTH_V3..header.written_length());
    let tail = tail.unwrap_or_default();
    if let Some(last) = tail.iter().rposition(|byte| *byte != 0) {
        image.header_tail = Some(Bytes::Hex(tail[..=last].to_vec()));
    }
    if header.refcount_order != limit::REFCOUNT_ORDER_DEFAULT {
        image.refcount_order = Some(header.refcount_order);
    }
    image.dirty = has(header.incompatible, incompatible::DIRTY);
    image.corrupt = has(header.incompatible, incompatible::CORRUPT);
    let external = has(header.incompatible, incompatible::DATA_FILE);
    if external != image.uses_data_file() {
        image.data_file_bit = Some(external);
    }
    let mut rest = header.incompatible & !(incompatible::DIRTY | incompatible::CORRUPT);
    rest &= !incompatible::DATA_FILE;
    if compression(header) == Compression::Zstd && has(rest, incompatible::COMPRESSION_TYPE) {
        image.compression = Compression::Zstd;
        rest &= !incompatible::COMPRESSION_TYPE;
    }
    let large = header.cluster_bits >= limit::EXTENDED_CLUSTER_BITS_MIN;
    if large && header.extended_l2() {
        image.extended_l2 = true;
        rest &= !incompatible::EXTENDED_L2;
    }
    image.incompatible_bits = numbers_of(rest);
    image.lazy_refcounts = has(header.compatible, compatible::LAZY_REFCOUNTS);
    image.compatible_bits = numbers_of(header.compatible & !compatible::LAZY_REFCOUNTS);
    image.data_file_raw = has(header.autoclear, autoclear::DATA_FILE_RAW);
    if has(header.autoclear, autoclear::BITMAPS) {
        image.bitmaps_bit = Some(true);
    }
    let known = autoclear::DATA_FILE_RAW | autoclear::BITMAPS;
    image.autoclear_bits = numbers_of(header.autoclear & !known);
}

fn numbers_of(bits: u64) -> Vec<u32> {
    (0..u64::BITS).filter(|bit| bits >> bit & 1 != 0).collect()
}

/// Extensions in their order; the list stays empty where they stand in QEMU's.
fn set_extensions(header: &Header, image: &mut Qcow2) {
    let mut list = Vec::new();
    for found in &header.extensions {
        list.push(extension_of(header, found, image));
    }
    image.end_marker = list.contains(&Extension::Known(Known::End));
    let known = |one: &Extension| match one {
        Extension::Known(known) => Some(*known),
        Extension::Other(_) => None,
    };
    let usual: Option<Vec<Known>> = list.iter().map(known).collect();
    let sorted = usual.is_some_and(|usual| usual.is_sorted());
    if !sorted {
        image.extensions = list;
    }
}

fn extension_of(header: &Header, found: &FoundExtension, image: &mut Qcow2) -> Extension {
    let data = &header.bytes[found.data.clone()];
    let known = match found.kind {
        extension::END if data.is_empty() => Some(Known::End),
        extension::BACKING_FORMAT if image.backing_format.is_none() => {
            image.backing_format = Some(Bytes::verbatim(data.to_vec()));
            Some(Known::BackingFormat)
        }
        extension::DATA_FILE if image.data_file.is_none() => {
            image.data_file = Some(Bytes::verbatim(data.to_vec()));
            Some(Known::DataFile)
        }
        extension::FEATURE_NAMES if image.feature_names.is_none() => {
            image.feature_names = feature_names(data);
            image.feature_names.is_some().then_some(Known::FeatureNames)
        }
        _ => None,
    };
    known.map_or_else(
        || {
            let data = data.to_vec();
            let data = if data.is_empty() {
                Bytes::default()
            } else {
                Bytes::Hex(data)
            };
            Extension::Other(Other {
                kind: found.kind,
                data,
                length: None,
            })
        },
        Extension::Known,
    )
}

/// The table of feature names, if options can write it.
fn feature_names(data: &[u8]) -> Option<FeatureNames> {
    let table =
        |names: &[FeatureName]| -> Vec<u8> { names.iter().flat_map(feature_name).collect() };
    let known = known_names();
    if table(&known) == data {
        return Some(FeatureNames {
            known: true,
            more: Vec::new(),
        });
    }
    let (entries, rest) = data.as_chunks::<48>();
    let more: Vec<FeatureName> = entries
        .iter()
        .map(|entry| {
            let end = entry.iter().rposition(|byte| *byte != 0);
            let name = entry.get(2..=end.unwrap_or_default()).unwrap_or_default();
            FeatureName {
                kind: entry[0],
                bit: entry[1],
                name: Bytes::verbatim(name.to_vec()),
            }
        })
        .collect();
    let names = FeatureNames { known: false, more };
    (rest.is_empty() && table(&names.more) == data).then_some(names)
}

/// TOML's numbers have 63 bits; a patch has to write what is larger.
pub(super) fn expressible(value: u64) -> u64 {
    if i64::try_from(value).is_ok() {
        value
    } else {
        0
    }
}

pub(super) fn compression(header: &Header) -> Compression {
    match header.compression_type {
        1 => Compression::Zstd,
        _ => Compression::Deflate,
    }
}
