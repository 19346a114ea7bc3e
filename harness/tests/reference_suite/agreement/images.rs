//! Random images: valid ones, with defects, with damaged bytes.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use proptest::prelude::*;
use qconform::reference::format::Format;
use qconform::reference::inspection::Inspection;
use qconform_generators::defect::{Choice, Defect, catalogue};
use qconform_generators::recipe::{
    Bitmap, Compression, Encryption, FeatureName, FeatureNames, Qcow2, Snapshot,
};

/// A valid image with any combination of structures.
pub(super) fn valid() -> impl Strategy<Value = Qcow2> {
    let flags = (any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>());
    let cluster_bits = prop::sample::select(vec![9_u32, 12, 14, 16]);
    let version = prop::sample::select(vec![2_u32, 3, 3, 3]);
    let header_length = prop::sample::select(vec![None, Some(104), Some(120)]);
    let encryption = prop_oneof![
        4 => Just(Encryption::None),
        1 => Just(Encryption::Aes),
        2 => Just(Encryption::Luks),
    ];
    let names = prop::option::of(feature_names());
    let snapshots = prop::collection::vec(snapshot(), 0..4);
    let bitmaps = prop::collection::vec(bitmap(), 0..4);
    (
        version,
        cluster_bits,
        header_length,
        flags,
        encryption,
        names,
        snapshots,
        bitmaps,
    )
        .prop_map(
            |(
                version,
                cluster_bits,
                header_length,
                flags,
                encryption,
                names,
                snapshots,
                bitmaps,
            )| {
                let mut image = Qcow2 {
                    version,
                    cluster_bits,
                    encryption,
                    snapshots,
                    feature_names: names,
                    size: 8 << cluster_bits,
                    ..Qcow2::default()
                };
                let (data_file, backing, zstd, extended) = flags;
                if data_file {
                    image.data_file = Some("data.raw".into());
                    image.snapshots.clear();
                }
                if backing {
                    image.backing = Some("base.raw".into());
                    image.backing_format = Some("raw".into());
                }
                if version == 3 {
                    image.header_length = header_length;
                    image.bitmaps = bitmaps;
                    image.extended_l2 = extended && cluster_bits >= 14;
                    if zstd && header_length != Some(104) {
                        image.compression = Compression::Zstd;
                    }
                }
                image
            },
        )
}

fn feature_names() -> impl Strategy<Value = FeatureNames> {
    let name = (0_u8..4, 0_u8..64, "[a-z ]{0,50}").prop_map(|(kind, bit, name)| FeatureName {
        kind,
        bit,
        name: name.into(),
    });
    (any::<bool>(), prop::collection::vec(name, 0..3))
        .prop_map(|(known, more)| FeatureNames { known, more })
}

fn snapshot() -> impl Strategy<Value = Snapshot> {
    let extra = prop::sample::select(vec![0_u32, 8, 16, 24, 32, 1024]);
    ("[a-z]{0,20}", extra, 0_u64..1 << 40).prop_map(|(name, extra_length, vm_state_size)| {
        Snapshot {
            name: name.into(),
            extra_length,
            vm_state_size,
            ..Snapshot::default()
        }
    })
}

fn bitmap() -> impl Strategy<Value = Bitmap> {
    ("[a-z]{1,20}", 9_u32..32, any::<bool>(), any::<bool>()).prop_map(
        |(name, granularity_bits, in_use, auto)| Bitmap {
            name: name.into(),
            granularity_bits,
            in_use,
            auto,
            ..Bitmap::default()
        },
    )
}

/// An image with one to three defects, of numbers of the catalogue's and of others.
pub(super) fn defective() -> impl Strategy<Value = Qcow2> {
    let defects: Vec<&Defect> = catalogue().collect();
    let any_base = prop_oneof![
        valid(),
        prop::sample::select(defects.clone()).prop_map(|defect| defect.base.image()),
    ];
    let fitting = prop::sample::select(defects.clone())
        .prop_flat_map(|defect| (Just(defect.base.image()), choice(defect)));
    let more = prop::collection::vec(prop::sample::select(defects).prop_flat_map(choice), 1..3);
    prop_oneof![
        (any_base, more.clone()),
        (fitting, more)
            .prop_map(|((image, first), more)| { (image, [vec![first], more].concat()) }),
    ]
    .prop_map(|(image, defects)| Qcow2 { defects, ..image })
}

fn choice(defect: &'static Defect) -> BoxedStrategy<Choice> {
    let name = defect.name;
    let listed: Vec<Choice> = defect.choices().collect();
    let listed = prop::sample::select(listed);
    let Some(parameter) = defect.parameter else {
        return listed.boxed();
    };
    let near = (prop::sample::select(parameter.values), 0_u64..3)
        .prop_map(|(value, step)| value.wrapping_add(step).wrapping_sub(1));
    let other = prop_oneof![near, (0_u32..64).prop_map(|bit| 1 << bit), any::<u64>()]
        // A file as long as that can't be written everywhere.
        .prop_map(move |value| {
            if name == "truncated" {
                value % 40_000
            } else {
                value
            }
        })
        .prop_map(move |value| format!("{name}={value}").parse().unwrap());
    prop_oneof![2 => listed, 1 => other].boxed()
}

/// What happens to the bytes of a finished image.
#[derive(Debug, Clone)]
pub(super) struct Damage {
    /// Which structure, the distance from its start, and what the byte becomes.
    bytes: Vec<(prop::sample::Index, u64, u8)>,
    /// The part of 65536 of the file that is left.
    left: Option<u16>,
}

pub(super) fn damage() -> impl Strategy<Value = Damage> {
    let distance = prop_oneof![0_u64..32, 0_u64..130, 0_u64..600];
    let value = prop_oneof![0_u8..4, any::<u8>(), Just(255)];
    let byte = (any::<prop::sample::Index>(), distance, value);
    let bytes = prop::collection::vec(byte, 1..4);
    let left = prop::option::weighted(0.1, any::<u16>());
    (bytes, left).prop_map(|(bytes, left)| Damage { bytes, left })
}

/// Where the header, snapshot table, bitmap directory and LUKS header start.
fn structures(path: &Path) -> Vec<u64> {
    let image = Inspection::of(path, Some(Format::Qcow2)).unwrap();
    let mut starts = vec![0];
    starts.extend(image.snapshots.map(|snapshots| snapshots.offset));
    starts.extend(image.bitmaps.map(|bitmaps| bitmaps.offset));
    starts.extend(image.luks.map(|luks| luks.offset));
    starts
}

impl Damage {
    pub(super) fn apply(&self, path: &Path) {
        let starts = structures(path);
        let file = File::options().write(true).open(path).unwrap();
        for (structure, distance, value) in &self.bytes {
            let start = starts[structure.index(starts.len())];
            file.write_all_at(&[*value], start + distance).unwrap();
        }
        if let Some(left) = self.left {
            let length = file.metadata().unwrap().len();
            file.set_len(length * u64::from(left) / 65_536).unwrap();
        }
    }
}
