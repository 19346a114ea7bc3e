//! Internal snapshots and persistent bitmaps as a recipe describes them.

use serde::{Deserialize, Serialize};

use super::{Bytes, Clusters};

/// An internal snapshot. Specification: Snapshots.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Snapshot {
    /// Its id; its place in the list from 1 unless given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<Bytes>,
    /// Its name.
    pub name: Bytes,
    /// The guest clusters that it holds, with the marker of `IMAGE@ID`. Without it the snapshot
    /// shares every cluster with the active state, as right after it was taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub populated: Option<Clusters>,
    /// When it was taken, in seconds since 1970.
    pub seconds: u32,
    /// How long the guest had run, in nanoseconds.
    pub clock: u64,
    /// Size of the saved machine state in bytes. No such state is written.
    pub vm_state_size: u64,
    /// Length of the extra data in bytes, 0 to 1024. Fields of which it has room are written:
    /// size of the machine state, virtual size, instruction count.
    pub extra_length: u32,
}

impl Default for Snapshot {
    fn default() -> Snapshot {
        Snapshot {
            id: None,
            name: Bytes::default(),
            populated: None,
            seconds: 1_570_406_400,
            clock: 0,
            vm_state_size: 0,
            extra_length: 24,
        }
    }
}

/// A persistent dirty bitmap. Specification: Bitmaps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Bitmap {
    /// Its name.
    pub name: Bytes,
    /// How many bytes of the disk one bit stands for, as a power of two; 9 to 31.
    pub granularity_bits: u32,
    /// The bits that are set.
    pub dirty: Clusters,
    /// Flag bit 0: it was not stored properly, so its content means nothing.
    pub in_use: bool,
    /// Flag bit 1: it records writes from the moment the image is opened.
    pub auto: bool,
}

impl Default for Bitmap {
    fn default() -> Bitmap {
        Bitmap {
            name: Bytes::from("bitmap0"),
            granularity_bits: 16,
            dirty: Clusters::default(),
            in_use: false,
            auto: true,
        }
    }
}
