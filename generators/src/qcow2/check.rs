//! Refuses values that no bytes can hold, before anything is planned.

use super::refuse;
use crate::layout::{header as field, limit};
use crate::recipe::{Bitmap, Bytes, Compression, Extension, Qcow2, RecipeError, Snapshot};

/// Longest byte string in a recipe: more than any first cluster holds.
const BYTES_MAX: u64 = 4 << 20;

/// Every option that stands for a number in a field, or that others rule out.
pub(super) fn check(file: &str, image: &Qcow2) -> Result<(), RecipeError> {
    check_number(file, "version", image.version.into(), 2..=3, "2 or 3")?;
    check_cluster_bits(file, image)?;
    check_number(
        file,
        "refcount-order",
        image.refcount_order.unwrap_or_default().into(),
        0..=limit::REFCOUNT_ORDER_MAX.into(),
        "0 to 6",
    )?;
    if image.version == 2 {
        check_version_2(file, image)?;
    } else {
        check_header_length(file, image)?;
    }
    check_bits(file, "incompatible-bits", &image.incompatible_bits)?;
    check_bits(file, "compatible-bits", &image.compatible_bits)?;
    check_bits(file, "autoclear-bits", &image.autoclear_bits)?;
    if !image.subclusters.is_empty() && !image.extended_l2 {
        return Err(refuse(file, "subclusters", "needs extended-l2"));
    }
    if image.uses_data_file() && !image.compressed.is_empty() {
        return Err(refuse(file, "compressed", "has no place in a data file"));
    }
    check_strings(file, image)?;
    for snapshot in &image.snapshots {
        check_snapshot(file, snapshot)?;
    }
    for bitmap in &image.bitmaps {
        check_bitmap(file, bitmap)?;
    }
    Ok(())
}

fn check_cluster_bits(file: &str, image: &Qcow2) -> Result<(), RecipeError> {
    let (min, allowed) = if image.extended_l2 {
        (
            limit::EXTENDED_CLUSTER_BITS_MIN,
            "14 to 21 with extended-l2",
        )
    } else {
        (limit::CLUSTER_BITS_MIN, "9 to 21")
    };
    let range = min.into()..=limit::CLUSTER_BITS_MAX.into();
    check_number(
        file,
        "cluster-bits",
        image.cluster_bits.into(),
        range,
        allowed,
    )
}

fn check_header_length(file: &str, image: &Qcow2) -> Result<(), RecipeError> {
    let length = image.header_length.unwrap_or(field::LENGTH_V3 as u32);
    let max = image.cluster_size();
    let valid = length as usize == field::LENGTH_V3_MIN
        || (field::LENGTH_V3 as u64..=max).contains(&length.into());
    if !valid {
        return Err(RecipeError::Value {
            file: file.to_owned(),
            field: "header-length",
            value: length.into(),
            allowed: "104, or 112 to the cluster size",
        });
    }
    if image.compression == Compression::Zstd && (length as usize) < field::LENGTH_V3 {
        return Err(refuse(file, "compression", "needs a header of 112 bytes"));
    }
    let room = (length as usize).saturating_sub(field::LENGTH_V3);
    match &image.header_tail {
        Some(tail) if tail.length() > room => Err(refuse(
            file,
            "header-tail",
            "is longer than header-length allows",
        )),
        _ => Ok(()),
    }
}

/// Version 2 has none of the fields behind byte 72.
fn check_version_2(file: &str, image: &Qcow2) -> Result<(), RecipeError> {
    let order = image.refcount_order;
    let needs = [
        ("data-file-bit", image.data_file_bit == Some(true)),
        ("data-file-raw", image.data_file_raw),
        ("header-length", image.header_length.is_some()),
        ("header-tail", image.header_tail.is_some()),
        ("zero", !image.zero.is_empty()),
        ("zero-allocated", !image.zero_allocated.is_empty()),
        ("extended-l2", image.extended_l2),
        (
            "refcount-order",
            order.is_some_and(|order| order != limit::REFCOUNT_ORDER_DEFAULT),
        ),
        ("dirty", image.dirty),
        ("corrupt", image.corrupt),
        ("lazy-refcounts", image.lazy_refcounts),
        ("incompatible-bits", !image.incompatible_bits.is_empty()),
        ("compatible-bits", !image.compatible_bits.is_empty()),
        ("autoclear-bits", !image.autoclear_bits.is_empty()),
        ("compression", image.compression == Compression::Zstd),
        ("bitmaps-bit", image.bitmaps_bit == Some(true)),
        (
            "bitmaps",
            !image.bitmaps.is_empty() && image.bitmaps_bit.is_none(),
        ),
    ];
    match needs.into_iter().find(|(_, used)| *used) {
        None => Ok(()),
        Some((field, _)) => Err(RecipeError::NeedsVersion3 {
            file: file.to_owned(),
            field,
        }),
    }
}

fn check_bits(file: &str, field: &'static str, bits: &[u32]) -> Result<(), RecipeError> {
    bits.iter()
        .try_for_each(|bit| check_number(file, field, (*bit).into(), 0..=63, "0 to 63"))
}

/// All byte strings that are written as they are.
fn check_strings(file: &str, image: &Qcow2) -> Result<(), RecipeError> {
    let mut strings: Vec<(&'static str, &Bytes)> = Vec::new();
    strings.extend(
        image
            .backing_format
            .iter()
            .map(|name| ("backing-format", name)),
    );
    strings.extend(image.header_tail.iter().map(|tail| ("header-tail", tail)));
    strings.extend(image.patches.iter().map(|patch| ("patches", &patch.bytes)));
    for extension in &image.extensions {
        if let Extension::Other(other) = extension {
            strings.push(("extensions", &other.data));
        }
    }
    for name in image.feature_names.iter().flat_map(|names| &names.more) {
        strings.push(("feature-names", &name.name));
    }
    strings
        .into_iter()
        .try_for_each(|(field, bytes)| check_bytes(file, field, bytes))
}

/// Keeps a few bytes of TOML from asking for all memory.
pub(super) fn check_bytes(
    file: &str,
    field: &'static str,
    bytes: &Bytes,
) -> Result<(), RecipeError> {
    super::plan::check_limit(file, field, "bytes", bytes.length() as u64, BYTES_MAX)
}

fn check_snapshot(file: &str, snapshot: &Snapshot) -> Result<(), RecipeError> {
    let field = "snapshots";
    let longest = u64::from(u16::MAX);
    // An id that is not given is a number.
    let id = snapshot.id.as_ref().map_or(0, Bytes::length);
    for length in [id, snapshot.name.length()] {
        super::plan::check_limit(file, field, "bytes of a name", length as u64, longest)?;
    }
    let max = limit::SNAPSHOT_EXTRA_LENGTH_MAX;
    let extra = snapshot.extra_length.into();
    check_number(
        file,
        field,
        extra,
        0..=max.into(),
        "0 to 1024 for extra-length",
    )
}

fn check_bitmap(file: &str, bitmap: &Bitmap) -> Result<(), RecipeError> {
    let longest = limit::BITMAP_NAME_LENGTH_MAX as u64;
    let length = bitmap.name.length() as u64;
    super::plan::check_limit(file, "bitmaps", "bytes of a name", length, longest)?;
    let bits = limit::BITMAP_GRANULARITY_BITS;
    let range = u64::from(*bits.start())..=u64::from(*bits.end());
    let value = bitmap.granularity_bits.into();
    check_number(
        file,
        "bitmaps",
        value,
        range,
        "9 to 31 for granularity-bits",
    )
}

fn check_number(
    file: &str,
    field: &'static str,
    value: u64,
    range: std::ops::RangeInclusive<u64>,
    allowed: &'static str,
) -> Result<(), RecipeError> {
    if range.contains(&value) {
        return Ok(());
    }
    Err(RecipeError::Value {
        file: file.to_owned(),
        field,
        value,
        allowed,
    })
}
