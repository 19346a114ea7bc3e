//! Strategies for what stands in the first cluster beside names.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use crate::layout::{extension, header as field};
use crate::recipe::{
    Bytes, Compression, Extension, FeatureName, FeatureNames, Known, Other, Qcow2,
};

/// Room for extensions that mean nothing, in bytes: the rest of 512 bytes is for names.
const ROOM: usize = 96;

#[derive(Clone, Debug)]
pub(super) struct Header {
    header_length: Option<u32>,
    tail: Vec<u8>,
    flags: [bool; 3],
    compatible_bits: Vec<u32>,
    autoclear_bits: Vec<u32>,
    feature_names: Option<FeatureNames>,
    extensions: Vec<Extension>,
    end_marker: bool,
}

pub(super) fn header(version: u32) -> impl Strategy<Value = Header> {
    let length = prop_oneof![
        3 => Just(None),
        1 => Just(Some(field::LENGTH_V3_MIN as u32)),
        1 => (0_u32..=4).prop_map(|more| Some(field::LENGTH_V3 as u32 + more * 8)),
    ];
    let fields = (
        length,
        vec(any::<u8>(), 0..32),
        any::<[bool; 3]>(),
        vec(1_u32..64, 0..3),
        vec(2_u32..64, 0..3),
    );
    let names = option::weighted(0.3, feature_names());
    (fields, names, extensions(), any::<bool>()).prop_map(
        move |(fields, feature_names, extensions, end_marker)| {
            let (header_length, tail, flags, compatible_bits, autoclear_bits) = fields;
            let mut header = Header {
                header_length,
                tail,
                flags,
                compatible_bits,
                autoclear_bits,
                feature_names,
                extensions,
                end_marker,
            };
            if version == 2 {
                header.drop_version_3();
            }
            header
        },
    )
}

fn feature_names() -> impl Strategy<Value = FeatureNames> {
    let name = (0_u8..3, 5_u8..64, "[a-z ]{1,50}").prop_map(|(kind, bit, name)| FeatureName {
        kind,
        bit,
        name: Bytes::from(name),
    });
    (any::<bool>(), vec(name, 0..2)).prop_map(|(known, more)| FeatureNames { known, more })
}

/// Known extensions in any order, others between them.
fn extensions() -> impl Strategy<Value = Vec<Extension>> {
    let known = [
        Known::BackingFormat,
        Known::DataFile,
        Known::FeatureNames,
        Known::Bitmaps,
    ];
    let known = known.map(Extension::Known).to_vec();
    let known = proptest::sample::subsequence(known, 0..=4);
    (known, vec(unknown(), 0..4)).prop_flat_map(|(known, unknown)| {
        let mut all = known;
        let mut room = ROOM;
        for other in unknown {
            let length = other.data.length().next_multiple_of(extension::ALIGNMENT);
            let fits = room.checked_sub(length + extension::HEAD_LENGTH);
            if let Some(rest) = fits {
                room = rest;
                all.push(Extension::Other(other));
            }
        }
        Just(all).prop_shuffle()
    })
}

fn unknown() -> impl Strategy<Value = Other> {
    let known = [
        extension::END,
        extension::BACKING_FORMAT,
        extension::DATA_FILE,
        extension::FEATURE_NAMES,
        extension::CRYPTO,
        extension::BITMAPS,
    ];
    let kind = any::<u32>().prop_filter("a type of its own", move |kind| !known.contains(kind));
    (kind, vec(any::<u8>(), 0..40)).prop_map(|(kind, data)| Other {
        kind,
        data: Bytes::from(data),
        length: None,
    })
}

impl Header {
    fn drop_version_3(&mut self) {
        self.header_length = None;
        self.tail.clear();
        self.flags = [false; 3];
        self.compatible_bits.clear();
        self.autoclear_bits.clear();
    }

    pub(super) fn put_into(mut self, image: &mut Qcow2) {
        let min = field::LENGTH_V3 as u32;
        let length = self.header_length;
        let too_short = image.compression == Compression::Zstd && length < Some(min);
        image.header_length = length.filter(|_| !too_short);
        let room = image.header_length.unwrap_or(min).saturating_sub(min);
        self.tail.truncate(room as usize);
        image.header_tail = (!self.tail.is_empty()).then(|| Bytes::from(self.tail));
        [image.dirty, image.corrupt, image.lazy_refcounts] = self.flags;
        image.compatible_bits = self.compatible_bits;
        image.autoclear_bits = self.autoclear_bits;
        // The table alone is longer than a cluster of 512 bytes has room for.
        image.feature_names = self.feature_names.filter(|_| image.cluster_bits > 10);
        image.extensions = self.extensions;
        image.end_marker = self.end_marker;
    }
}
