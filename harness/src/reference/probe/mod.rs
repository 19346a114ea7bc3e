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

pub mod bitmaps;
pub mod error;
pub mod extensions;
pub mod features;
pub mod header;
pub mod luks;
mod oddities;
pub mod recognise;
pub mod snapshots;
pub mod tables;

use std::io;

pub use error::{ProbeError, RejectClass};

use super::bytes::{Name, ReadAt, Window};
use super::format::Format;
use super::layout;
use super::violation::Violation;
use bitmaps::Bitmap;
use extensions::{BitmapsArea, Extension, Extensions, LuksArea};
use features::FeatureName;
use header::Fields;
use snapshots::Snapshot;

/// How many snapshots and bitmaps are listed; all of them are checked and counted.
pub const LISTED_MAX: usize = 256;

/// The facts in an image's header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// The format that was declared or recognised.
    pub format: Format,
    /// The virtual size in bytes, rounded down to 512 for qcow2 and up for a raw file, as QEMU
    /// does; absent for a format that isn't read.
    pub virtual_size: Option<u64>,
    /// The fixed part of a qcow2 header; absent for every other format.
    pub fields: Option<Fields>,
    /// The backing image that the header names.
    pub backing: Option<Backing>,
    /// Present exactly when the image uses an external data file: version 3 and incompatible
    /// bit 2.
    pub data_file: Option<DataFile>,
    /// A data file's name in an image that doesn't use one.
    pub unused_data_file_name: Option<Name>,
    /// Where the LUKS header is.
    pub luks: Option<LuksArea>,
    /// Where the persistent bitmaps are, if there are any that count.
    pub bitmaps: Option<BitmapsArea>,
    /// Every extension, known or not, in the order of the header.
    pub extensions: Vec<Extension>,
    /// What the specification forbids and QEMU accepts.
    pub violations: Vec<Violation>,
}

/// A backing image as a header names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backing {
    /// Its name, never empty.
    pub name: Name,
    /// Its format up to the first NUL, made valid UTF-8, if the header says so.
    pub format: Option<String>,
    /// The same as it stands in the image.
    pub format_name: Option<Name>,
}

/// An external data file as a header describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataFile {
    /// Its name, absent where no extension gives one, and possibly empty.
    pub name: Option<Name>,
    /// Whether it promises to hold exactly what the guest sees.
    pub raw: bool,
}

/// An image as far as opening it reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opened {
    /// The header.
    pub header: Header,
    /// The feature name table.
    pub feature_names: Vec<FeatureName>,
    /// The first [`LISTED_MAX`] internal snapshots.
    pub snapshots: Vec<Snapshot>,
    /// The first [`LISTED_MAX`] persistent bitmaps.
    pub bitmaps: Vec<Bitmap>,
}

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
    // What is read at open only.
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
    Reader::new(source, format, Depth::Header)?.read(format)
}

/// Reads an image as far as QEMU does at open, so that it is accepted or rejected as
/// `qemu-img info` would.
///
/// # Errors
///
/// [`ProbeError`] where QEMU would refuse to open the image as that format.
pub fn inspect(source: &impl ReadAt, format: Option<Format>) -> Result<Opened, ProbeError> {
    let mut reader = Reader::new(source, format, Depth::Open)?;
    let header = reader.read(format)?;
    Ok(Opened {
        header,
        feature_names: reader.feature_names,
        snapshots: reader.snapshots,
        bitmaps: reader.bitmaps,
    })
}

impl<'a> Reader<'a> {
    fn new(source: &'a dyn ReadAt, format: Option<Format>, depth: Depth) -> io::Result<Self> {
        let cap = match format {
            None | Some(Format::Qcow2) => layout::MAX_CLUSTER_SIZE as usize,
            // Of other formats not a byte is read.
            Some(_) => 0,
        };
        Ok(Self {
            source,
            window: Window::new(source, cap)?,
            depth,
            violations: Vec::new(),
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
        let mut header = Header::without_facts(format);
        match format {
            Format::Qcow2 => read_qcow2(self, &mut header)?,
            Format::Raw => {
                let length = self.source.length()?;
                header.virtual_size = length.checked_next_multiple_of(layout::SECTOR);
            }
            _ => {}
        }
        Ok(header)
    }
}

fn read_qcow2(reader: &mut Reader<'_>, header: &mut Header) -> Result<(), ProbeError> {
    let fields = header::read(&mut reader.window)?;
    let extensions = extensions::read(reader, &fields)?;
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
    header.fill(fields, extensions, backing);
    header.violations = std::mem::take(&mut reader.violations);
    Ok(())
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

impl Header {
    fn without_facts(format: Format) -> Self {
        Self {
            format,
            virtual_size: None,
            fields: None,
            backing: None,
            data_file: None,
            unused_data_file_name: None,
            luks: None,
            bitmaps: None,
            extensions: Vec::new(),
            violations: Vec::new(),
        }
    }

    fn fill(&mut self, fields: Fields, extensions: Extensions, backing: Option<Name>) {
        let name = extensions.data_file.map(|(name, _)| name);
        if fields.uses_data_file() {
            let raw = fields.autoclear & layout::DATA_FILE_RAW != 0;
            self.data_file = Some(DataFile { name, raw });
        } else {
            self.unused_data_file_name = name;
        }
        let format_name = extensions.backing_format;
        let text = |name: &Name| Some(name.text()).filter(|text| !text.is_empty());
        self.backing = backing
            .filter(|name| !name.bytes().is_empty())
            .map(|name| Backing {
                name,
                format: format_name.as_ref().and_then(text),
                format_name,
            });
        self.virtual_size = Some(tables::virtual_size(&fields));
        self.luks = extensions.luks;
        self.bitmaps = extensions.bitmaps;
        self.extensions = extensions.all;
        self.fields = Some(fields);
    }
}
