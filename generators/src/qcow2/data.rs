//! Writes guest clusters into the image: plain ones and compressed ones.

use std::fs::File;
use std::io::{self, Error};
use std::os::unix::fs::FileExt as _;

use flate2::{Compress, FlushCompress};

use super::mapping::Kind;
use super::plan::{Plan, View};
use super::stream::write_marker;
use crate::marker::Marker;
use crate::recipe::Compression;

/// Compressed data refers back no further than this, in bytes: what QEMU's own encoder keeps to
/// and what a decoder with little memory relies on.
const DEFLATE_WINDOW: usize = 4096;

/// Level of zstd; any gives a valid frame.
const ZSTD_LEVEL: i32 = 3;

/// Writes the clusters of one state. What lies beyond the virtual size stays a hole.
pub(super) fn write(
    file: &File,
    plan: &Plan,
    view: &View,
    marker: &Marker,
    compression: Compression,
) -> io::Result<()> {
    let mut hosts = view.data.offsets(plan.cluster_bits);
    let mut stream = 0;
    for extent in &view.extents {
        if extent.kind == Kind::Compressed {
            for guest in extent.guest.clone() {
                let bytes = compress(&guest_cluster(plan, marker, guest), compression)?;
                if bytes.len() as u64 > view.slots.length {
                    return Err(Error::other("a compressed cluster is longer than its slot"));
                }
                file.write_all_at(&bytes, view.slots.offset(stream))?;
                stream += 1;
            }
        } else if extent.kind.takes_host() && !plan.external {
            for guest in extent.guest.clone() {
                let (start, length) = guest_range(plan, guest);
                let host = hosts.next().unwrap_or_default();
                write_marker(file, host, marker, start, length)?;
            }
        }
    }
    Ok(())
}

/// Offset and length in bytes of the part of a guest cluster that lies inside the disk.
fn guest_range(plan: &Plan, guest: u64) -> (u64, u64) {
    // The plan has checked that the cluster starts inside the disk.
    let start = guest << plan.cluster_bits;
    (start, (plan.size - start).min(plan.cluster_size() as u64))
}

/// A whole guest cluster, with zeros behind the disk's end.
fn guest_cluster(plan: &Plan, marker: &Marker, guest: u64) -> Vec<u8> {
    let (start, length) = guest_range(plan, guest);
    let mut bytes = vec![0; plan.cluster_size()];
    // At most the cluster size.
    marker.fill(start, &mut bytes[..length as usize]);
    bytes
}

fn compress(bytes: &[u8], compression: Compression) -> io::Result<Vec<u8>> {
    match compression {
        Compression::Deflate => deflate(bytes),
        Compression::Zstd => zstd::bulk::compress(bytes, ZSTD_LEVEL),
    }
}

/// A cluster of zeros, as short as it gets: it has to fit where another stream was.
pub(crate) fn compressed_zeros(cluster_bits: u32, compression: Compression) -> io::Result<Vec<u8>> {
    let zeros = vec![0; 1 << cluster_bits];
    if compression == Compression::Zstd {
        return zstd::bulk::compress(&zeros, ZSTD_LEVEL);
    }
    // Zeros refer back by one byte, so the window needs no care.
    let mut encoder = Compress::new(flate2::Compression::best(), false);
    let mut out = Vec::with_capacity(zeros.len() + 64);
    encoder
        .compress_vec(&zeros, &mut out, FlushCompress::Finish)
        .map_err(Error::other)?;
    Ok(out)
}

fn deflate(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = Compress::new(flate2::Compression::default(), false);
    let mut out = Vec::new();
    // Enough for a piece in stored blocks and the marks behind it. A buffer as long as the cluster
    // would be cleared for each piece.
    let mut room = [0; DEFLATE_WINDOW + 256];
    let mut pieces = bytes.chunks(DEFLATE_WINDOW).peekable();
    while let Some(piece) = pieces.next() {
        // A full flush forgets what was before it, and so bounds how far back data refers.
        let flush = if pieces.peek().is_some() {
            FlushCompress::Full
        } else {
            FlushCompress::Finish
        };
        let (read, written) = (encoder.total_in(), encoder.total_out());
        encoder
            .compress(piece, &mut room, flush)
            .map_err(Error::other)?;
        if encoder.total_in() - read != piece.len() as u64 {
            return Err(Error::other(
                "a piece of a cluster was not compressed at once",
            ));
        }
        let length = usize::try_from(encoder.total_out() - written).map_err(Error::other)?;
        out.extend_from_slice(room.get(..length).unwrap_or_default());
    }
    Ok(out)
}
