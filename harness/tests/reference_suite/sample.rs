//! Small images, written byte by byte from the specification.

use std::path::{Path, PathBuf};

/// A qcow2 header in the making; every field can be overwritten by its offset.
#[derive(Debug, Clone)]
pub(crate) struct Sample {
    version: u32,
    cluster_bits: u32,
    incompatible: u64,
    autoclear: u64,
    extensions: Vec<(u32, Vec<u8>)>,
    backing: Option<Vec<u8>>,
    patches: Vec<(usize, Vec<u8>)>,
}

impl Sample {
    /// A version 3 image of 1 MiB with 64 KiB clusters and nothing allocated.
    pub(crate) fn new() -> Self {
        Self {
            version: 3,
            cluster_bits: 16,
            incompatible: 0,
            autoclear: 0,
            extensions: Vec::new(),
            backing: None,
            patches: Vec::new(),
        }
    }

    pub(crate) fn version(mut self, version: u32) -> Self {
        self.version = version;
        self
    }

    pub(crate) fn cluster_bits(mut self, bits: u32) -> Self {
        self.cluster_bits = bits;
        self
    }

    pub(crate) fn incompatible(mut self, bits: u64) -> Self {
        self.incompatible |= bits;
        self
    }

    pub(crate) fn autoclear(mut self, bits: u64) -> Self {
        self.autoclear |= bits;
        self
    }

    pub(crate) fn extension(mut self, kind: u32, payload: &[u8]) -> Self {
        self.extensions.push((kind, payload.to_vec()));
        self
    }

    /// Names a data file and sets the bit that makes it count.
    pub(crate) fn data_file(self, name: &str) -> Self {
        self.incompatible(4).extension(0x4441_5441, name.as_bytes())
    }

    pub(crate) fn backing(self, name: &str) -> Self {
        self.backing_bytes(name.as_bytes())
    }

    pub(crate) fn backing_bytes(mut self, name: &[u8]) -> Self {
        self.backing = Some(name.to_vec());
        self
    }

    pub(crate) fn backing_format(self, format: &str) -> Self {
        self.extension(0xE279_2ACA, format.as_bytes())
    }

    /// Overwrites bytes once everything else is in place.
    pub(crate) fn patch(mut self, offset: usize, bytes: &[u8]) -> Self {
        self.patches.push((offset, bytes.to_vec()));
        self
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let cluster = 1_u64 << self.cluster_bits;
        let header_length: u32 = if self.version == 2 { 72 } else { 112 };
        let mut area = Vec::new();
        for (kind, payload) in &self.extensions {
            area.extend(kind.to_be_bytes());
            area.extend(u32::try_from(payload.len()).unwrap().to_be_bytes());
            area.extend(payload);
            area.resize(area.len().next_multiple_of(8), 0);
        }
        area.extend([0; 8]);
        let end = u64::from(header_length) + area.len() as u64;
        let (name_offset, name) = match &self.backing {
            Some(name) => (end, name.as_slice()),
            None => (0, [].as_slice()),
        };
        let mut bytes = b"QFI\xfb".to_vec();
        bytes.extend(self.version.to_be_bytes());
        bytes.extend(name_offset.to_be_bytes());
        bytes.extend(u32::try_from(name.len()).unwrap().to_be_bytes());
        bytes.extend(self.cluster_bits.to_be_bytes());
        bytes.extend((1_u64 << 20).to_be_bytes());
        bytes.extend(0_u32.to_be_bytes());
        bytes.extend(64_u32.to_be_bytes());
        bytes.extend((3 * cluster).to_be_bytes());
        bytes.extend(cluster.to_be_bytes());
        bytes.extend(1_u32.to_be_bytes());
        bytes.extend(0_u32.to_be_bytes());
        bytes.extend(0_u64.to_be_bytes());
        if self.version != 2 {
            bytes.extend(self.incompatible.to_be_bytes());
            bytes.extend(0_u64.to_be_bytes());
            bytes.extend(self.autoclear.to_be_bytes());
            bytes.extend(4_u32.to_be_bytes());
            bytes.extend(header_length.to_be_bytes());
            bytes.extend([0; 8]);
        }
        bytes.extend(area);
        bytes.extend(name);
        for (offset, patch) in &self.patches {
            let end = offset + patch.len();
            bytes.resize(bytes.len().max(end), 0);
            bytes[*offset..end].copy_from_slice(patch);
        }
        bytes
    }

    pub(crate) fn write(self, folder: &Path, name: &str) -> PathBuf {
        let path = folder.join(name);
        std::fs::write(&path, self.bytes()).unwrap();
        path
    }
}
