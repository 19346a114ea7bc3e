//! Writes one qcow2 image: first everything is decided, then it is streamed to the file.
//!
//! Clusters follow each other as in an image that QEMU makes: header, refcount table, refcount
//! blocks, L1 table, L2 tables, data. Every one of them is referenced once.

mod header;
mod plan;
mod tables;

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

use crate::layout::{entry, header as field, limit};
use crate::marker::Marker;
use crate::qcow2::plan::{Mapping, Plan};
use crate::recipe::{Qcow2, RecipeError};

/// What one write takes at most, whatever the cluster size.
pub(crate) const CHUNK: usize = 64 << 10;

/// The names that an image stores, as the bytes it stores.
#[derive(Debug)]
pub(crate) struct Names {
    pub(crate) backing: Option<Vec<u8>>,
    pub(crate) backing_format: Option<Vec<u8>>,
    pub(crate) data_file: Option<Vec<u8>>,
}

impl Names {
    /// The names of `image`, with `expand` applied to those that are file names.
    pub(crate) fn of(image: &Qcow2, expand: impl Fn(&str) -> Vec<u8>) -> Names {
        Names {
            backing: image.backing.as_deref().map(&expand),
            backing_format: image
                .backing_format
                .as_deref()
                .map(|name| name.as_bytes().to_vec()),
            data_file: image.data_file.as_deref().map(&expand),
        }
    }
}

/// An image of which every offset is known, ready to be written.
#[derive(Debug)]
pub(crate) struct Image {
    plan: Plan,
    /// The start of the first cluster; the rest of that cluster is zeros.
    header: Vec<u8>,
    size: u64,
}

impl Image {
    /// Lays the image out; `file` is its name in the recipe, for messages.
    pub(crate) fn new(file: &str, image: &Qcow2, names: &Names) -> Result<Image, RecipeError> {
        check_values(file, image)?;
        let plan = Plan::new(file, image)?;
        let header = header::first_cluster(file, image, names, &plan)?;
        Ok(Image {
            plan,
            header,
            size: image.size,
        })
    }

    /// Writes the image into an empty file and returns its length in bytes.
    pub(crate) fn write(&self, file: &File, marker: &Marker) -> io::Result<u64> {
        file.set_len(self.plan.file_length())?;
        file.write_all_at(&self.header, 0)?;
        tables::write(file, &self.plan)?;
        if let Mapping::Internal(clusters) = &self.plan.mapping {
            self.write_data(file, marker, clusters)?;
        }
        Ok(self.plan.file_length())
    }

    /// What lies beyond the virtual size stays a hole.
    fn write_data(&self, file: &File, marker: &Marker, clusters: &[u64]) -> io::Result<()> {
        let hosts = (self.plan.first_data()..).step_by(self.plan.cluster_size());
        for (host, guest) in hosts.zip(clusters) {
            // The plan has checked that the cluster starts inside the image.
            let start = guest << self.plan.cluster_bits;
            let length = (self.size - start).min(self.plan.cluster_size() as u64);
            write_marker(file, host, marker, start, length)?;
        }
        Ok(())
    }
}

/// Writes `length` bytes of `marker`, those from `start` on, to offset `at` of the file.
pub(crate) fn write_marker(
    file: &File,
    at: u64,
    marker: &Marker,
    start: u64,
    length: u64,
) -> io::Result<()> {
    let mut buffer = [0; CHUNK];
    let mut done = 0;
    while done < length {
        let piece = usize::try_from(length - done).unwrap_or(CHUNK).min(CHUNK);
        marker.fill(start + done, &mut buffer[..piece]);
        file.write_all_at(&buffer[..piece], at + done)?;
        done += piece as u64;
    }
    Ok(())
}

fn check_values(file: &str, image: &Qcow2) -> Result<(), RecipeError> {
    let value = |field, value: u32, allowed| RecipeError::Value {
        file: file.to_owned(),
        field,
        value: value.into(),
        allowed,
    };
    if !matches!(image.version, 2 | 3) {
        return Err(value("version", image.version, "2 or 3"));
    }
    if !(limit::CLUSTER_BITS_MIN..=limit::CLUSTER_BITS_MAX).contains(&image.cluster_bits) {
        return Err(value("cluster-bits", image.cluster_bits, "9 to 21"));
    }
    if image.version == 2 {
        return check_version_2(file, image);
    }
    match image.header_length {
        None => Ok(()),
        Some(length) if [field::LENGTH_V3_MIN, field::LENGTH_V3].contains(&(length as usize)) => {
            Ok(())
        }
        Some(length) => Err(value("header-length", length, "104 or 112")),
    }
}

fn check_version_2(file: &str, image: &Qcow2) -> Result<(), RecipeError> {
    let field = if image.data_file_bit == Some(true) {
        "data-file-bit"
    } else if image.data_file_raw {
        "data-file-raw"
    } else if image.header_length.is_some() {
        "header-length"
    } else {
        return Ok(());
    };
    Err(RecipeError::NeedsVersion3 {
        file: file.to_owned(),
        field,
    })
}

/// L1 and L2 entries of clusters whose refcount is one, as all of them are here.
fn copied(offset: u64) -> u64 {
    entry::COPIED | offset
}
