//! Valid images, each with one structure of the format.

use super::{Entry, recipe};
use crate::recipe::{
    Bitmap, Bytes, Compression, Content, Encryption, Extension, FeatureNames, Known, Other, Qcow2,
    Raw, Snapshot, Subclusters,
};

/// Name of the data file of structures that need one.
pub const DATA_FILE: &str = "data.raw";

/// Cluster sizes, as powers of two, that each structure is in the corpus with.
const CLUSTER_BITS: [u32; 3] = [9, 12, 16];

/// A structure that a valid image may have.
#[derive(Clone, Copy, Debug)]
pub struct Structure {
    /// Its name in ids.
    pub name: &'static str,
    /// What it is, in one line.
    pub title: &'static str,
    /// Where it stands in the specification.
    pub section: &'static str,
    /// Lowest version that has it.
    version: u32,
    /// Smallest cluster size that has room for it, as a power of two.
    cluster_bits: u32,
    /// Puts it into an image of eight clusters of which the last is a part of one.
    put_into: fn(&mut Qcow2),
    /// How long its data file is, in sixteenths of the disk; 0 for none.
    data_file: u64,
}

impl Structure {
    /// Whether an image of that version and cluster size can have it.
    #[must_use]
    pub fn exists(&self, version: u32, cluster_bits: u32) -> bool {
        version >= self.version && cluster_bits >= self.cluster_bits
    }

    /// The image that has it and, if it needs one, its data file [`DATA_FILE`].
    #[must_use]
    pub fn image(&self, version: u32, cluster_bits: u32) -> (Qcow2, Option<Raw>) {
        let mut image = plain(version, cluster_bits);
        (self.put_into)(&mut image);
        if self.data_file == 0 {
            return (image, None);
        }
        image.data_file = Some(DATA_FILE.into());
        let cluster_size = 1 << cluster_bits;
        let size = image.size * self.data_file / 16;
        let raw = Raw {
            size,
            cluster_size,
            populated: (0..size / cluster_size).into(),
            start: None,
        };
        (image, Some(raw))
    }
}

pub(super) fn entries() -> impl Iterator<Item = Entry> {
    STRUCTURES.iter().flat_map(|structure| {
        let geometries = [2, 3].into_iter().flat_map(|version| {
            let bits = CLUSTER_BITS.into_iter();
            bits.map(move |cluster_bits| (version, cluster_bits))
        });
        let possible = geometries.filter(|(version, bits)| structure.exists(*version, *bits));
        possible.map(|(version, cluster_bits)| {
            let (image, raw) = structure.image(version, cluster_bits);
            let raw = raw.map(|raw| (DATA_FILE, Content::from(raw)));
            let id = format!("valid/{}/v{version}-c{cluster_bits}", structure.name);
            Entry::new(id, structure.title, structure.section, recipe(image, raw))
        })
    })
}

fn plain(version: u32, cluster_bits: u32) -> Qcow2 {
    Qcow2 {
        version,
        cluster_bits,
        size: (7 << cluster_bits) + 512,
        populated: [0, 4, 5].into(),
        ..Qcow2::default()
    }
}

const fn structure(
    name: &'static str,
    title: &'static str,
    section: &'static str,
    version: u32,
    put_into: fn(&mut Qcow2),
) -> Structure {
    Structure {
        name,
        title,
        section,
        version,
        cluster_bits: 9,
        put_into,
        data_file: 0,
    }
}

impl Structure {
    const fn at_least(self, cluster_bits: u32) -> Structure {
        Structure {
            cluster_bits,
            ..self
        }
    }

    /// With a data file of so many sixteenths of the disk.
    const fn over(self, data_file: u64) -> Structure {
        Structure { data_file, ..self }
    }
}

/// Every structure there is.
pub const STRUCTURES: &[Structure] = &[
    structure(
        "plain",
        "clusters with data and without",
        "Header",
        2,
        |_| {},
    ),
    structure("empty", "a disk of no bytes", "Header", 2, |image| {
        image.size = 0;
        image.populated = [].into();
    }),
    structure(
        "nothing-allocated",
        "an L1 table of zeros",
        "Cluster mapping",
        2,
        |image| {
            image.populated = [].into();
        },
    ),
    structure(
        "zeros",
        "clusters that read as zeros, allocated or not",
        "Cluster mapping",
        3,
        |image| {
            image.zero = [1, 2].into();
            image.zero_allocated = [3, 7].into();
        },
    ),
    structure(
        "deflate",
        "compressed clusters",
        "Cluster mapping",
        2,
        |image| {
            image.compressed = [1, 2, 3, 7].into();
        },
    ),
    structure(
        "zstd",
        "clusters compressed with zstd",
        "Header, compression_type",
        3,
        |image| {
            image.compression = Compression::Zstd;
            image.compressed = [1, 2, 3, 7].into();
        },
    ),
    structure(
        "extended-l2",
        "clusters allocated in parts",
        "Extended L2 Entries",
        3,
        |image| {
            image.extended_l2 = true;
            image.subclusters = vec![parts(1, &[0, 31], &[1, 30]), parts(2, &[], &[5])];
        },
    )
    .at_least(14),
    structure(
        "snapshots-shared",
        "snapshots right after they were taken",
        "Snapshots",
        2,
        |image| {
            image.snapshots = vec![snapshot("one", None), snapshot("two", None)];
        },
    ),
    structure(
        "snapshots-own",
        "a snapshot with clusters of its own",
        "Snapshots",
        2,
        |image| {
            image.compressed = [1].into();
            image.snapshots = vec![snapshot("one", Some([2, 3])), snapshot("two", None)];
        },
    ),
    structure(
        "bitmaps",
        "persistent dirty bitmaps, one of them in use",
        "Bitmaps",
        3,
        |image| {
            let in_use = Bitmap {
                in_use: true,
                auto: false,
                ..bitmap("in use", 17)
            };
            image.bitmaps = vec![bitmap("dirty", 9), in_use];
        },
    ),
    structure(
        "luks",
        "a LUKS header",
        "Full disk encryption header pointer",
        3,
        |image| {
            image.encryption = Encryption::Luks;
        },
    ),
    structure("aes", "the AES flag", "Header, crypt_method", 2, |image| {
        image.encryption = Encryption::Aes;
    }),
    structure("dirty", "the dirty bit", "Header", 3, |image| {
        image.dirty = true;
    }),
    structure("corrupt", "the corrupt bit", "Header", 3, |image| {
        image.corrupt = true;
    }),
    structure("lazy-refcounts", "lazy refcounts", "Header", 3, |image| {
        image.lazy_refcounts = true;
    }),
    structure(
        "feature-names",
        "names of feature bits",
        "Feature name table",
        2,
        |image| {
            image.feature_names = Some(FeatureNames {
                known: true,
                more: vec![],
            });
        },
    ),
    structure(
        "unknown-bits",
        "bits that a reader may ignore",
        "Header",
        3,
        |image| {
            image.compatible_bits = vec![1, 63];
            image.autoclear_bits = vec![2, 63];
        },
    ),
    structure(
        "header-104",
        "the shortest header of version 3",
        "Header",
        3,
        |image| {
            image.header_length = Some(104);
        },
    ),
    structure(
        "header-136",
        "a header with unknown fields",
        "Header",
        3,
        |image| {
            image.header_length = Some(136);
            image.header_tail = Some(vec![0xff; 24].into());
        },
    ),
    structure(
        "unknown-extensions",
        "extensions around a known one",
        "Header extensions",
        2,
        |image| {
            let known = Extension::Known(Known::BackingFormat);
            image.backing_format = Some("raw".into());
            image.extensions = vec![unknown(1), known, unknown(8), unknown(0), unknown(1)];
        },
    ),
    structure(
        "no-end-marker",
        "an area that zeros end",
        "Header extensions",
        2,
        |image| {
            image.end_marker = false;
        },
    ),
    structure(
        "data-file",
        "a data file",
        "Header, incompatible bit 2",
        3,
        |_| {},
    )
    .over(16),
    structure(
        "data-file-raw",
        "the raw flag",
        "Header, autoclear bit 1",
        3,
        |image| {
            image.data_file_raw = true;
        },
    )
    .over(16),
    structure(
        "data-file-long",
        "a data file longer than the disk",
        "Header",
        3,
        |_| {},
    )
    .over(32),
    structure(
        "data-file-short",
        "a data file shorter than the disk",
        "Header",
        3,
        |_| {},
    )
    .over(9),
    structure(
        "data-file-bitmaps",
        "bitmaps over a raw disk",
        "Bitmaps",
        3,
        |image| {
            image.data_file_raw = true;
            image.bitmaps = vec![bitmap("backup", 16)];
        },
    )
    .over(16),
    structure(
        "data-file-luks",
        "a LUKS header, data elsewhere",
        "Header",
        3,
        |image| {
            image.encryption = Encryption::Luks;
        },
    )
    .over(16),
    structure(
        "data-file-extended-l2",
        "parts of clusters, data elsewhere",
        "Extended L2 Entries",
        3,
        |image| {
            image.extended_l2 = true;
            image.subclusters = vec![parts(1, &[0, 31], &[1, 30])];
        },
    )
    .at_least(14)
    .over(16),
    structure(
        "data-file-unused",
        "a name that version 2 has no use for",
        "Header",
        2,
        |image| {
            image.data_file_bit = Some(false);
        },
    )
    .over(16),
    structure(
        "refcounts-1",
        "refcounts of one bit",
        "Host cluster management",
        3,
        |image| {
            image.refcount_order = Some(0);
            image.compressed = [1, 2].into();
        },
    ),
    structure(
        "refcounts-2",
        "refcounts of two bits",
        "Host cluster management",
        3,
        |image| {
            image.refcount_order = Some(1);
        },
    ),
    structure(
        "refcounts-4",
        "refcounts of four bits",
        "Host cluster management",
        3,
        |image| {
            image.refcount_order = Some(2);
        },
    ),
    structure(
        "refcounts-8",
        "refcounts of eight bits",
        "Host cluster management",
        3,
        |image| {
            image.refcount_order = Some(3);
            image.compressed = [1, 2].into();
        },
    ),
    structure(
        "refcounts-32",
        "refcounts of 32 bits",
        "Host cluster management",
        3,
        |image| {
            image.refcount_order = Some(5);
        },
    ),
    structure(
        "refcounts-64",
        "refcounts of 64 bits",
        "Host cluster management",
        3,
        |image| {
            image.refcount_order = Some(6);
            image.snapshots = vec![snapshot("one", None)];
        },
    ),
];

fn parts(cluster: u64, allocated: &[u64], zero: &[u64]) -> Subclusters {
    Subclusters {
        cluster,
        allocated: allocated.iter().copied().collect(),
        zero: zero.iter().copied().collect(),
    }
}

fn snapshot(name: &str, populated: Option<[u64; 2]>) -> Snapshot {
    Snapshot {
        name: name.into(),
        populated: populated.map(Into::into),
        ..Snapshot::default()
    }
}

fn bitmap(name: &str, granularity_bits: u32) -> Bitmap {
    Bitmap {
        name: name.into(),
        granularity_bits,
        dirty: [0].into(),
        ..Bitmap::default()
    }
}

fn unknown(length: usize) -> Extension {
    Extension::Other(Other {
        kind: 0x7163_6f6e,
        data: Bytes::from(vec![0xff; length]),
        length: None,
    })
}
