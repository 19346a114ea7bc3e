//! Says in a recipe's words what was found.

use super::first_cluster::first_cluster;
use super::header::Header;
use super::options::{compression, expressible};
use super::walk::{Found, Lists, overlay};
use super::{Captured, HeaderNames, Left, Names};
use crate::layout::{extension, header as field};
use crate::qcow2::compressed_zeros;
use crate::recipe::{Bytes, Layout, Qcow2};

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
