//! Defects of persistent bitmaps: extension, directory, tables.

use super::{Base, Defect, Site, plain};
use crate::layout::{autoclear, bitmap as field, extension};
use crate::qcow2::DraftExtension;

const EXTENSION: &str = "Bitmaps extension";
const DIRECTORY: &str = "Bitmaps, Bitmap directory";
const TABLE: &str = "Bitmaps, Bitmap table";
const LACKS: &str = "a bitmap";

/// Offsets of the extension's fields in its payload, in bytes.
mod payload {
    pub(super) const COUNT: usize = 0;
    pub(super) const RESERVED: usize = 4;
    pub(super) const DIRECTORY_SIZE: usize = 8;
    pub(super) const DIRECTORY_OFFSET: usize = 16;
}

pub(super) const DEFECTS: &[Defect] = &[
    plain(
        "bitmaps-bit-missing",
        "bitmaps count only if autoclear bit 0 is set",
        EXTENSION,
        Base::Bitmaps,
        |site, _| {
            extension(site)?;
            site.draft.autoclear &= !autoclear::BITMAPS;
            Ok(())
        },
    ),
    plain(
        "bitmaps-bit",
        "autoclear bit 0 says that there is a bitmaps extension",
        EXTENSION,
        Base::Plain,
        |site, _| {
            site.draft.autoclear |= autoclear::BITMAPS;
            Ok(())
        },
    ),
    plain(
        "bitmaps-length",
        "the bitmaps extension has 24 bytes",
        EXTENSION,
        Base::Bitmaps,
        |site, value| {
            let length = usize::try_from(value).unwrap_or(usize::MAX).min(1 << 16);
            let extension = extension(site)?;
            extension.data.resize(length, 0);
            extension.length = length as u32;
            Ok(())
        },
    )
    .taking("the payload's length in bytes", &[16, 0, 23, 25, 32]),
    plain(
        "bitmaps-reserved",
        "the reserved field is zero",
        EXTENSION,
        Base::Bitmaps,
        |site, _| set_u32(site, payload::RESERVED, 1),
    ),
    plain(
        "bitmaps-count",
        "the directory has as many bitmaps as the extension says, 1 to 65535",
        EXTENSION,
        Base::Bitmaps,
        |site, value| set_u32(site, payload::COUNT, value as u32),
    )
    .taking("the field", &[65_536, 0, 1, 3, 0xffff_ffff]),
    plain(
        "bitmaps-directory-size",
        "the directory has the size that the extension says",
        EXTENSION,
        Base::Bitmaps,
        |site, value| set_u64(site, payload::DIRECTORY_SIZE, value),
    )
    .taking(
        "the field, in bytes",
        &[67_107_841, 0, 8, 32, 33, 72, u64::MAX],
    ),
    plain(
        "bitmaps-directory-offset",
        "the directory starts at a cluster of the file",
        EXTENSION,
        Base::Bitmaps,
        |site, value| set_u64(site, payload::DIRECTORY_OFFSET, value),
    )
    .taking("the offset in bytes", &[4097, 0, 1 << 40, 1 << 63]),
    plain(
        "bitmap-table-offset",
        "a bitmap table starts at a cluster of the file",
        DIRECTORY,
        Base::Bitmaps,
        |site, value| patch(site, 0, value.to_be_bytes().to_vec()),
    )
    .taking("the offset in bytes", &[4097, 0, 1 << 40, 1 << 63]),
    plain(
        "bitmap-table-size",
        "a bitmap table has an entry for each cluster of bits",
        DIRECTORY,
        Base::Bitmaps,
        |site, value| patch(site, 8, (value as u32).to_be_bytes().to_vec()),
    )
    .taking("the number of entries", &[0, 2, 0x0800_0001, 0xffff_ffff]),
    plain(
        "bitmap-flags",
        "reserved flags are zero",
        DIRECTORY,
        Base::Bitmaps,
        |site, value| patch(site, 12, (value as u32).to_be_bytes().to_vec()),
    )
    .taking("the flags", &[4, 8, 0x8000_0000, 1]),
    plain(
        "bitmap-type",
        "there is one type of bitmap",
        DIRECTORY,
        Base::Bitmaps,
        |site, value| patch(site, 16, vec![value as u8]),
    )
    .taking("the type", &[2, 0, 255]),
    plain(
        "bitmap-granularity",
        "a bit stands for 512 bytes to 2 GiB",
        DIRECTORY,
        Base::Bitmaps,
        |site, value| patch(site, 17, vec![value as u8]),
    )
    .taking("the power of two", &[32, 8, 0, 63, 255]),
    plain(
        "bitmap-name-length",
        "a bitmap's name has 1 to 1023 bytes and lies inside the directory",
        DIRECTORY,
        Base::Bitmaps,
        |site, value| patch(site, 18, (value as u16).to_be_bytes().to_vec()),
    )
    .taking("the length field in bytes", &[1024, 0, 1023, 65_535]),
    plain(
        "bitmap-extra",
        "a reader refuses extra data that it does not know",
        DIRECTORY,
        Base::Bitmaps,
        |site, value| patch(site, 20, (value as u32).to_be_bytes().to_vec()),
    )
    .taking("the length field in bytes", &[8, 0xffff_ffff]),
    plain(
        "bitmap-same-name",
        "bitmaps have different names",
        DIRECTORY,
        Base::Bitmaps,
        |site, _| {
            // Both names of the base have three letters.
            let second = field::LENGTH as u64 + 8;
            patch(site, second + field::LENGTH as u64, b"one".to_vec())
        },
    ),
    plain(
        "bitmap-table-entry",
        "a table entry is 0, 1 or the offset of a cluster in the file",
        TABLE,
        Base::Bitmaps,
        |site, value| {
            let bitmap = site.plan.bitmaps.first().ok_or(LACKS)?;
            let at = bitmap.table.offset;
            site.patch_u64(at, value);
            Ok(())
        },
    )
    .taking(
        "the first entry",
        &[0x1_0001, 2, 0x200, 0x100_0000_0000, 1 << 63, 0],
    ),
];

fn extension<'a>(site: &'a mut Site<'_>) -> Result<&'a mut DraftExtension, &'static str> {
    let mut extensions = site.draft.extensions.iter_mut();
    extensions
        .find(|one| one.kind == extension::BITMAPS && one.data.len() >= 24)
        .ok_or(LACKS)
}

fn set_u32(site: &mut Site<'_>, at: usize, value: u32) -> Result<(), &'static str> {
    let data = &mut extension(site)?.data;
    data.splice(at..at + 4, value.to_be_bytes());
    Ok(())
}

fn set_u64(site: &mut Site<'_>, at: usize, value: u64) -> Result<(), &'static str> {
    let data = &mut extension(site)?.data;
    data.splice(at..at + 8, value.to_be_bytes());
    Ok(())
}

/// Replaces bytes of the directory, at an offset from its start.
fn patch(site: &mut Site<'_>, at: u64, bytes: Vec<u8>) -> Result<(), &'static str> {
    let directory = site.plan.bitmap_directory.offset;
    if directory == 0 {
        return Err(LACKS);
    }
    site.patch(directory + at, bytes);
    Ok(())
}
