//! Writes the tables of an image whose layout is given.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

use rustix::fs::{FallocateFlags, fallocate};

use super::data::compressed_zeros;
use super::plan::check_limit;
use super::stream::{Stream, write_marker};
use super::{check_bytes, luks, refuse};
use crate::layout::entry;
use crate::marker::Marker;
use crate::recipe::{Layout, Piece, PieceContent, Qcow2, RecipeError};

/// Most bytes that the numbers of one layout may take: as many as the L2 entries of an image.
const NUMBERS_BYTES_MAX: u64 = 1 << 30;

/// Longest file that Linux has, in bytes.
const FILE_LENGTH_MAX: u64 = i64::MAX as u64;

/// Refuses what would be planned beside the layout, and what lies beyond any file.
pub(super) fn check(file: &str, image: &Qcow2, layout: &Layout) -> Result<(), RecipeError> {
    let planned = [
        ("populated", !image.populated.is_empty()),
        ("zero", !image.zero.is_empty()),
        ("zero-allocated", !image.zero_allocated.is_empty()),
        ("compressed", !image.compressed.is_empty()),
        ("subclusters", !image.subclusters.is_empty()),
        ("map-all", image.map_all.is_some()),
        ("snapshots", !image.snapshots.is_empty()),
        ("bitmaps", !image.bitmaps.is_empty()),
        ("defects", !image.defects.is_empty()),
    ];
    if let Some((field, _)) = planned.into_iter().find(|(_, used)| *used) {
        return Err(refuse(file, field, "has no meaning beside a layout"));
    }
    let mut numbers = 0_u64;
    for piece in &layout.pieces {
        check_end(file, piece.at, piece.length())?;
        match &piece.content {
            PieceContent::Bytes(bytes) => check_bytes(file, "layout", bytes)?,
            PieceContent::Numbers { first, step, count } => {
                numbers = numbers.saturating_add(piece.length());
                let last = step.checked_mul(count.saturating_sub(1));
                if last.and_then(|last| first.checked_add(last)).is_none() {
                    return Err(refuse(file, "layout", "has a number of more than 64 bits"));
                }
            }
        }
    }
    check_limit(
        file,
        "layout",
        "bytes of numbers",
        numbers,
        NUMBERS_BYTES_MAX,
    )?;
    let zeros_end = layout.zeros.ranges().last().map_or(0, |range| range.end);
    check_end(file, zeros_end, 0)?;
    for data in &layout.data {
        check_end(file, data.at, data.length)?;
        check_end(file, data.guest, data.length)?;
    }
    for at in &layout.compressed {
        check_end(file, *at, image.cluster_size())?;
    }
    layout
        .luks_header
        .map_or(Ok(()), |at| check_end(file, at, luks::LENGTH))
}

fn check_end(file: &str, at: u64, length: u64) -> Result<(), RecipeError> {
    let end = at.saturating_add(length);
    check_limit(file, "layout", "bytes of file", end, FILE_LENGTH_MAX)
}

/// Writes everything but the first cluster.
pub(super) fn write(
    file: &File,
    image: &Qcow2,
    layout: &Layout,
    marker: &Marker,
) -> io::Result<()> {
    for range in layout.zeros.ranges() {
        write_zeros(file, range.start, range.end)?;
    }
    for data in &layout.data {
        write_marker(file, data.at, marker, data.guest, data.length)?;
    }
    if !layout.compressed.is_empty() {
        let stream = compressed_zeros(image.cluster_bits, image.compression)?;
        for at in &layout.compressed {
            file.write_all_at(&stream, *at)?;
        }
    }
    if let Some(at) = layout.luks_header {
        file.write_all_at(&luks::header(), at)?;
    }
    layout
        .pieces
        .iter()
        .try_for_each(|piece| write_piece(file, piece))
}

/// Reserves room for holes of a file with this length in bytes.
pub(super) fn reserve(file: &File, layout: &Layout, length: u64) -> io::Result<()> {
    for range in layout.reserved.ranges_in(&(0..length)) {
        fallocate(
            file,
            FallocateFlags::KEEP_SIZE,
            range.start,
            range.end - range.start,
        )?;
    }
    Ok(())
}

fn write_zeros(file: &File, start: u64, end: u64) -> io::Result<()> {
    let zeros = [0; 64 << 10];
    let mut at = start;
    while at < end {
        let length = (end - at).min(zeros.len() as u64);
        // At most the length of the array.
        file.write_all_at(&zeros[..length as usize], at)?;
        at += length;
    }
    Ok(())
}

fn write_piece(file: &File, piece: &Piece) -> io::Result<()> {
    match &piece.content {
        PieceContent::Bytes(bytes) => file.write_all_at(&bytes.to_bytes(), piece.at),
        PieceContent::Numbers { first, step, count } => {
            let mut stream = Stream::new(file);
            for index in 0..*count {
                // Checked to have 64 bits.
                let value = first + step * index;
                stream.put(piece.at + index * entry::LENGTH, &value.to_be_bytes())?;
            }
            stream.finish()
        }
    }
}
