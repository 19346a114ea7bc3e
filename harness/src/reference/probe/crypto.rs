//! The LUKS header that an encryption extension points to.
//!
//! Only what tells a LUKS header from something else is checked: its magic and its version.

use super::error::RejectClass as Class;
use super::{ProbeError, Reader};

const MAGIC: [u8; 6] = *b"LUKS\xba\xbe";
const VERSION: [u8; 2] = [0, 1];
/// Length of a LUKS version 1 header with its eight key slots, in bytes.
const HEADER_LENGTH: u64 = 592;

pub(super) fn check(reader: &Reader<'_>, offset: u64, length: u64) -> Result<(), ProbeError> {
    let refuse = |message: &str| Err(ProbeError::new(Class::BadCryptoHeader, offset, message));
    if length < HEADER_LENGTH {
        return refuse("encryption header is too short");
    }
    let mut start = [0; 8];
    reader.source.read_at(offset, &mut start)?;
    if start[..6] != MAGIC {
        return refuse("encryption header is not luks");
    }
    if start[6..] != VERSION {
        return refuse("luks version is not 1");
    }
    Ok(())
}
