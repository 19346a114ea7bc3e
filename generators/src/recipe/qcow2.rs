//! The options of a qcow2 image.

use serde::{Deserialize, Serialize};

use super::{Bitmap, Bytes, Clusters, Extension, FeatureNames, Layout, Snapshot};
use crate::defect::Choice;

/// A qcow2 image. Its populated guest clusters hold the marker of the image's own name, unless
/// [`Qcow2::uses_data_file`]: then they are mapped, and the data file is an entry of its own.
///
/// A guest cluster stands in at most one of `populated`, `zero`, `zero_allocated`, `compressed`
/// and `subclusters`; one that stands in none is unallocated, unless [`Qcow2::maps_all`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Qcow2 {
    /// 2 or 3.
    pub version: u32,
    /// The cluster size as a power of two, 9 to 21; at least 14 with `extended_l2`.
    pub cluster_bits: u32,
    /// Virtual size in bytes.
    pub size: u64,
    /// The guest clusters that are allocated.
    pub populated: Clusters,
    /// Guest clusters that read as zeros and have no host cluster.
    #[serde(skip_serializing_if = "Clusters::is_empty")]
    pub zero: Clusters,
    /// Guest clusters that read as zeros and keep a host cluster, which holds stale bytes: the
    /// marker that a reader shows if it overlooks the flag.
    #[serde(skip_serializing_if = "Clusters::is_empty")]
    pub zero_allocated: Clusters,
    /// Guest clusters that are stored compressed.
    #[serde(skip_serializing_if = "Clusters::is_empty")]
    pub compressed: Clusters,
    /// Guest clusters of which only parts are allocated; needs `extended_l2`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub subclusters: Vec<Subclusters>,
    /// Incompatible bit 4: L2 entries of 16 bytes that describe subclusters.
    #[serde(skip_serializing_if = "is_off")]
    pub extended_l2: bool,
    /// The backing name as the header stores it, after [`crate::fixture::expand_name`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backing: Option<Bytes>,
    /// Payload of the backing format extension; may be given without a backing name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backing_format: Option<Bytes>,
    /// Payload of the data file extension, after [`crate::fixture::expand_name`]. Version 2 has
    /// no such extension, but it can be written there, where readers ignore it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data_file: Option<Bytes>,
    /// Incompatible bit 2. Without it, set exactly if version 3 has a `data_file`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data_file_bit: Option<bool>,
    /// Autoclear bit 1; with bit 2 it also maps every guest cluster, as QEMU does.
    #[serde(skip_serializing_if = "is_off")]
    pub data_file_raw: bool,
    /// Whether guest clusters that no list names are mapped. Without it, exactly if the image
    /// has a data file with the raw flag.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub map_all: Option<bool>,
    /// Length of a version 3 header in bytes: 104, or 112 and more; 112 unless given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub header_length: Option<u32>,
    /// What stands behind byte 112 of a longer header: fields that no version defines yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub header_tail: Option<Bytes>,
    /// The width of a refcount in bits as a power of two, 0 to 6; version 2 has 4 only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refcount_order: Option<u32>,
    /// Incompatible bit 0.
    #[serde(skip_serializing_if = "is_off")]
    pub dirty: bool,
    /// Incompatible bit 1.
    #[serde(skip_serializing_if = "is_off")]
    pub corrupt: bool,
    /// Compatible bit 0.
    #[serde(skip_serializing_if = "is_off")]
    pub lazy_refcounts: bool,
    /// Further incompatible bits to set, by number.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub incompatible_bits: Vec<u32>,
    /// Further compatible bits to set, by number.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub compatible_bits: Vec<u32>,
    /// Further autoclear bits to set, by number.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub autoclear_bits: Vec<u32>,
    /// How `compressed` clusters are stored; zstd sets incompatible bit 3.
    pub compression: Compression,
    /// What the header says of encryption.
    pub encryption: Encryption,
    /// The feature name table.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub feature_names: Option<FeatureNames>,
    /// Header extensions in the order in which they are written. Those that other options ask
    /// for and this list does not place come first, in QEMU's order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub extensions: Vec<Extension>,
    /// Whether the extension area ends with its end marker where `extensions` has none.
    #[serde(skip_serializing_if = "is_on")]
    pub end_marker: bool,
    /// Internal snapshots.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub snapshots: Vec<Snapshot>,
    /// Persistent dirty bitmaps.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub bitmaps: Vec<Bitmap>,
    /// Autoclear bit 0. Without it, set exactly if there are `bitmaps`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bitmaps_bit: Option<bool>,
    /// The tables of a captured image, instead of those that the options above ask for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub layout: Option<Box<Layout>>,
    /// Deliberate deviations, applied in this order; [`crate::defect::catalogue`] has the names.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub defects: Vec<Choice>,
    /// Bytes written over the finished image, whatever stood there.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub patches: Vec<Patch>,
    /// Length of the file in bytes, if it is not the end of its last cluster.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub length: Option<u64>,
}

/// A guest cluster that is allocated in parts. Its whole host cluster holds the marker, so that
/// a reader which overlooks the parts shows bytes that it must not.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Subclusters {
    /// Index of the guest cluster.
    pub cluster: u64,
    /// Which of its 32 subclusters are allocated.
    #[serde(default)]
    pub allocated: Clusters,
    /// Which of them read as zeros.
    #[serde(default)]
    pub zero: Clusters,
}

/// How clusters are compressed. Specification: Header, compression_type.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Compression {
    /// Raw deflate, compression type 0.
    #[default]
    Deflate,
    /// Zstandard frames, compression type 1.
    Zstd,
}

/// The encryption method in the header. Guest clusters are written as they are: no key opens
/// them, and a reader without one must not show them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Encryption {
    /// Method 0.
    #[default]
    None,
    /// Method 1, AES-CBC.
    Aes,
    /// Method 2, with a LUKS1 header that has no key slot in use.
    Luks,
}

/// Bytes that replace others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Patch {
    /// Offset in the file in bytes.
    pub at: u64,
    /// What stands there instead.
    pub bytes: Bytes,
}

impl Default for Qcow2 {
    fn default() -> Qcow2 {
        Qcow2 {
            version: 3,
            cluster_bits: 12,
            size: 32_768,
            populated: [0, 5].into(),
            zero: Clusters::default(),
            zero_allocated: Clusters::default(),
            compressed: Clusters::default(),
            subclusters: Vec::new(),
            extended_l2: false,
            backing: None,
            backing_format: None,
            data_file: None,
            data_file_bit: None,
            data_file_raw: false,
            map_all: None,
            header_length: None,
            header_tail: None,
            refcount_order: None,
            dirty: false,
            corrupt: false,
            lazy_refcounts: false,
            incompatible_bits: Vec::new(),
            compatible_bits: Vec::new(),
            autoclear_bits: Vec::new(),
            compression: Compression::Deflate,
            encryption: Encryption::None,
            feature_names: None,
            extensions: Vec::new(),
            end_marker: true,
            snapshots: Vec::new(),
            bitmaps: Vec::new(),
            bitmaps_bit: None,
            layout: None,
            defects: Vec::new(),
            patches: Vec::new(),
            length: None,
        }
    }
}

impl Qcow2 {
    /// Whether incompatible bit 2 is written: guest clusters then live in a data file, whether
    /// or not the header names one.
    #[must_use]
    pub fn uses_data_file(&self) -> bool {
        self.data_file_bit
            .unwrap_or(self.version >= 3 && self.data_file.is_some())
    }

    /// Whether guest clusters that no list names are mapped all the same.
    #[must_use]
    pub fn maps_all(&self) -> bool {
        self.map_all
            .unwrap_or(self.data_file_raw && self.uses_data_file())
    }

    /// The cluster size in bytes; `cluster_bits` has been checked.
    pub(crate) fn cluster_size(&self) -> u64 {
        1 << self.cluster_bits
    }
}

// The forms that serde asks for.
#[allow(clippy::trivially_copy_pass_by_ref)]
fn is_off(value: &bool) -> bool {
    !value
}

#[allow(clippy::trivially_copy_pass_by_ref)]
fn is_on(value: &bool) -> bool {
    *value
}
