//! Spells the first cluster in options, as far as they go.
//!
//! It is drafted from them, as it would be written, and where that differs from what was found,
//! patches make up for it.

use std::ops::Range;

use super::header::Header;
use super::options::options;
use crate::qcow2::Image;
use crate::recipe::{Bytes, Layout, Patch, Qcow2};

/// Differences that are this close, in bytes, make one patch.
const PATCH_GAP: usize = 8;

/// The image with the fewest patches.
pub(super) fn first_cluster(header: &Header, layout: Layout) -> Qcow2 {
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
    let mut parts: Vec<Range<usize>> = Vec::new();
    for at in (0..header.bytes.len()).filter(differs) {
        match parts.last_mut() {
            Some(last) if at - last.end < PATCH_GAP => last.end = at + 1,
            _ => parts.push(at..at + 1),
        }
    }
    let patch = |part: Range<usize>| Patch {
        at: part.start as u64,
        bytes: Bytes::Hex(header.bytes[part].to_vec()),
    };
    Some(parts.into_iter().map(patch).collect())
}
