//! Deviations that matter only together.

use super::{Entry, recipe};
use crate::recipe::Qcow2;

pub(super) fn entries() -> impl Iterator<Item = Entry> {
    TOGETHER.iter().map(|(id, title, section, defects)| {
        let image = Qcow2 {
            populated: [0, 1].into(),
            defects: defects.iter().flat_map(|one| one.parse()).collect(),
            ..Qcow2::default()
        };
        Entry::new(format!("together/{id}"), *title, section, recipe(image, []))
    })
}

type Row = (
    &'static str,
    &'static str,
    &'static str,
    &'static [&'static str],
);

const TOGETHER: &[Row] = &[
    (
        "dirty-without-repair",
        "a dirty image whose repair would write over its own header",
        "Header, incompatible bit 0",
        &["dirty", "l1-entry-is-header"],
    ),
    (
        "dirty-with-repair",
        "a dirty image that a writable open repairs",
        "Header, incompatible bit 0",
        &["dirty", "refcount-header"],
    ),
    (
        "dirty-and-corrupt",
        "an image that calls itself dirty and corrupt",
        "Header, incompatible bits 0 and 1",
        &["dirty", "corrupt"],
    ),
];
