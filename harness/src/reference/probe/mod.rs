//! Recognises an image's format and reads its header.
//!
//! What is accepted is what `qemu-img info -f qcow2` accepts, as far as the first cluster
//! and the snapshot table decide it; bitmaps aren't read. Of the first cluster only what the
//! header needs is read.

mod crypto;
pub mod error;
mod extensions;
pub mod features;
pub mod header;
mod snapshots;

pub use error::{ProbeError, RejectClass};

use super::bytes::{Name, ReadAt, Window};
use super::format::Format;
use super::layout;
use super::violation::Violation;
use extensions::Extensions;
use header::Fields;

/// How much is read first; nearly every header fits.
const FIRST_READ: usize = 4096;

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
    /// What the specification forbids and QEMU accepts.
    pub violations: Vec<Violation>,
}

/// A backing image as a header names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backing {
    /// Its name, never empty.
    pub name: Name,
    /// Its format, if the header says so.
    pub format: Option<String>,
}

/// An external data file as a header describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataFile {
    /// Its name, absent where no extension gives one, and possibly empty.
    pub name: Option<Name>,
    /// Whether it promises to hold exactly what the guest sees.
    pub raw: bool,
}

/// What a probe carries from one part of the header to the next.
struct Reader<'a> {
    source: &'a dyn ReadAt,
    window: Window<'a>,
    violations: Vec<Violation>,
}

/// Reads the header of an image.
///
/// Without a declared format, an image with the QCOW magic is qcow2 from version 2 on and qcow
/// if version 1; everything else is raw.
///
/// # Errors
///
/// [`ProbeError`] where QEMU would refuse to open the image as that format.
pub fn probe(source: &impl ReadAt, format: Option<Format>) -> Result<Header, ProbeError> {
    let cap = usize::try_from(layout::MAX_CLUSTER_SIZE).unwrap_or(usize::MAX);
    let first = if format.is_none_or(|format| format == Format::Qcow2) {
        FIRST_READ
    } else {
        0
    };
    let mut reader = Reader {
        source,
        window: Window::new(source, first, cap)?,
        violations: Vec::new(),
    };
    let format = match format {
        Some(format) => format,
        None => recognise(&mut reader.window)?,
    };
    match format {
        Format::Qcow2 => probe_qcow2(reader),
        other => probe_unstructured(source, other),
    }
}

/// How other formats that can name a backing image begin. A file that begins so is no raw
/// leaf of a chain, although nothing more of it is read.
const CHAINED: [(&[u8], &str); 4] = [
    (b"QED\0", "qed"),
    (b"KDMV", "vmdk"),
    (b"# Disk DescriptorFile", "vmdk"),
    (b"OOOM", "cow"),
];

fn recognise(window: &mut Window<'_>) -> Result<Format, ProbeError> {
    if window.slice(0, 4)? != layout::MAGIC {
        for (magic, name) in CHAINED {
            if window.slice(0, magic.len() as u64)? == magic {
                return Ok(Format::Chained(name));
            }
        }
        return Ok(Format::Raw);
    }
    Ok(match window.u32(layout::VERSION)? {
        0 => Format::Raw,
        1 => Format::Qcow,
        _ => Format::Qcow2,
    })
}

fn probe_unstructured(source: &dyn ReadAt, format: Format) -> Result<Header, ProbeError> {
    let virtual_size = match format {
        Format::Raw => source.length()?.checked_next_multiple_of(512),
        _ => None,
    };
    Ok(Header {
        format,
        virtual_size,
        fields: None,
        backing: None,
        data_file: None,
        unused_data_file_name: None,
        violations: Vec::new(),
    })
}

fn probe_qcow2(mut reader: Reader<'_>) -> Result<Header, ProbeError> {
    let fields = header::read(&mut reader.window)?;
    if !fields.header_length.is_multiple_of(8) {
        let message = format!(
            "header length {} is not a multiple of 8",
            fields.header_length
        );
        reader.violation(
            "header.length-multiple-of-8",
            message,
            layout::HEADER_LENGTH,
        );
    }
    let mut extensions = extensions::read(&mut reader, &fields)?;
    let backing = read_backing(&mut reader, &fields, &extensions)?;
    snapshots::check(&reader, fields.snapshots, fields.snapshots_offset)?;
    header::check_address_space(&fields)?;
    note_crypto(&mut reader, &fields, &extensions);
    note_data_file(&mut reader, &fields, &extensions, backing.is_some());
    let name = extensions.data_file.take().map(|(name, _)| name);
    let used = fields.incompatible & layout::DATA_FILE != 0;
    let raw = fields.autoclear & layout::DATA_FILE_RAW != 0;
    let (data_file, unused_data_file_name) = match used {
        true => (Some(DataFile { name, raw }), None),
        false => (None, name),
    };
    Ok(Header {
        format: Format::Qcow2,
        virtual_size: Some(fields.size / 512 * 512),
        fields: Some(fields),
        backing,
        data_file,
        unused_data_file_name,
        violations: reader.violations,
    })
}

fn read_backing(
    reader: &mut Reader<'_>,
    fields: &Fields,
    extensions: &Extensions,
) -> Result<Option<Backing>, ProbeError> {
    let offset = fields.backing_offset;
    if offset == 0 {
        return Ok(None);
    }
    let length = u64::from(fields.backing_size);
    if length > layout::MAX_BACKING_NAME.min(fields.cluster_size() - offset) {
        let message = format!("backing name of {length} bytes at byte {offset} is too long");
        return Err(ProbeError::new(
            RejectClass::BackingNameTooLong,
            layout::BACKING_SIZE,
            message,
        ));
    }
    let raw = reader.window.slice(offset, length)?.to_vec();
    let name = Name { raw };
    note_name(reader, &name, offset, "backing name");
    if name.bytes().is_empty() {
        return Ok(None);
    }
    let format = extensions
        .backing_format
        .clone()
        .map(|raw| Name { raw }.text());
    let format = format.filter(|text| !text.is_empty());
    Ok(Some(Backing { name, format }))
}

fn note_name(reader: &mut Reader<'_>, name: &Name, offset: u64, what: &str) {
    if name.bytes().is_empty() {
        reader.violation("header.empty-name", format!("{what} is empty"), offset);
    }
    if name.raw.contains(&0) {
        let message = format!("{what} has a nul byte in it");
        reader.violation("header.nul-in-name", message, offset);
    }
}

fn note_crypto(reader: &mut Reader<'_>, fields: &Fields, extensions: &Extensions) {
    // QEMU only misses the extension once it wants to read guest data.
    if fields.crypt_method == layout::CRYPT_LUKS && !extensions.has_crypto() {
        let message = "luks encryption without its header extension";
        reader.violation(
            "header.luks-without-extension",
            message,
            layout::CRYPT_METHOD,
        );
    }
}

fn note_data_file(
    reader: &mut Reader<'_>,
    fields: &Fields,
    extensions: &Extensions,
    has_backing: bool,
) {
    let used = fields.incompatible & layout::DATA_FILE != 0;
    let raw = fields.autoclear & layout::DATA_FILE_RAW != 0;
    match &extensions.data_file {
        Some((name, offset)) if used => note_name(reader, name, *offset, "data file name"),
        Some((name, offset)) => {
            let message = format!(
                "data file name {:?} in an image that uses none",
                name.text()
            );
            reader.violation("header.data-file-name-without-bit", message, *offset);
        }
        None if used => reader.violation(
            "header.data-file-bit-without-name",
            "image uses a data file and doesn't name it",
            layout::INCOMPATIBLE,
        ),
        None => {}
    }
    if raw && !used {
        let message = "raw data file flag in an image that uses no data file";
        reader.violation("header.raw-flag-without-bit", message, layout::AUTOCLEAR);
    }
    if raw && has_backing {
        let message = "raw data file flag in an image with a backing image";
        reader.violation("header.raw-flag-with-backing", message, layout::AUTOCLEAR);
    }
}
