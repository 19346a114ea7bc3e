//! The data of those header extensions that have a form.

use super::error::RejectClass as Class;
use super::extensions::{BitmapsArea, Extension, LuksArea};
use super::header::Fields;
use super::{ProbeError, Reader};
use crate::reference::bytes::Name;
use crate::reference::layout;

pub(super) fn backing_format(
    reader: &mut Reader<'_>,
    extension: &Extension,
) -> Result<Name, ProbeError> {
    let length = u64::from(extension.length);
    if length > layout::MAX_BACKING_FORMAT {
        let message = format!("backing format name of {length} bytes");
        return Err(extension.refused(Class::BackingFormatTooLong, message));
    }
    Ok(reader.name(extension.data(), length)?)
}

pub(super) fn crypto(
    reader: &mut Reader<'_>,
    fields: &Fields,
    extension: &Extension,
) -> Result<LuksArea, ProbeError> {
    if fields.crypt_method != layout::CRYPT_LUKS {
        let message = "encryption extension without luks encryption";
        return Err(extension.refused(Class::UnexpectedCryptoExtension, message));
    }
    if u64::from(extension.length) != layout::CRYPTO_PAYLOAD {
        let message = format!("encryption extension of {} bytes", extension.length);
        return Err(extension.refused(Class::BadCryptoExtension, message));
    }
    let offset = reader.window.u64(extension.data())?;
    let length = reader.window.u64(extension.data() + 8)?;
    if !fields.is_aligned(offset) {
        let message = format!("luks header at byte {offset} is not aligned");
        return Err(extension.refused(Class::BadCryptoOffset, message));
    }
    Ok(LuksArea { offset, length })
}

pub(super) fn bitmaps(
    reader: &mut Reader<'_>,
    fields: &Fields,
    extension: &Extension,
) -> Result<Option<BitmapsArea>, ProbeError> {
    let refuse = |class, message: String| Err(extension.refused(class, message));
    if u64::from(extension.length) != layout::BITMAPS_PAYLOAD {
        let message = format!("bitmaps extension of {} bytes", extension.length);
        return refuse(Class::BadBitmapsExtension, message);
    }
    if fields.autoclear & layout::BITMAPS == 0 {
        reader.violation(
            "header.bitmaps-extension-without-bit",
            "bitmaps extension without its autoclear bit",
            extension.offset,
        );
        return Ok(None);
    }
    let count = reader.window.u32(extension.data())?;
    let reserved = reader.window.u32(extension.data() + 4)?;
    let size = reader.window.u64(extension.data() + 8)?;
    let offset = reader.window.u64(extension.data() + 16)?;
    if reserved != 0 {
        let message = format!("bitmaps extension's reserved field is {reserved:#x}");
        return refuse(Class::BitmapsReserved, message);
    }
    if count > layout::MAX_BITMAPS {
        return refuse(Class::TooManyBitmaps, format!("{count} bitmaps"));
    }
    if count == 0 {
        return refuse(Class::NoBitmaps, "no bitmaps".to_owned());
    }
    if !fields.is_aligned(offset) {
        let message = format!("bitmap directory at byte {offset} is not aligned");
        return refuse(Class::BadBitmapDirectoryOffset, message);
    }
    if size > layout::MAX_BITMAP_DIRECTORY {
        let message = format!("bitmap directory of {size} bytes");
        return refuse(Class::BitmapDirectoryTooLarge, message);
    }
    Ok(Some(BitmapsArea {
        count,
        offset,
        size,
    }))
}
