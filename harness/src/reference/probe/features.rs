//! Names of feature bits.

use crate::reference::layout;

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

/// The incompatible bits that nobody knows; an image with one must not be opened.
pub(super) fn unknown_incompatible(bits: u64) -> u64 {
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
