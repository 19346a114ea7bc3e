//! Chains of images: depths, data files at each layer, shared files, loops, decoys.

use super::{Entry, IMAGE, backed, full_raw, over, recipe};
use crate::recipe::{Bitmap, Bytes, Content, Qcow2, Raw, Recipe};

const BACKING: &str = "Header, backing_file_offset";
const DATA_FILE: &str = "Header, incompatible bit 2";

/// Depths that libvirt's and QEMU's users have: the deepest that libvirt follows is 200.
const DEPTHS: [u32; 5] = [1, 2, 3, 200, 201];

pub(super) fn entries() -> impl Iterator<Item = Entry> {
    let deep = DEPTHS.into_iter().map(|depth| {
        let id = format!("chain/depth-{depth}");
        let title = format!("{depth} backing images, one below the other");
        Entry::new(id, title, BACKING, chain(depth))
    });
    let others = OTHERS.iter().map(|(id, title, section, make)| {
        Entry::new(format!("chain/{id}"), *title, section, make())
    });
    deep.chain(others)
}

/// An image over so many backing images; the lowest is raw.
fn chain(depth: u32) -> Recipe {
    let mut recipe = Recipe::default();
    recipe.files.insert("layer-0.raw".to_owned(), full_raw());
    for layer in 1..=depth {
        let below = layer - 1;
        let (name, format) = if below == 0 {
            ("layer-0.raw".to_owned(), "raw")
        } else {
            (format!("layer-{below}.qcow2"), "qcow2")
        };
        let image = Qcow2 {
            populated: [u64::from(layer % 8)].into(),
            ..backed(name, format)
        };
        let name = if layer == depth {
            IMAGE.to_owned()
        } else {
            format!("layer-{layer}.qcow2")
        };
        recipe.files.insert(name, image.into());
    }
    recipe
}

/// Id, title, section and recipe.
type Other = (&'static str, &'static str, &'static str, fn() -> Recipe);

const OTHERS: &[Other] = &[
    (
        "data-file-below",
        "the backing image has a data file",
        DATA_FILE,
        || {
            let below: Content = over("below.raw").into();
            let top = backed("below.qcow2", "qcow2");
            recipe(top, [("below.qcow2", below), ("below.raw", full_raw())])
        },
    ),
    (
        "data-file-at-each-layer",
        "three images, each with a data file",
        DATA_FILE,
        || {
            let middle = with_data_file(backed("low.qcow2", "qcow2"), "middle.raw");
            recipe(
                with_data_file(backed("middle.qcow2", "qcow2"), "top.raw"),
                [
                    ("middle.qcow2", middle.into()),
                    ("low.qcow2", over("low.raw").into()),
                    ("top.raw", full_raw()),
                    ("middle.raw", full_raw()),
                    ("low.raw", full_raw()),
                ],
            )
        },
    ),
    (
        "data-file-twice",
        "two images with the same data file",
        DATA_FILE,
        || {
            let below = over("data.raw").into();
            let top = with_data_file(backed("below.qcow2", "qcow2"), "data.raw");
            recipe(top, [("below.qcow2", below), ("data.raw", full_raw())])
        },
    ),
    (
        "data-file-is-backing",
        "a file is backing image and data file at once",
        DATA_FILE,
        || {
            let top = with_data_file(backed("data.raw", "raw"), "data.raw");
            recipe(top, [("data.raw", full_raw())])
        },
    ),
    (
        "data-file-holds-qcow2",
        "a data file that begins like an image is raw all the same",
        DATA_FILE,
        || {
            recipe(
                over("inner.qcow2"),
                [("inner.qcow2", inner()), ("secret.raw", full_raw())],
            )
        },
    ),
    (
        "raw-base-holds-qcow2",
        "a raw backing image that begins like an image is never probed",
        BACKING,
        || {
            let top = backed("inner.qcow2", "raw");
            recipe(top, [("inner.qcow2", inner()), ("secret.raw", full_raw())])
        },
    ),
    (
        "probed-base-names-data-file",
        "a backing image without a format names a data file",
        BACKING,
        || {
            let top = Qcow2 {
                backing_format: None,
                ..backed("inner.qcow2", "")
            };
            recipe(top, [("inner.qcow2", inner()), ("secret.raw", full_raw())])
        },
    ),
    (
        "probed-base-names-backing",
        "a backing image without a format names another",
        BACKING,
        || {
            let top = Qcow2 {
                backing_format: None,
                ..backed("middle.qcow2", "")
            };
            let middle = backed("secret.raw", "raw").into();
            recipe(top, [("middle.qcow2", middle), ("secret.raw", full_raw())])
        },
    ),
    (
        "short-base",
        "a backing image shorter than the one below it",
        BACKING,
        || {
            let middle = Qcow2 {
                size: 8192,
                ..backed("low.raw", "raw")
            };
            recipe(
                backed("middle.qcow2", "qcow2"),
                [("middle.qcow2", middle.into()), ("low.raw", full_raw())],
            )
        },
    ),
    ("loop", "two images below each other", BACKING, || {
        let other = backed(IMAGE, "qcow2").into();
        recipe(backed("other.qcow2", "qcow2"), [("other.qcow2", other)])
    }),
    (
        "two-folders",
        "relative names count from the image that stores them",
        BACKING,
        || {
            let low = backed("../base.raw", "raw").into();
            recipe(
                backed("sub/low.qcow2", "qcow2"),
                [
                    ("sub/low.qcow2", low),
                    ("base.raw", full_raw()),
                    ("sub/base.raw", full_raw()),
                ],
            )
        },
    ),
    (
        "pivot",
        "a thin image with bitmaps over a raw disk in use",
        "Header, autoclear bit 1",
        || {
            let top = Qcow2 {
                bitmaps: vec![Bitmap {
                    dirty: [0].into(),
                    ..Bitmap::default()
                }],
                data_file_raw: true,
                ..over("disk.raw")
            };
            let disk = Raw {
                populated: (1..6).into(),
                ..Raw::default()
            };
            recipe(top, [("disk.raw", disk.into())])
        },
    ),
];

fn with_data_file(image: Qcow2, name: &str) -> Qcow2 {
    Qcow2 {
        data_file: Some(Bytes::from(name)),
        ..image
    }
}

/// An image that names a file which nobody should open for its sake.
fn inner() -> Content {
    over("secret.raw").into()
}
