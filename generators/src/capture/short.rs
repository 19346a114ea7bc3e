//! Finds the shorter recipe of an image that is as the planner would have written it.

use std::fs::File;

use rustix::fs::{MemfdFlags, memfd_create};

use super::walk::Lists;
use super::{Captured, Data, SameNames, in_full};
use crate::qcow2::Image;
use crate::recipe::{Encryption, Extension, Qcow2};

/// Most bytes of markers that are written for a try.
const MARKED_MAX: u64 = 64 << 20;

/// The recipe without a layout, if it writes the same metadata and the same holes: it is tried
/// in memory, and what it gives is captured like the original.
pub(super) fn equivalent(captured: &Captured, lists: &Lists, data: Data) -> Option<Qcow2> {
    let image = &captured.image;
    let layout = image.layout.as_ref()?;
    let spelled_out = |extension: &Extension| matches!(extension, Extension::Other(_));
    let planned = image.patches.is_empty()
        && image.encryption == Encryption::None
        && !image.extensions.iter().any(spelled_out)
        && layout.snapshot_count == 0
        && captured.marked <= MARKED_MAX;
    // Only a layout can leave holes where there was data. And QEMU looks for holes in guest data,
    // also in a data file, if the image itself takes less room than its refcounts say.
    let whole = data == Data::Markers && !image.uses_data_file() || lists.is_without_data();
    if !planned || !whole {
        return None;
    }
    let mut short = Qcow2 {
        populated: Lists::clusters(&lists.populated),
        zero: Lists::clusters(&lists.zero),
        zero_allocated: Lists::clusters(&lists.zero_allocated),
        layout: None,
        ..image.clone()
    };
    for length in [None, image.length] {
        short.length = length;
        if writes_the_same(&short, captured, data) {
            return Some(short);
        }
    }
    None
}

fn writes_the_same(short: &Qcow2, captured: &Captured, data: Data) -> bool {
    let again = || {
        let same = |name: &str| name.as_bytes().to_vec();
        let image = Image::new("", short, &same).ok()?;
        let file = File::from(memfd_create("qconform", MemfdFlags::CLOEXEC).ok()?);
        image.write(&file, 0, "").ok()?;
        in_full(&file, data, &mut SameNames).ok().flatten()
    };
    again().is_some_and(|again| same(&again.captured.image, &captured.image))
}

/// Holes and zeros between tables make no difference.
fn same(one: &Qcow2, two: &Qcow2) -> bool {
    let plain = |image: &Qcow2| {
        let mut image = image.clone();
        if let Some(layout) = &mut image.layout {
            layout.zeros = [].into();
            layout.reserved = [].into();
        }
        image
    };
    plain(one) == plain(two)
}

impl Lists {
    fn is_without_data(&self) -> bool {
        self.populated.is_empty() && self.zero_allocated.is_empty()
    }
}
