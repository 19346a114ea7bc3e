//! Says in a recipe's words what was found.
//!
//! The first cluster is spelled in options as far as they go. It is then drafted from them, as it
//! would be written, and where that differs from what was found, patches make up for it.

use super::header::{Found as FoundExtension, Header};
use super::walk::{Found, Lists, overlay};
use super::{Captured, HeaderNames, Left, Names};
use crate::layout::{autoclear, compatible, crypt, extension, header as field, incompatible};
use crate::qcow2::{Image, compressed_zeros, feature_name, known_names};
use crate::recipe::{
    Bytes, Compression, Encryption, Extension, FeatureName, FeatureNames, Known, Layout, Other,
    Patch, Qcow2,
};

/// Differences that are this close, in bytes, make one patch.
const PATCH_GAP: usize = 8;

/// What stands in for a byte that may be part of a name.
const HIDDEN: u8 = b'x';

pub(super) fn image(
    header: &mut Header,
    mut found: Found,
    header_names: HeaderNames,
    length: u64,
    names: &mut dyn Names,
) -> Full {
    let mut left = std::mem::take(&mut found.left);
    overlay(&mut header.bytes, 0, &found.renamed);
    let new_names = rename(header, names);
    if names.hides_unknown() {
        hide_unknown(header, &mut left);
    }
    let lists = found.lists.take();
    let marked = found.space.data.iter().map(|data| data.length).sum();
    let layout = layout(header, found, &mut left);
    let mut image = first_cluster(header, layout);
    image.length = Some(length);
    let captured = Captured {
        image,
        names: header_names,
        marked,
        left,
    };
    Full {
        captured,
        lists,
        new_names,
    }
}

/// An image with every table spelled out.
pub(super) struct Full {
    pub(super) captured: Captured,
    /// The guest's clusters, where the lists are short.
    pub(super) lists: Option<Lists>,
    new_names: NewNames,
}

impl Full {
    /// Gives names their written form, in this recipe of the image.
    pub(super) fn finish(self, shorter: Option<Qcow2>) -> Captured {
        let mut captured = self.captured;
        captured.image = shorter.unwrap_or(captured.image);
        write_absolute(&mut captured.image, self.new_names, &mut captured.left);
        captured
    }
}

/// The recipe's forms of names that differ from the image's.
#[derive(Default)]
struct NewNames {
    backing: Option<Bytes>,
    data_file: Option<Bytes>,
}

/// Puts the new names into the first cluster; they are as long as the old ones.
fn rename(header: &mut Header, names: &mut dyn Names) -> NewNames {
    let mut new = NewNames::default();
    if let Some(range) = header.backing.clone() {
        let name = names.backing(&header.bytes[range.clone()]);
        header.bytes[range].copy_from_slice(&name.bytes);
        new.backing = name.written;
    }
    for found in &header.extensions {
        if found.kind == extension::DATA_FILE {
            let name = names.data_file(&header.bytes[found.data.clone()]);
            header.bytes[found.data.clone()].copy_from_slice(&name.bytes);
            // The last one counts.
            new.data_file = name.written;
        }
    }
    new
}

/// Hides every byte that isn't zero and has no known meaning.
fn hide_unknown(header: &mut Header, left: &mut Left) {
    let mut known = vec![false; header.bytes.len()];
    let fields = match header.version {
        2 => field::LENGTH_V2,
        _ => field::LENGTH_V3,
    };
    let mut keep = |range: std::ops::Range<usize>| {
        let end = range.end.min(known.len());
        known[range.start.min(end)..end].fill(true);
    };
    keep(0..fields);
    for found in &header.extensions {
        keep(found.data.start - extension::HEAD_LENGTH..found.data.start);
        let is_known = matches!(
            found.kind,
            extension::BACKING_FORMAT
                | extension::DATA_FILE
                | extension::FEATURE_NAMES
                | extension::CRYPTO
                | extension::BITMAPS
        );
        if is_known {
            keep(found.data.clone());
        }
    }
    header.backing.iter().cloned().for_each(&mut keep);
    for (byte, known) in header.bytes.iter_mut().zip(known) {
        if *byte != 0 && !known {
            *byte = HIDDEN;
            left.hidden_bytes += 1;
        }
    }
}

fn layout(header: &Header, found: Found, left: &mut Left) -> Layout {
    let compression = compression(header);
    let zeros = compressed_zeros(header.cluster_bits, compression).unwrap_or_default();
    let streams = found.streams.len() as u64;
    let compressed: Vec<u64> = found
        .streams
        .into_iter()
        .filter(|(_, room)| *room >= zeros.len() as u64)
        .map(|(at, _)| at)
        .collect();
    left.streams = streams - compressed.len() as u64;
    Layout {
        l1_size: header.l1_size,
        l1_table: expressible(header.l1_table),
        refcount_table: expressible(header.refcount_table),
        refcount_table_clusters: header.refcount_table_clusters,
        snapshot_count: header.snapshot_count,
        snapshot_table: expressible(header.snapshot_table),
        zeros: found.space.zeros,
        reserved: found.space.reserved,
        data: found.space.data,
        compressed,
        luks_header: found.luks_header,
        pieces: found.pieces,
    }
}

/// TOML's numbers have 63 bits; a patch has to write what is larger.
fn expressible(value: u64) -> u64 {
    if i64::try_from(value).is_ok() {
        value
    } else {
        0
    }
}

fn compression(header: &Header) -> Compression {
    match header.compression_type {
        1 => Compression::Zstd,
        _ => Compression::Deflate,
    }
}

/// The image with the fewest patches.
fn first_cluster(header: &Header, layout: Layout) -> Qcow2 {
    let full = options(header, layout);
    let mut nameless = full.clone();
    nameless.backing = None;
    let mut plain = Qcow2 {
        cluster_bits: header.cluster_bits,
        size: 0,
        populated: [].into(),
        layout: full.layout.clone(),
        ..Qcow2::default()
    };
    // Whatever this gets wrong is patched, too.
    plain.end_marker = false;
    let mut best: Option<Qcow2> = None;
    for mut image in [full, nameless, plain] {
        let Some(patches) = patches(header, &image) else {
            continue;
        };
        let size = |patches: &[Patch]| patches.iter().map(|p| p.bytes.length() + 8).sum::<usize>();
        if best
            .as_ref()
            .is_none_or(|best| size(&patches) < size(&best.patches))
        {
            image.patches = patches;
            best = Some(image);
        }
    }
    best.unwrap_or_default()
}

/// What the first cluster needs beside the image's options; nothing if these can't be written.
fn patches(header: &Header, image: &Qcow2) -> Option<Vec<Patch>> {
    let same = |name: &str| name.as_bytes().to_vec();
    let drafted = Image::new("", image, &same).ok()?;
    let mut drafted = drafted.header().to_vec();
    drafted.resize(header.bytes.len(), 0);
    let differs = |at: &usize| drafted[*at] != header.bytes[*at];
    let mut parts: Vec<std::ops::Range<usize>> = Vec::new();
    for at in (0..header.bytes.len()).filter(differs) {
        match parts.last_mut() {
            Some(last) if at - last.end < PATCH_GAP => last.end = at + 1,
            _ => parts.push(at..at + 1),
        }
    }
    let patch = |part: std::ops::Range<usize>| Patch {
        at: part.start as u64,
        bytes: Bytes::Hex(header.bytes[part].to_vec()),
    };
    Some(parts.into_iter().map(patch).collect())
}

fn options(header: &Header, layout: Layout) -> Qcow2 {
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
    if header.refcount_order != crate::layout::limit::REFCOUNT_ORDER_DEFAULT {
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
    let large = header.cluster_bits >= crate::layout::limit::EXTENDED_CLUSTER_BITS_MIN;
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

/// Gives names their written form. It may be longer, so it needs a first cluster in which
/// nothing is patched.
fn write_absolute(image: &mut Qcow2, new: NewNames, left: &mut Left) {
    let places = [
        (&mut image.backing, new.backing),
        (&mut image.data_file, new.data_file),
    ];
    for (place, written) in places {
        let Some(written) = written else { continue };
        if image.patches.is_empty() && place.is_some() {
            *place = Some(written);
        } else {
            left.absolute_names += 1;
        }
    }
}
