//! Compressed clusters (qcow2 specification, Compressed Clusters Descriptor, compression_type).
//!
//! The cluster is a raw deflate stream, or zstd frames, and gives a whole cluster at least.
//! What follows it up to the end of its last sector belongs to something else. Output goes
//! straight into a buffer of one cluster, so that whatever a stream says of its own window or
//! length allocates nothing: that is why zstd frames are decoded one at a time and not as a
//! stream.

use flate2::{Decompress, FlushDecompress};
use zstd::zstd_safe::{self, DCtx};

use crate::reference::probe::header::Compression;

/// Fills `cluster` from a compressed stream; `None` if the stream is damaged or too short.
pub(super) fn decompress(
    compression: Compression,
    stream: &[u8],
    cluster: &mut [u8],
) -> Option<()> {
    match compression {
        Compression::Deflate => inflate(stream, cluster),
        Compression::Zstd => decode_frames(stream, cluster),
    }
}

/// A stream that would give more than a cluster is fine: the rest isn't looked at.
fn inflate(stream: &[u8], cluster: &mut [u8]) -> Option<()> {
    let mut inflater = Decompress::new(false);
    let all = inflater.decompress(stream, cluster, FlushDecompress::Finish);
    all.ok()?;
    (inflater.total_out() == cluster.len() as u64).then_some(())
}

fn decode_frames(mut stream: &[u8], cluster: &mut [u8]) -> Option<()> {
    let mut context = DCtx::try_create()?;
    let mut done = 0;
    while done < cluster.len() {
        let length = zstd_safe::find_frame_compressed_size(stream).ok()?;
        let (frame, rest) = stream.split_at_checked(length)?;
        done += context.decompress(&mut cluster[done..], frame).ok()?;
        stream = rest;
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression as Level;
    use flate2::write::DeflateEncoder;
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    fn deflated(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = DeflateEncoder::new(Vec::new(), Level::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn zstd_frame(bytes: &[u8]) -> Vec<u8> {
        zstd::bulk::compress(bytes, 3).unwrap()
    }

    fn compressed(compression: Compression, bytes: &[u8]) -> Vec<u8> {
        match compression {
            Compression::Deflate => deflated(bytes),
            Compression::Zstd => zstd_frame(bytes),
        }
    }

    #[rstest]
    fn what_follows_the_stream_is_left_alone(
        #[values(Compression::Deflate, Compression::Zstd)] compression: Compression,
    ) {
        let mut stream = compressed(compression, &[7; 512]);
        stream.extend([0xaa; 300]);
        let mut cluster = [0; 512];
        decompress(compression, &stream, &mut cluster).unwrap();
        assert_eq!(cluster, [7; 512]);
    }

    #[rstest]
    fn a_stream_that_ends_early_is_damaged(
        #[values(Compression::Deflate, Compression::Zstd)] compression: Compression,
        #[values(0, 20)] cut: usize,
        #[values(511, 512)] length: usize,
    ) {
        let stream = compressed(
            compression,
            &(0..length).map(|n| n as u8).collect::<Vec<_>>(),
        );
        let mut cluster = [0; 512];
        let found = decompress(compression, &stream[..stream.len() - cut], &mut cluster);
        // Only the whole stream of a whole cluster will do.
        assert_eq!(found.is_some(), cut == 0 && length == 512);
    }

    #[test]
    fn a_longer_deflate_stream_fills_the_cluster_and_a_longer_frame_is_damaged() {
        let mut cluster = [0; 512];
        assert_eq!(inflate(&deflated(&[7; 600]), &mut cluster), Some(()));
        assert_eq!(decode_frames(&zstd_frame(&[7; 600]), &mut cluster), None);
    }

    #[test]
    fn several_frames_make_a_cluster() {
        let stream = [zstd_frame(&[1; 256]), zstd_frame(&[2; 256])].concat();
        let mut cluster = [0; 512];
        decode_frames(&stream, &mut cluster).unwrap();
        assert_eq!((cluster[255], cluster[256]), (1, 2));
    }

    proptest! {
        #[test]
        fn damaged_streams_never_panic(
            flips in proptest::collection::vec((0_usize..300, any::<u8>()), 0..6),
            zstd in any::<bool>(),
        ) {
            let compression = if zstd { Compression::Zstd } else { Compression::Deflate };
            let mut stream = compressed(compression, &(0..512).map(|n| (n / 3) as u8).collect::<Vec<_>>());
            for (at, flip) in flips {
                if let Some(byte) = stream.get_mut(at) {
                    *byte ^= flip;
                }
            }
            let _ = decompress(compression, &stream, &mut [0; 512]);
        }
    }
}
