//! The LUKS1 header of an encrypted image, as far as opening it without a key reads it
//! (LUKS On-Disk Format Specification 1.2.3, Partition header).
//!
//! | bytes | field | rule |
//! |---|---|---|
//! | 0-5, 6-7 | magic, version | `LUKS` `ba` `be`, 1 |
//! | 8-39, 40-71, 72-103 | cipher, mode, hash | text that ends with a NUL |
//! | 104-107 | start of the encrypted data in sectors of 512 bytes | behind this header |
//! | 108-111 | length of the master key in bytes | one that the cipher takes |
//! | 164-167 | iterations of the key's digest | not 0 |
//! | 208.. | eight key slots of 48 bytes | |
//!
//! A slot has 32 bits state (`00ac71f3` in use, `0000dead` not), 32 bits iterations, 32 bytes
//! salt, 32 bits start of its key material in sectors, 32 bits stripes, always 4000. Key
//! materials lie between this header and the encrypted data, apart from each other.

use super::ProbeError;
use super::error::RejectClass as Class;
use super::extensions::LuksArea;
use crate::reference::bytes::{ReadAt, be_u32};
use crate::reference::layout;

const MAGIC: &[u8] = b"LUKS\xba\xbe";
const VERSION: &[u8] = &[0, 1];
/// Length of the header with its slots, in bytes.
const LENGTH: usize = 592;
/// Offset and length of each text, in bytes.
const TEXTS: [(usize, usize); 3] = [(8, 32), (40, 32), (72, 32)];
const PAYLOAD: usize = 104;
const KEY_BYTES: usize = 108;
const ITERATIONS: usize = 164;
const SLOTS: usize = 208;
const SLOT_LENGTH: usize = 48;
const SLOT_IN_USE: u32 = 0x00ac_71f3;
const SLOT_UNUSED: u32 = 0x0000_dead;
const STRIPES: u32 = 4000;
const SECTOR: u32 = 512;
/// What the header takes, and what key materials are aligned to, in sectors.
const HEADER_SECTORS: u32 = 8;

const CIPHERS: [(&str, &[u32]); 4] = [
    ("aes", &[16, 24, 32]),
    ("cast5", &[16]),
    ("serpent", &[16, 24, 32]),
    ("twofish", &[16, 24, 32]),
];
const MODES: [&str; 4] = ["ecb", "cbc", "xts", "ctr"];
/// Names of hashes and the length of their digests in bytes.
const HASHES: [(&str, u32); 8] = [
    ("md5", 16),
    ("sha1", 20),
    ("sha224", 28),
    ("sha256", 32),
    ("sha384", 48),
    ("sha512", 64),
    ("ripemd160", 20),
    ("sm3", 32),
];

/// Checks the header at the place that the encryption extension gives.
pub(super) fn check(source: &dyn ReadAt, area: LuksArea) -> Result<(), ProbeError> {
    let refuse = |(class, message): Refusal| ProbeError::new(class, area.offset, message);
    let end = area.offset.checked_add(LENGTH as u64);
    let addressable = end.is_some_and(|end| end <= layout::MAX_FILE_LENGTH);
    if area.length < LENGTH as u64 || !addressable {
        let message = "luks header has no room in its area".to_owned();
        return Err(refuse((Class::CryptoHeaderUnreadable, message)));
    }
    let mut header = [0; LENGTH];
    source.read_at(area.offset, &mut header)?;
    check_start(&header).map_err(refuse)?;
    check_slots(&header).map_err(refuse)?;
    check_cipher(&header).map_err(refuse)
}

type Refusal = (Class, String);

fn bad<T>(message: impl Into<String>) -> Result<T, Refusal> {
    Err((Class::BadLuksHeader, message.into()))
}

fn check_start(header: &[u8; LENGTH]) -> Result<(), Refusal> {
    if &header[..6] != MAGIC {
        return Err((Class::NotLuks, "encryption header is not luks".to_owned()));
    }
    if &header[6..8] != VERSION {
        return Err((Class::LuksVersion, "luks version is not 1".to_owned()));
    }
    if TEXTS
        .iter()
        .any(|(start, length)| !header[*start..start + length].contains(&0))
    {
        return bad("luks cipher, mode or hash doesn't end");
    }
    if be_u32(header, PAYLOAD) < HEADER_SECTORS {
        return bad("luks data overlaps the luks header");
    }
    if be_u32(header, ITERATIONS) == 0 {
        return bad("luks master key has no iterations");
    }
    Ok(())
}

fn check_slots(header: &[u8; LENGTH]) -> Result<(), Refusal> {
    // Sums and products wrap as QEMU's do.
    let material = be_u32(header, KEY_BYTES)
        .wrapping_mul(STRIPES)
        .div_ceil(SECTOR)
        .next_multiple_of(HEADER_SECTORS);
    let slots: [&[u8]; 8] = std::array::from_fn(|index| {
        let start = SLOTS + index * SLOT_LENGTH;
        &header[start..start + SLOT_LENGTH]
    });
    let start = |slot: &[u8]| be_u32(slot, 40);
    for (index, slot) in slots.iter().enumerate() {
        if be_u32(slot, 44) != STRIPES {
            return bad(format!(
                "luks key slot {index} has a wrong number of stripes"
            ));
        }
        if start(slot) < HEADER_SECTORS {
            return bad(format!("luks key slot {index} overlaps the luks header"));
        }
        let (state, iterations) = (be_u32(slot, 0), be_u32(slot, 4));
        if state != SLOT_IN_USE && state != SLOT_UNUSED {
            return bad(format!("luks key slot {index} has an unknown state"));
        }
        if state == SLOT_IN_USE && iterations == 0 {
            return bad(format!("luks key slot {index} has no iterations"));
        }
        let end = start(slot).wrapping_add(material);
        if end > be_u32(header, PAYLOAD) {
            return bad(format!("luks key slot {index} overlaps the luks data"));
        }
        let overlaps =
            |other: &&[u8]| end > start(other) && start(other).wrapping_add(material) > start(slot);
        if slots[index + 1..].iter().any(overlaps) {
            return bad(format!("luks key slot {index} overlaps another"));
        }
    }
    Ok(())
}

/// The mode is `MODE-IV` or `MODE-IV:HASH`.
fn check_cipher(header: &[u8; LENGTH]) -> Result<(), Refusal> {
    let [cipher, mode, hash] = TEXTS.map(|(start, length)| text(&header[start..start + length]));
    let Some((mode, iv)) = mode.split_once('-') else {
        return unknown("mode", &mode);
    };
    let (iv, iv_hash) = match iv.split_once(':') {
        Some((iv, hash)) => (iv, Some(digest_length(hash)?)),
        None => (iv, None),
    };
    if !MODES.contains(&mode) {
        return unknown("mode", mode);
    }
    let key_length = key_length(&cipher, mode, be_u32(header, KEY_BYTES))?;
    digest_length(&hash)?;
    match (iv, iv_hash) {
        ("plain" | "plain64", _) => Ok(()),
        ("essiv", Some(digest)) => check_essiv(&cipher, key_length, digest),
        _ => unknown("initialisation vector", iv),
    }
}

fn key_length(cipher: &str, mode: &str, bytes: u32) -> Result<u32, Refusal> {
    let length = match mode {
        "xts" if !bytes.is_multiple_of(2) => return unknown("key length", &bytes.to_string()),
        // Half of the key is for the tweak.
        "xts" => bytes / 2,
        _ => bytes,
    };
    let known = CIPHERS.iter().find(|(name, _)| *name == cipher);
    if known.is_some_and(|(_, lengths)| lengths.contains(&length)) {
        Ok(length)
    } else {
        unknown("cipher", cipher)
    }
}

/// The cipher of ESSIV takes a digest as its key.
fn check_essiv(cipher: &str, key_length: u32, digest: u32) -> Result<(), Refusal> {
    let takes_digest = cipher != "cast5" && [16, 24, 32].contains(&digest);
    if digest == key_length || takes_digest {
        Ok(())
    } else {
        unknown("cipher for essiv", cipher)
    }
}

fn digest_length(hash: &str) -> Result<u32, Refusal> {
    match HASHES.iter().find(|(name, _)| *name == hash) {
        Some((_, length)) => Ok(*length),
        None => unknown("hash", hash),
    }
}

fn unknown<T>(what: &str, name: &str) -> Result<T, Refusal> {
    Err((
        Class::UnknownLuksCipher,
        format!("luks {what} {name:?} is not known"),
    ))
}

fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|byte| *byte == 0);
    String::from_utf8_lossy(&bytes[..end.unwrap_or(bytes.len())]).into_owned()
}
