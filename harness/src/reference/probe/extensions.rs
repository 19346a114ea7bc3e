//! The header extension area (qcow2 specification, Header extensions).

use super::error::RejectClass as Class;
use super::header::Fields;
use super::{ProbeError, Reader};
use crate::reference::bytes::Name;
use crate::reference::layout;
use crate::reference::violation::Violation;

/// What the extension area says; of an extension that occurs twice, the last one counts.
#[derive(Debug, Default)]
pub(super) struct Extensions {
    /// The backing format's name.
    pub(super) backing_format: Option<Vec<u8>>,
    /// The data file's name and where it stands.
    pub(super) data_file: Option<(Name, u64)>,
    seen: Vec<u32>,
}

struct Extension {
    kind: u32,
    /// Where its eight bytes of type and length start.
    start: u64,
    length: u64,
}

impl Extension {
    fn payload(&self) -> u64 {
        self.start + 8
    }

    fn refused(&self, class: Class, message: String) -> ProbeError {
        ProbeError::new(class, self.start, message)
    }
}

/// Walks the area from the end of the header to the backing name or the end of the cluster.
pub(super) fn read(reader: &mut Reader<'_>, fields: &Fields) -> Result<Extensions, ProbeError> {
    let mut found = Extensions::default();
    let end = fields.extensions_end();
    let mut offset = u64::from(fields.header_length);
    if end < offset {
        reader.violation(
            "header.backing-name-in-header",
            "backing name starts inside the header, which hides every extension",
            layout::BACKING_OFFSET,
        );
    }
    while offset < end {
        let extension = next(reader, offset, end)?;
        if extension.kind == layout::EXT_END {
            break;
        }
        found.take(reader, fields, &extension)?;
        offset = extension.payload() + extension.length.next_multiple_of(8);
    }
    Ok(found)
}

fn next(reader: &mut Reader<'_>, start: u64, end: u64) -> Result<Extension, ProbeError> {
    // The type and length may themselves cross the end of the area, and of the cluster.
    if end - start < 8 {
        let message = "header extension crosses the end of its area";
        return Err(ProbeError::new(Class::ExtensionTooLarge, start, message));
    }
    let kind = reader.window.u32(start)?;
    let length = u64::from(reader.window.u32(start + 4)?);
    if length > end - start - 8 {
        let message = format!("header extension {kind:#010x} of {length} bytes is too large");
        return Err(ProbeError::new(Class::ExtensionTooLarge, start, message));
    }
    Ok(Extension {
        kind,
        start,
        length,
    })
}

impl Extensions {
    fn take(
        &mut self,
        reader: &mut Reader<'_>,
        fields: &Fields,
        extension: &Extension,
    ) -> Result<(), ProbeError> {
        match extension.kind {
            layout::EXT_BACKING_FORMAT => {
                self.backing_format = Some(backing_format(reader, extension)?);
            }
            layout::EXT_DATA_FILE => {
                let raw = reader
                    .window
                    .slice(extension.payload(), extension.length)?
                    .to_vec();
                self.data_file = Some((Name { raw }, extension.payload()));
            }
            layout::EXT_CRYPTO => check_crypto(reader, fields, extension)?,
            layout::EXT_BITMAPS => check_bitmaps(reader, fields, extension)?,
            layout::EXT_FEATURE_NAMES => {}
            // Unknown extensions may repeat: what one means is unknown too.
            _ => return Ok(()),
        }
        self.note_duplicate(reader, extension);
        Ok(())
    }

    fn note_duplicate(&mut self, reader: &mut Reader<'_>, extension: &Extension) {
        if self.seen.contains(&extension.kind) {
            let message = format!("header extension {:#010x} occurs again", extension.kind);
            reader.violation("header.duplicate-extension", message, extension.start);
        } else {
            self.seen.push(extension.kind);
        }
    }

    pub(super) fn has_crypto(&self) -> bool {
        self.seen.contains(&layout::EXT_CRYPTO)
    }
}

fn backing_format(reader: &mut Reader<'_>, extension: &Extension) -> Result<Vec<u8>, ProbeError> {
    if extension.length > layout::MAX_BACKING_FORMAT {
        let message = format!("backing format name of {} bytes", extension.length);
        return Err(extension.refused(Class::BackingFormatTooLong, message));
    }
    Ok(reader
        .window
        .slice(extension.payload(), extension.length)?
        .to_vec())
}

fn check_crypto(
    reader: &mut Reader<'_>,
    fields: &Fields,
    extension: &Extension,
) -> Result<(), ProbeError> {
    let refuse = |message: String| Err(extension.refused(Class::BadCryptoExtension, message));
    if fields.crypt_method != layout::CRYPT_LUKS {
        return refuse("encryption extension without luks encryption".to_owned());
    }
    if extension.length != layout::CRYPTO_PAYLOAD {
        return refuse(format!(
            "encryption extension of {} bytes",
            extension.length
        ));
    }
    let offset = reader.window.u64(extension.payload())?;
    let length = reader.window.u64(extension.payload() + 8)?;
    if !offset.is_multiple_of(fields.cluster_size()) {
        return refuse(format!("encryption header at byte {offset} is not aligned"));
    }
    super::crypto::check(reader, offset, length)
}

fn check_bitmaps(
    reader: &mut Reader<'_>,
    fields: &Fields,
    extension: &Extension,
) -> Result<(), ProbeError> {
    let refuse = |message: String| Err(extension.refused(Class::BadBitmapsExtension, message));
    if extension.length != layout::BITMAPS_PAYLOAD {
        return refuse(format!("bitmaps extension of {} bytes", extension.length));
    }
    if fields.autoclear & layout::BITMAPS == 0 {
        reader.violation(
            "header.bitmaps-extension-without-bit",
            "bitmaps extension without its autoclear bit",
            extension.start,
        );
        return Ok(());
    }
    let count = reader.window.u32(extension.payload())?;
    let reserved = reader.window.u32(extension.payload() + 4)?;
    let size = reader.window.u64(extension.payload() + 8)?;
    let offset = reader.window.u64(extension.payload() + 16)?;
    if reserved != 0 {
        return refuse(format!(
            "bitmaps extension's reserved field is {reserved:#x}"
        ));
    }
    if count == 0 || count > layout::MAX_BITMAPS {
        return refuse(format!("{count} bitmaps"));
    }
    if !offset.is_multiple_of(fields.cluster_size()) {
        return refuse(format!("bitmap directory at byte {offset} is not aligned"));
    }
    if size > layout::MAX_BITMAP_DIRECTORY {
        return refuse(format!("bitmap directory of {size} bytes"));
    }
    Ok(())
}

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
