//! Recognises an image's format and reads its header: qcow2 from its first byte to everything
//! that is read before a guest sees its disk.
//!
//! A qcow2 image begins with a [`header`] of fixed fields. Behind it stand
//! [`extensions`], behind these the name of the backing image, all inside the first cluster.
//! The header says where the [`tables`] of the mapping are, the [`snapshots`], and by way of
//! extensions the [`bitmaps`] and the [`luks`] header. Numbers are big endian, offsets count
//! from the start of the image in bytes, what lies past the end of the file is zeros.
//!
//! There are two depths. [`probe`] reads the first cluster only, usually with one system call:
//! what a chain needs. [`inspect`] also reads what QEMU reads when it opens an image, and
//! accepts and rejects exactly as `qemu-img info -f qcow2` does, for the first reason that
//! QEMU finds. Neither allocates memory because a length in an image says so.

mod bitmap_table;
pub mod bitmaps;
pub mod error;
pub mod extensions;
mod facts;
pub mod features;
pub mod header;
pub mod luks;
mod oddities;
mod payload;
pub mod recognise;
pub mod snapshots;
pub mod tables;

use std::io;

pub use error::{ProbeError, RejectClass};
pub use facts::{Backing, DataFile, Header, Opened};

use super::bytes::{Name, ReadAt};
use super::format::Format;
use super::layout;
use super::violation::Violation;
use super::window::{FIRST_READ, Window};
use bitmaps::Bitmap;
use extensions::{Extension, Extensions};
use features::FeatureName;
use header::Fields;
use snapshots::Snapshot;

/// How many snapshots and bitmaps are listed; all of them are checked and counted.
pub const LISTED_MAX: usize = 256;

/// How much of an image is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Depth {
    /// The first cluster.
    Header,
    /// What QEMU reads at open.
    Open,
}

/// What is carried from one part of the image to the next.
struct Reader<'a> {
    source: &'a dyn ReadAt,
    window: Window<'a>,
    depth: Depth,
    violations: Vec<Violation>,
    // What is read, or kept, at open only.
    extensions: Vec<Extension>,
    feature_names: Vec<FeatureName>,
    snapshots: Vec<Snapshot>,
    bitmaps: Vec<Bitmap>,
}

/// Reads the header of an image, and nothing past its first cluster.
///
/// Without a declared format it is recognised by how the image begins, see [`recognise`].
///
/// # Errors
///
/// [`ProbeError`] where QEMU would refuse to open the image as that format because of its
/// first cluster.
pub fn probe(source: &impl ReadAt, format: Option<Format>) -> Result<Header, ProbeError> {
    let mut first = [0; FIRST_READ];
    Reader::new(source, format, Depth::Header, &mut first)?.read(format)
}

/// Reads an image as far as QEMU does at open, so that it is accepted or rejected as
/// `qemu-img info` would.
///
/// # Errors
///
/// [`ProbeError`] where QEMU would refuse to open the image as that format.
pub fn inspect(source: &impl ReadAt, format: Option<Format>) -> Result<Opened, ProbeError> {
    let mut first = [0; FIRST_READ];
    let mut reader = Reader::new(source, format, Depth::Open, &mut first)?;
    let header = reader.read(format)?;
    Ok(Opened {
        header,
        extensions: reader.extensions,
        feature_names: reader.feature_names,
        snapshots: reader.snapshots,
        bitmaps: reader.bitmaps,
    })
}

impl<'a> Reader<'a> {
    fn new(
        source: &'a dyn ReadAt,
        format: Option<Format>,
        depth: Depth,
        first: &'a mut [u8; FIRST_READ],
    ) -> io::Result<Self> {
        let cap = match format {
            None | Some(Format::Qcow2) => layout::MAX_CLUSTER_SIZE as usize,
            // Of other formats not a byte is read.
            Some(_) => 0,
        };
        Ok(Self {
            source,
            window: Window::new(source, cap, first)?,
            depth,
            violations: Vec::new(),
            extensions: Vec::new(),
            feature_names: Vec::new(),
            snapshots: Vec::new(),
            bitmaps: Vec::new(),
        })
    }

    fn read(&mut self, format: Option<Format>) -> Result<Header, ProbeError> {
        let format = match format {
            Some(format) => format,
            None => recognise::format(&mut self.window, self.source)?,
        };
        match format {
            Format::Qcow2 => read_qcow2(self),
            Format::Raw => {
                let length = self.source.length()?;
                Ok(Header {
                    virtual_size: length.checked_next_multiple_of(layout::SECTOR),
                    ..Header::without_facts(format)
                })
            }
            _ => Ok(Header::without_facts(format)),
        }
    }
}

fn read_qcow2(reader: &mut Reader<'_>) -> Result<Header, ProbeError> {
    let fields = header::read(&mut reader.window)?;
    let mut extensions = extensions::read(reader, &fields)?;
    let backing = read_backing(reader, &fields)?;
    if reader.depth == Depth::Open {
        reader.snapshots = snapshots::read(reader, &fields)?;
        if let Some(area) = extensions.bitmaps {
            reader.bitmaps = bitmaps::read(reader, &fields, area)?;
        }
        reader.feature_names = feature_names(reader, &extensions)?;
    }
    tables::check_disk_size(&fields)?;
    oddities::note(reader, &fields, &extensions, backing.as_ref())?;
    reader.extensions = std::mem::take(&mut extensions.all);
    let violations = std::mem::take(&mut reader.violations);
    Ok(Header::of_qcow2(fields, extensions, backing, violations))
}

fn read_backing(reader: &mut Reader<'_>, fields: &Fields) -> Result<Option<Name>, ProbeError> {
    let offset = fields.backing_offset;
    if offset == 0 {
        return Ok(None);
    }
    let length = u64::from(fields.backing_size);
    if length > layout::MAX_BACKING_NAME.min(fields.cluster_size() - offset) {
        let message = format!("backing name of {length} bytes at byte {offset} is too long");
        let at = layout::BACKING_SIZE;
        return Err(ProbeError::new(
            RejectClass::BackingNameTooLong,
            at,
            message,
        ));
    }
    Ok(Some(reader.name(offset, length)?))
}

/// Of several tables the last one, as for every extension.
fn feature_names(reader: &mut Reader<'_>, extensions: &Extensions) -> io::Result<Vec<FeatureName>> {
    let mut all = extensions.all.iter().rev();
    match all.find(|extension| extension.kind == layout::EXT_FEATURE_NAMES) {
        Some(extension) => features::table(&mut reader.window, extension),
        None => Ok(Vec::new()),
    }
}

impl Reader<'_> {
    /// A name inside the first cluster.
    fn name(&mut self, offset: u64, length: u64) -> io::Result<Name> {
        let raw = self.window.slice(offset, length)?.to_vec();
        Ok(Name { raw })
    }

    /// A name anywhere; no format of a name allows more than 64 KiB.
    fn far_name(&self, offset: u64, length: u64) -> io::Result<Name> {
        let mut raw = vec![0; length.min(u64::from(u16::MAX)) as usize];
        self.source.read_at(offset, &mut raw)?;
        Ok(Name { raw })
    }
}
