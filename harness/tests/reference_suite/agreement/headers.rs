//! Random headers, byte by byte: fields around their limits, extensions, snapshot tables.

use proptest::prelude::*;

use crate::sample::Sample;

/// Four and eight byte fields of the header, with values around their limits.
fn field() -> impl Strategy<Value = (usize, Vec<u8>)> {
    let words = prop::sample::select(vec![4_usize, 16, 20, 32, 36, 56, 60, 96, 100]);
    let small = prop_oneof![
        0_u32..12,
        8_u32..23,
        100_u32..120,
        Just(128),
        Just(129),
        Just(1023),
        Just(1024),
        65_535_u32..65_538,
        4_194_303_u32..4_194_306,
        any::<u32>(),
        Just(u32::MAX),
    ];
    let longs = prop::sample::select(vec![8_usize, 24, 40, 48, 64, 72, 80, 88]);
    let large = prop_oneof![
        0_u64..64,
        (0_u64..128).prop_map(|n| n * 8),
        (0_u32..64).prop_map(|bit| 1 << bit),
        (0_u64..8).prop_map(|n| n << 16),
        (1_u64..4).prop_map(|n| u64::MAX - (n << 16) + 1),
        (1_u64..4).prop_map(|n| (1 << 63) - (n << 16)),
        (0_u64..4).prop_map(|n| (1 << 63) - (1 << 30) - (n << 16)),
        65_530_u64..65_540,
        any::<u64>(),
    ];
    let compression = (Just(104_usize), (0_u8..4).prop_map(|kind| vec![kind]));
    prop_oneof![
        (words, small.prop_map(|value| value.to_be_bytes().to_vec())),
        (longs, large.prop_map(|value| value.to_be_bytes().to_vec())),
        compression,
    ]
}

fn extension() -> impl Strategy<Value = (u32, Vec<u8>)> {
    let kinds = vec![
        0xE279_2ACA_u32,
        0x4441_5441,
        0x0537_BE77,
        0x6803_F857,
        0x2385_2875,
        0x99,
    ];
    let lengths = prop_oneof![0_usize..18, Just(16), Just(24), Just(48), 370_usize..420];
    (prop::sample::select(kinds), lengths, 0_u8..3)
        .prop_map(|(kind, length, byte)| (kind, vec![byte; length]))
}

/// A snapshot table in the sixth cluster, and how many entries the header says it has.
fn snapshots() -> impl Strategy<Value = (u32, Vec<u8>)> {
    let lengths = (
        0_u16..20,
        0_u16..20,
        prop_oneof![Just(0), Just(24), 1020_u32..1030],
    );
    let entry = lengths.prop_map(|(id, name, extra)| {
        let mut entry = [[0; 12].as_slice(), &id.to_be_bytes(), &name.to_be_bytes()].concat();
        entry.resize(36, 0);
        entry.extend(extra.to_be_bytes());
        let end = entry.len() + usize::from(id + name) + usize::try_from(extra).unwrap();
        entry.resize(end.next_multiple_of(8), 0);
        entry
    });
    let counts = 1_u32..6;
    (counts, prop::collection::vec(entry, 0..4)).prop_map(|(count, table)| (count, table.concat()))
}

fn with_snapshots(sample: Sample, bits: u32, (count, table): (u32, Vec<u8>)) -> Sample {
    let offset = 5_usize << bits;
    sample
        .patch(60, &count.to_be_bytes())
        .patch(64, &(offset as u64).to_be_bytes())
        .patch(offset, &table)
}

pub(super) fn image() -> impl Strategy<Value = Sample> {
    let bits = prop::sample::select(vec![9_u32, 12, 13, 14, 16, 21]);
    (
        prop::sample::select(vec![2_u32, 3, 3, 3]),
        bits,
        prop::sample::select(vec![0_u64, 0, 4, 4, 1, 2, 8, 16, 20]),
        0_u64..4,
        prop::collection::vec(extension(), 0..3),
        prop::option::of("[a-z:/]{0,12}"),
        prop::collection::vec(field(), 0..2),
        prop::option::weighted(0.2, snapshots()),
    )
        .prop_map(
            |(version, bits, incompatible, autoclear, extensions, backing, patches, table)| {
                let mut sample = Sample::new()
                    .version(version)
                    .cluster_bits(bits)
                    .incompatible(incompatible)
                    .autoclear(autoclear);
                for (kind, payload) in extensions {
                    sample = sample.extension(kind, &payload);
                }
                if let Some(backing) = backing {
                    sample = sample.backing(&backing);
                }
                if let Some(table) = table {
                    sample = with_snapshots(sample, bits, table);
                }
                patches.into_iter().fold(sample, |sample, (offset, bytes)| {
                    sample.patch(offset, &bytes)
                })
            },
        )
}

/// Bytes without a plan: none, a few, a header's worth, a cluster; the more of the start is
/// qcow2's, the further they get.
pub(super) fn random_bytes() -> impl Strategy<Value = Vec<u8>> {
    let starts = vec![
        b"".to_vec(),
        b"QFI".to_vec(),
        b"QFI\xfb".to_vec(),
        b"QFI\xfb\0\0\0\x02".to_vec(),
        b"QFI\xfb\0\0\0\x03".to_vec(),
        [b"QFI\xfb\0\0\0\x03".as_slice(), &[0; 12], b"\0\0\0\x09"].concat(),
        // Everything is as it should be up to the features.
        Sample::new().cluster_bits(9).bytes()[..72].to_vec(),
        Sample::new().cluster_bits(9).bytes()[..104].to_vec(),
        Sample::new().cluster_bits(9).version(2).bytes()[..72].to_vec(),
    ];
    let byte = prop_oneof![3 => Just(0_u8), 1 => any::<u8>()];
    let lengths = prop_oneof![0_usize..120, 400_usize..600, Just(4096)];
    let tail = lengths.prop_flat_map(move |length| prop::collection::vec(byte.clone(), length));
    (prop::sample::select(starts), tail).prop_map(|(start, tail)| [start, tail].concat())
}
