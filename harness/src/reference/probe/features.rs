//! Names of feature bits (qcow2 specification, Feature name table).
//!
//! The table in the header extensions has entries of 48 bytes: 8 bits kind (0 incompatible,
//! 1 compatible, 2 autoclear), 8 bits number of the bit, 46 bytes name, padded with zeros. It
//! names bits for messages; what a bit does is never learnt from it.

use std::io;

use super::ProbeError;
use super::error::RejectClass as Class;
use super::extensions::{Extension, Walk};
use super::header::Fields;
use crate::reference::bytes::Name;
use crate::reference::layout;
use crate::reference::window::Window;

const INCOMPATIBLE: [(u64, &str); 5] = [
    (layout::DIRTY, "dirty"),
    (layout::CORRUPT, "corrupt"),
    (layout::DATA_FILE, "data-file"),
    (layout::COMPRESSION, "compression-type"),
    (layout::EXTENDED_L2, "extended-l2"),
];
const COMPATIBLE: [(u64, &str); 1] = [(layout::LAZY_REFCOUNTS, "lazy-refcounts")];
const AUTOCLEAR: [(u64, &str); 2] = [
    (layout::BITMAPS, "bitmaps"),
    (layout::DATA_FILE_RAW, "data-file-raw"),
];

/// One name of the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeatureName {
    /// 0 incompatible, 1 compatible, 2 autoclear; anything else as it stands.
    pub kind: u8,
    /// Number of the bit, as it stands.
    pub bit: u8,
    /// The name with its padding.
    pub name: Name,
}

/// Refuses features that nobody knows, and those that the rest of the header contradicts.
pub(super) fn check(window: &mut Window<'_>, fields: &Fields) -> Result<(), ProbeError> {
    let unknown = unknown_incompatible(fields.incompatible);
    if unknown != 0 {
        let names = describe_unknown(window, fields, unknown)?;
        let message = format!("unknown incompatible features: {names}");
        return Err(ProbeError::new(
            Class::UnknownFeature,
            layout::INCOMPATIBLE,
            message,
        ));
    }
    let subcluster = fields.cluster_size() / layout::SUBCLUSTERS;
    if fields.extended_l2() && subcluster < layout::MIN_SUBCLUSTER_SIZE {
        let message = format!("subclusters of {subcluster} bytes");
        return Err(ProbeError::new(
            Class::BadSubclusterSize,
            layout::CLUSTER_BITS,
            message,
        ));
    }
    if fields.refcount_order > layout::MAX_REFCOUNT_ORDER {
        let message = format!("refcounts of 2^{} bits", fields.refcount_order);
        return Err(ProbeError::new(
            Class::BadRefcountWidth,
            layout::REFCOUNT_ORDER,
            message,
        ));
    }
    Ok(())
}

/// The incompatible bits that nobody knows; an image with one must not be opened.
fn unknown_incompatible(bits: u64) -> u64 {
    INCOMPATIBLE.iter().fold(bits, |rest, (bit, _)| rest & !bit)
}

/// Names of the incompatible bits, unknown ones as `bit-N`, lowest first.
#[must_use]
pub fn incompatible_names(bits: u64) -> Vec<String> {
    names(&INCOMPATIBLE, bits)
}

/// Names of the compatible bits, unknown ones as `bit-N`, lowest first.
#[must_use]
pub fn compatible_names(bits: u64) -> Vec<String> {
    names(&COMPATIBLE, bits)
}

/// Names of the autoclear bits, unknown ones as `bit-N`, lowest first.
#[must_use]
pub fn autoclear_names(bits: u64) -> Vec<String> {
    names(&AUTOCLEAR, bits)
}

fn names(known: &[(u64, &str)], bits: u64) -> Vec<String> {
    let name = |number: u32| {
        known
            .iter()
            .find(|(bit, _)| *bit == 1 << number)
            .map_or_else(|| format!("bit-{number}"), |(_, name)| (*name).to_owned())
    };
    (0..64)
        .filter(|number| bits >> number & 1 == 1)
        .map(name)
        .collect()
}

/// The table of an extension, up to its first entry without a name.
pub(super) fn table(
    window: &mut Window<'_>,
    extension: &Extension,
) -> io::Result<Vec<FeatureName>> {
    let end = extension.data() + u64::from(extension.length);
    let mut offset = extension.data();
    let mut names = Vec::new();
    while offset + layout::FEATURE_NAME_ENTRY <= end {
        let entry = window.slice(offset, layout::FEATURE_NAME_ENTRY)?;
        let &[kind, bit, ref name @ ..] = entry else {
            break;
        };
        if name.first().is_none_or(|first| *first == 0) {
            break;
        }
        let name = Name { raw: name.to_vec() };
        names.push(FeatureName { kind, bit, name });
        offset += layout::FEATURE_NAME_ENTRY;
    }
    Ok(names)
}

/// Unknown incompatible bits in words: the image's own names where it has some.
fn describe_unknown(
    window: &mut Window<'_>,
    fields: &Fields,
    bits: u64,
) -> Result<String, ProbeError> {
    let mut table_names = Vec::new();
    let mut walk = Walk::new(fields);
    // Whatever else is wrong with the area, the unknown bit comes first.
    while let Ok(Some(extension)) = walk.next(window) {
        match extension.kind {
            layout::EXT_END => break,
            layout::EXT_FEATURE_NAMES => table_names = table(window, &extension)?,
            _ => {}
        }
    }
    let describe = |number: u32| {
        let named = table_names
            .iter()
            .find(|entry| entry.kind == 0 && u32::from(entry.bit) == number);
        named.map_or_else(
            || format!("bit {number}"),
            |entry| format!("bit {number} ({:?})", entry.name.text()),
        )
    };
    let unknown: Vec<String> = (0..64)
        .filter(|number| bits >> number & 1 == 1)
        .map(describe)
        .collect();
    Ok(unknown.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bit_has_a_name_and_unknown_ones_have_a_number() {
        let names = incompatible_names(0b11_1111);
        let expected = [
            "dirty",
            "corrupt",
            "data-file",
            "compression-type",
            "extended-l2",
            "bit-5",
        ];
        assert_eq!(names, expected);
        assert_eq!(autoclear_names(0b110), ["data-file-raw", "bit-2"]);
        assert_eq!(compatible_names(1 << 63 | 1), ["lazy-refcounts", "bit-63"]);
    }
}
