//! What the specification forbids and QEMU accepts.

use std::io;

use super::extensions::Extensions;
use super::header::Fields;
use super::{Depth, Reader};
use crate::reference::bytes::{Name, ReadAt};
use crate::reference::layout;
use crate::reference::violation::Violation;

impl Reader<'_> {
    pub(super) fn violation(
        &mut self,
        requirement: &'static str,
        message: impl Into<String>,
        offset: u64,
    ) {
        let message = message.into();
        self.violations.push(Violation {
            requirement,
            message,
            offset,
        });
    }
}

/// Notes what is odd about an image that was accepted.
pub(super) fn note(
    reader: &mut Reader<'_>,
    fields: &Fields,
    extensions: &Extensions,
    backing: Option<&Name>,
) -> io::Result<()> {
    note_header(reader, fields);
    if let Some(name) = backing {
        note_name(reader, name, fields.backing_offset, "backing name");
    }
    if let Some((name, offset)) = &extensions.backing_format {
        note_name(reader, name, *offset, "backing format");
    }
    let names_backing = backing.is_some_and(|name| !name.bytes().is_empty());
    note_data_file(reader, fields, extensions, names_backing);
    note_bitmaps(reader, fields, extensions);
    note_version_3_fields(reader, fields, extensions)?;
    if reader.depth == Depth::Open {
        note_stray_bytes(reader, fields, extensions)?;
    }
    Ok(())
}

fn note_header(reader: &mut Reader<'_>, fields: &Fields) {
    let length = fields.header_length;
    if !length.is_multiple_of(8) {
        let message = format!("header length {length} is not a multiple of 8");
        reader.violation(
            "header.length-multiple-of-8",
            message,
            layout::HEADER_LENGTH,
        );
    }
    if fields.extensions_end() < u64::from(length) {
        reader.violation(
            "header.backing-name-in-header",
            "backing name starts inside the header, which hides every extension",
            layout::BACKING_OFFSET,
        );
    }
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

fn note_data_file(
    reader: &mut Reader<'_>,
    fields: &Fields,
    extensions: &Extensions,
    names_backing: bool,
) {
    let used = fields.uses_data_file();
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
    if raw && names_backing {
        let message = "raw data file flag in an image with a backing image";
        reader.violation("header.raw-flag-with-backing", message, layout::AUTOCLEAR);
    }
    if used && fields.snapshots != 0 {
        let message = "internal snapshots in an image that uses a data file";
        reader.violation(
            "header.snapshots-with-data-file",
            message,
            layout::SNAPSHOTS,
        );
    }
}

fn note_bitmaps(reader: &mut Reader<'_>, fields: &Fields, extensions: &Extensions) {
    let bit = fields.autoclear & layout::BITMAPS != 0;
    if bit && extensions.bitmaps.is_none() {
        let message = "autoclear bit of bitmaps without their extension";
        let at = layout::AUTOCLEAR;
        reader.violation("header.bitmaps-bit-without-extension", message, at);
    }
}

/// Version 2 ends where version 3 has its features. Read as extensions, they end the area:
/// their upper half is the type 0, unless somebody set a bit that nobody knows.
fn note_version_3_fields(
    reader: &mut Reader<'_>,
    fields: &Fields,
    extensions: &Extensions,
) -> io::Result<()> {
    let ends_at_once = extensions.none && extensions.end.is_some();
    if fields.version != 2 || !ends_at_once {
        return Ok(());
    }
    let order = reader.window.u32(layout::REFCOUNT_ORDER)?;
    let length = reader.window.u32(layout::HEADER_LENGTH)?;
    let is_length = u64::from(length) <= fields.cluster_size() && length.is_multiple_of(8);
    if length >= layout::V3_MIN_HEADER_LENGTH && is_length && order <= layout::MAX_REFCOUNT_ORDER {
        reader.violation(
            "header.version-3-fields",
            "fields of version 3 in an image of version 2, which don't count",
            layout::INCOMPATIBLE,
        );
    }
    Ok(())
}

/// Behind the end marker nothing may stand in the first cluster but the backing name.
fn note_stray_bytes(
    reader: &mut Reader<'_>,
    fields: &Fields,
    extensions: &Extensions,
) -> io::Result<()> {
    let cluster_end = fields.cluster_size();
    let name_end = fields.backing_offset + u64::from(fields.backing_size);
    let after_area = if fields.backing_offset < u64::from(fields.header_length) {
        // No name, or one inside the header.
        None
    } else {
        first_non_zero(reader.source, name_end, cluster_end)?
    };
    let inside = match extensions.end {
        Some(end) => first_non_zero(reader.source, end, fields.extensions_end())?,
        None => None,
    };
    if let Some(offset) = inside.or(after_area) {
        let message = "bytes behind the end of the header extensions";
        reader.violation("header.data-after-end", message, offset);
    }
    Ok(())
}

/// Where the first byte is that isn't zero.
fn first_non_zero(source: &dyn ReadAt, start: u64, end: u64) -> io::Result<Option<u64>> {
    let mut part = [0_u8; 16_384];
    let mut offset = start;
    while offset < end {
        let wanted = (end - offset).min(part.len() as u64) as usize;
        let read = source.read_at(offset, &mut part[..wanted])?;
        let part = &part[..read];
        // Zeros are the rule, and looking at all of them at once is ten times faster.
        if part.iter().fold(0, |all, byte| all | byte) != 0 {
            let at = part.iter().position(|byte| *byte != 0);
            return Ok(at.map(|at| offset + at as u64));
        }
        if read < wanted {
            return Ok(None);
        }
        offset += read as u64;
    }
    Ok(None)
}
