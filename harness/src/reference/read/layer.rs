//! One open image of a chain: finds and reads the bytes of its guest clusters.

use std::fs::File;
use std::path::{Path, PathBuf};

use super::decompress::decompress;
use super::error::ReadError;
use super::mapping::{self, Entry, Source, Stream};
use crate::reference::bytes::{ReadAt, be_u64};
use crate::reference::layout;
use crate::reference::probe::header::Fields;

/// An open image with its data file.
#[derive(Debug)]
pub(super) struct Layer {
    pub(super) path: PathBuf,
    pub(super) file: File,
    /// The data file and its path, if the image uses one.
    pub(super) data: Option<(File, PathBuf)>,
    /// Absent for a raw image.
    pub(super) fields: Option<Fields>,
    /// Virtual size in bytes.
    pub(super) size: u64,
}

impl Layer {
    /// Says where the bytes at `offset` are, and how many from there on are in one piece.
    pub(super) fn locate(&self, offset: u64) -> Result<(Source, u64), ReadError> {
        if offset >= self.size {
            return Ok((Source::Zeros, u64::MAX - offset));
        }
        let left = self.size - offset;
        let Some(fields) = &self.fields else {
            return Ok((Source::Host(offset), left));
        };
        let (source, length) = self.cluster(fields, offset)?;
        Ok((source, left.min(length)))
    }

    /// Reads bytes that [`Self::locate`] found in a file; past its end they are zeros.
    pub(super) fn read(&self, offset: u64, buffer: &mut [u8]) -> Result<(), ReadError> {
        let (file, path) = match &self.data {
            Some((file, path)) => (file, path),
            None => (&self.file, &self.path),
        };
        read_zero_padded(file, path, offset, buffer)
    }

    /// Reads bytes that [`Self::locate`] found in a compressed cluster.
    pub(super) fn read_compressed(
        &self,
        stream: Stream,
        within: u64,
        buffer: &mut [u8],
    ) -> Result<(), ReadError> {
        let Some(fields) = &self.fields else {
            return Ok(());
        };
        // Neither is longer than two clusters, and a cluster not longer than 2 MiB.
        let mut bytes = vec![0; stream.length as usize];
        let mut cluster = vec![0; fields.cluster_size() as usize];
        read_zero_padded(&self.file, &self.path, stream.offset, &mut bytes)?;
        let damaged = || self.corrupt(stream.offset, "compressed cluster is damaged".to_owned());
        decompress(fields.compression, &bytes, &mut cluster).ok_or_else(damaged)?;
        let start = within as usize;
        buffer.copy_from_slice(&cluster[start..start + buffer.len()]);
        Ok(())
    }

    /// Where the bytes at a guest offset are, by the L1 and L2 tables.
    fn cluster(&self, fields: &Fields, guest: u64) -> Result<(Source, u64), ReadError> {
        let index = guest >> fields.cluster_bits;
        let in_l1 = (index >> fields.l2_bits()) * layout::TABLE_ENTRY;
        let l1_at = fields.l1_offset.saturating_add(in_l1);
        let l2_table = mapping::l2_table(fields, be_u64(&self.bytes::<8>(l1_at)?, 0))
            .map_err(|message| self.corrupt(l1_at, message))?;
        if l2_table == 0 {
            // The whole table's clusters are in one piece.
            let reach = 1_u64 << (fields.cluster_bits + fields.l2_bits());
            return Ok((Source::Below, reach - guest % reach));
        }
        let length = if fields.extended_l2() { 16 } else { 8 };
        let at = l2_table + index % (1 << fields.l2_bits()) * length;
        let entry = self.bytes::<16>(at)?;
        let entry = Entry {
            first: be_u64(&entry, 0),
            subclusters: be_u64(&entry, 8),
        };
        entry
            .locate(fields, guest)
            .map_err(|message| self.corrupt(at, message))
    }

    /// Refuses what this reader would get wrong.
    pub(super) fn require_supported(&self) -> Result<(), ReadError> {
        let Some(fields) = &self.fields else {
            return Ok(());
        };
        if fields.crypt_method != layout::CRYPT_NONE {
            return Err(self.unsupported(layout::CRYPT_METHOD, "encryption"));
        }
        Ok(())
    }

    fn bytes<const N: usize>(&self, offset: u64) -> Result<[u8; N], ReadError> {
        let mut bytes = [0; N];
        read_zero_padded(&self.file, &self.path, offset, &mut bytes)?;
        Ok(bytes)
    }

    fn unsupported(&self, offset: u64, feature: &'static str) -> ReadError {
        let path = self.path.clone();
        ReadError::Unsupported {
            path,
            offset,
            feature,
        }
    }

    fn corrupt(&self, offset: u64, message: String) -> ReadError {
        let path = self.path.clone();
        ReadError::Corrupt {
            path,
            offset,
            message,
        }
    }
}

fn read_zero_padded(
    file: &File,
    path: &Path,
    offset: u64,
    buffer: &mut [u8],
) -> Result<(), ReadError> {
    let done = ReadAt::read_at(file, offset, buffer).map_err(|error| ReadError::Io {
        path: path.to_owned(),
        offset,
        error,
    })?;
    buffer[done..].fill(0);
    Ok(())
}
