//! The header extension area (qcow2 specification, Header extensions).
//!
//! It starts behind the header and ends at the backing name, or at the end of the first
//! cluster if there is none. An extension is
//!
//! | bytes | field |
//! |---|---|
//! | 0-3 | type |
//! | 4-7 | length of the data |
//! | 8.. | data, padded to a multiple of 8 bytes with anything |
//!
//! Type 0 ends the area; without it the area ends where it is full. Length and data must lie
//! inside the area, those of type 0 too; padding need not. An area whose end lies in front of
//! its start has no extensions. Of an extension that occurs twice the last one counts.
//!
//! | type | data |
//! |---|---|
//! | `e2792aca` | name of the backing image's format, 15 bytes at most |
//! | `44415441` | name of the external data file |
//! | `0537be77` | offset and length of the LUKS header, 64 bits each |
//! | `23852875` | bitmaps: 32 bits count, 32 bits zero, 64 bits size of the directory in bytes, 64 bits its offset |
//! | `6803f857` | names of feature bits, see [`super::features`] |
//!
//! Names have no terminator. Every other type is passed over.

use super::error::RejectClass as Class;
use super::header::Fields;
use super::{Depth, ProbeError, Reader, luks, payload};
use crate::reference::bytes::Name;
use crate::reference::layout;
use crate::reference::window::Window;

/// One extension as it stands in the area.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extension {
    /// Its type.
    pub kind: u32,
    /// Where its type and length stand in the image, in bytes; its data follows them.
    pub offset: u64,
    /// Length of its data in bytes.
    pub length: u32,
}

/// Where the LUKS header of an encrypted image is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct LuksArea {
    /// Offset in the image in bytes.
    pub offset: u64,
    /// Length in bytes.
    pub length: u64,
}

/// What the bitmaps extension says, where its autoclear bit makes it count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BitmapsArea {
    /// Number of bitmaps, 1 to 65535.
    pub count: u32,
    /// Offset of the directory in the image in bytes.
    pub offset: u64,
    /// Length of the directory in bytes.
    pub size: u64,
}

/// What the extension area says.
#[derive(Debug, Default)]
pub(super) struct Extensions {
    /// All of them, in the order of the area, without the end marker; kept at open only.
    pub(super) all: Vec<Extension>,
    /// Whether the area has none but the end marker.
    pub(super) none: bool,
    /// Where the end marker ends, if there is one.
    pub(super) end: Option<u64>,
    /// The backing format's name and where it stands.
    pub(super) backing_format: Option<(Name, u64)>,
    /// The data file's name and where it stands.
    pub(super) data_file: Option<(Name, u64)>,
    pub(super) luks: Option<LuksArea>,
    pub(super) bitmaps: Option<BitmapsArea>,
    /// Types that mean something, as bits of [`KNOWN`]: those found, and those found again.
    seen: u8,
    repeated: u8,
}

const KNOWN: [u32; 5] = [
    layout::EXT_BACKING_FORMAT,
    layout::EXT_DATA_FILE,
    layout::EXT_CRYPTO,
    layout::EXT_FEATURE_NAMES,
    layout::EXT_BITMAPS,
];

impl Extension {
    /// Where its data starts in the image, in bytes.
    #[must_use]
    pub fn data(&self) -> u64 {
        self.offset + 8
    }

    pub(super) fn refused(&self, class: Class, message: impl Into<String>) -> ProbeError {
        ProbeError::new(class, self.offset, message)
    }
}

/// Goes through the area, one extension after the other.
pub(super) struct Walk {
    next: u64,
    end: u64,
}

impl Walk {
    pub(super) fn new(fields: &Fields) -> Self {
        Self {
            next: u64::from(fields.header_length),
            end: fields.extensions_end(),
        }
    }

    /// The next extension, the end marker included; `None` where the area is full.
    pub(super) fn next(
        &mut self,
        window: &mut Window<'_>,
    ) -> Result<Option<Extension>, ProbeError> {
        let (offset, end) = (self.next, self.end);
        if offset >= end {
            return Ok(None);
        }
        // The type and length may themselves cross the end of the area, and of the cluster.
        if end - offset < 8 {
            let message = "header extension crosses the end of its area";
            return Err(ProbeError::new(Class::ExtensionTooLarge, offset, message));
        }
        let kind = window.u32(offset)?;
        let length = window.u32(offset + 4)?;
        if u64::from(length) > end - offset - 8 {
            let message = format!("header extension {kind:#010x} of {length} bytes is too large");
            return Err(ProbeError::new(Class::ExtensionTooLarge, offset, message));
        }
        self.next = offset + 8 + u64::from(length).next_multiple_of(8);
        Ok(Some(Extension {
            kind,
            offset,
            length,
        }))
    }
}

/// Reads the whole area.
pub(super) fn read(reader: &mut Reader<'_>, fields: &Fields) -> Result<Extensions, ProbeError> {
    let mut found = Extensions {
        none: true,
        ..Extensions::default()
    };
    let mut walk = Walk::new(fields);
    while let Some(extension) = walk.next(&mut reader.window)? {
        if extension.kind == layout::EXT_END {
            found.end = Some(walk.next);
            break;
        }
        found.take(reader, fields, extension)?;
    }
    if fields.crypt_method == layout::CRYPT_LUKS && found.luks.is_none() {
        let message = "luks encryption without its header extension";
        let at = layout::CRYPT_METHOD;
        return Err(ProbeError::new(Class::MissingCryptoExtension, at, message));
    }
    Ok(found)
}

impl Extensions {
    fn take(
        &mut self,
        reader: &mut Reader<'_>,
        fields: &Fields,
        extension: Extension,
    ) -> Result<(), ProbeError> {
        match extension.kind {
            layout::EXT_BACKING_FORMAT => {
                let name = payload::backing_format(reader, &extension)?;
                self.backing_format = Some((name, extension.data()));
            }
            layout::EXT_DATA_FILE => {
                let name = reader.name(extension.data(), u64::from(extension.length))?;
                self.data_file = Some((name, extension.data()));
            }
            layout::EXT_CRYPTO => {
                let area = payload::crypto(reader, fields, &extension)?;
                if reader.depth == Depth::Open {
                    luks::check(reader.source, area)?;
                }
                self.luks = Some(area);
            }
            layout::EXT_BITMAPS => self.bitmaps = payload::bitmaps(reader, fields, &extension)?,
            _ => {}
        }
        self.none = false;
        if reader.depth == Depth::Open {
            self.all.push(extension);
        }
        self.note_repeated(reader, &extension);
        Ok(())
    }

    /// Notes the first repetition of a type; unknown types may repeat.
    fn note_repeated(&mut self, reader: &mut Reader<'_>, extension: &Extension) {
        let Some(index) = KNOWN.iter().position(|kind| *kind == extension.kind) else {
            return;
        };
        let bit = 1 << index;
        if self.seen & bit != 0 && self.repeated & bit == 0 {
            let message = format!("header extension {:#010x} occurs again", extension.kind);
            reader.violation("header.duplicate-extension", message, extension.offset);
            self.repeated |= bit;
        }
        self.seen |= bit;
    }
}
