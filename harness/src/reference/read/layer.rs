//! One image of a chain: where each guest cluster's bytes are.

use std::fs::File;
use std::path::PathBuf;

use super::error::ReadError;
use crate::reference::bytes::ReadAt;
use crate::reference::layout;
use crate::reference::probe::header::Fields;

/// Bits 9 to 55 of an L1 or L2 entry: an offset.
const OFFSET_MASK: u64 = 0x00ff_ffff_ffff_fe00;
/// Bit 63 of an L2 entry: the cluster belongs to this image alone.
const COPIED: u64 = 1 << 63;
/// Bit 62 of an L2 entry: the cluster is compressed.
const COMPRESSED: u64 = 1 << 62;
/// Bit 0 of an L2 entry: the cluster reads as zeros; version 3 only.
const ZERO: u64 = 1;

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

/// Where the bytes from one guest offset on are.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// In the image or its data file, at this offset.
    Host(u64),
    /// Nowhere; they are zeros.
    Zeros,
    /// In the layer below.
    Below,
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
        let within = offset % fields.cluster_size();
        let source = self.cluster(fields, offset - within)?;
        let source = match source {
            Source::Host(start) => Source::Host(start + within),
            other => other,
        };
        Ok((source, left.min(fields.cluster_size() - within)))
    }

    /// Reads bytes that [`Self::locate`] found; past the end of the file they are zeros.
    pub(super) fn read(&self, offset: u64, buffer: &mut [u8]) -> Result<(), ReadError> {
        let (file, path) = match &self.data {
            Some((file, path)) => (file, path),
            None => (&self.file, &self.path),
        };
        let done = ReadAt::read_at(file, offset, buffer).map_err(|error| {
            let path = path.clone();
            ReadError::Io {
                path,
                offset,
                error,
            }
        })?;
        buffer[done..].fill(0);
        Ok(())
    }

    /// Where the cluster at this guest offset is.
    fn cluster(&self, fields: &Fields, guest: u64) -> Result<Source, ReadError> {
        let index = guest >> fields.cluster_bits;
        let l1_at = fields
            .l1_offset
            .saturating_add((index >> fields.l2_bits()) * 8);
        let l2_table = self.entry(l1_at)? & OFFSET_MASK;
        if l2_table == 0 {
            return Ok(Source::Below);
        }
        if !l2_table.is_multiple_of(fields.cluster_size()) {
            return Err(self.corrupt(l1_at, format!("l2 table at byte {l2_table} is not aligned")));
        }
        let l2_at = l2_table + index % (1 << fields.l2_bits()) * 8;
        let entry = self.entry(l2_at)?;
        if entry & COMPRESSED != 0 {
            return self.compressed(l2_at);
        }
        self.standard(fields, guest, l2_at, entry)
    }

    fn compressed(&self, at: u64) -> Result<Source, ReadError> {
        if self.data.is_some() {
            let message = "compressed cluster in an image with a data file".to_owned();
            return Err(self.corrupt(at, message));
        }
        Err(self.unsupported(at, "a compressed cluster"))
    }

    fn standard(
        &self,
        fields: &Fields,
        guest: u64,
        at: u64,
        entry: u64,
    ) -> Result<Source, ReadError> {
        let host = entry & OFFSET_MASK;
        let zero = entry & ZERO != 0;
        if zero && fields.version < 3 {
            return Err(self.corrupt(at, "zero cluster in a version 2 image".to_owned()));
        }
        // Guest cluster 0 of a data file is at offset 0, so there the other bit tells.
        let allocated = host != 0 || (self.data.is_some() && entry & COPIED != 0);
        if !allocated {
            return Ok(if zero { Source::Zeros } else { Source::Below });
        }
        if !host.is_multiple_of(fields.cluster_size()) {
            return Err(self.corrupt(at, format!("cluster at byte {host} is not aligned")));
        }
        if self.data.is_some() && host != guest {
            let message = format!("cluster {guest} is at byte {host} of the data file");
            return Err(self.corrupt(at, message));
        }
        Ok(if zero {
            Source::Zeros
        } else {
            Source::Host(host)
        })
    }

    /// Refuses what this reader would get wrong.
    pub(super) fn require_supported(&self) -> Result<(), ReadError> {
        let Some(fields) = &self.fields else {
            return Ok(());
        };
        if fields.crypt_method != layout::CRYPT_NONE {
            return Err(self.unsupported(layout::CRYPT_METHOD, "encryption"));
        }
        if fields.incompatible & layout::EXTENDED_L2 != 0 {
            return Err(self.unsupported(layout::INCOMPATIBLE, "an extended l2 table"));
        }
        Ok(())
    }

    fn entry(&self, offset: u64) -> Result<u64, ReadError> {
        let mut bytes = [0; 8];
        ReadAt::read_at(&self.file, offset, &mut bytes).map_err(|error| {
            let path = self.path.clone();
            ReadError::Io {
                path,
                offset,
                error,
            }
        })?;
        Ok(u64::from_be_bytes(bytes))
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
