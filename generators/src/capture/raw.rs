//! Captures a raw file: its length, and where its holes are.

use std::fs::File;
use std::ops::Range;

use super::pieces::{ENTRIES_MAX, check};
use super::source::Source;
use super::{CaptureError, Data};
use crate::recipe::Raw;

/// Largest unit that populated parts are counted in, in bytes.
const UNIT_MAX: u64 = 64 << 10;

/// Captures a raw file. Not a byte of it is read; also gives how many bytes of markers writing
/// the recipe takes.
///
/// # Errors
/// [`CaptureError::Io`], and [`CaptureError::TooLarge`] for more than 262144 parts between holes.
pub fn raw(file: &File, data: Data) -> Result<(Raw, u64), CaptureError> {
    let source = Source::new(file)?;
    let parts = match data {
        Data::Markers => parts(&source)?,
        Data::Holes => Vec::new(),
    };
    let marked = parts.iter().map(|part| part.end - part.start).sum();
    let unit = unit(&parts, source.length());
    let populated = parts
        .iter()
        .map(|part| part.start / unit..part.end.div_ceil(unit))
        .collect();
    let raw = Raw {
        size: source.length(),
        cluster_size: unit,
        populated,
        start: None,
    };
    Ok((raw, marked))
}

fn parts(source: &Source<'_>) -> Result<Vec<Range<u64>>, CaptureError> {
    let mut parts = Vec::new();
    let mut at = 0;
    while let Some(part) = source.next_data(at, source.length())? {
        at = part.end;
        check(parts.len() as u64, ENTRIES_MAX as u64, "parts of data", at)?;
        parts.push(part);
    }
    Ok(parts)
}

/// The largest unit in which every part starts and ends, except for the file's end.
fn unit(parts: &[Range<u64>], length: u64) -> u64 {
    let edges = parts.iter().flat_map(|part| [part.start, part.end]);
    let bits = edges
        .filter(|edge| *edge != length && *edge != 0)
        .map(u64::trailing_zeros)
        .min()
        .unwrap_or(u64::BITS - 1);
    (1 << bits).min(UNIT_MAX)
}
