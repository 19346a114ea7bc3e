//! A LUKS1 header without a key slot in use. Source: LUKS On-Disk Format Specification 1.2.3.
//!
//! It is what QEMU's own header looks like before a passphrase is added: readers find every
//! field where they expect it, and nobody can unlock it.

/// Length of header and key material in bytes: 4096, and eight slots of 504 sectors.
pub(super) const LENGTH: u64 = 0x1f_9000;

const SECTOR: u32 = 512;
const KEY_BYTES: u32 = 64;
const STRIPES: u32 = 4000;
const SLOTS: u32 = 8;
const SLOT_INACTIVE: u32 = 0x0000_dead;
/// Sectors in front of the first slot's key material, which is also what slots are aligned to.
const ALIGNMENT_SECTORS: u32 = 8;
const ITERATIONS: u32 = 1000;

/// The header; key material of unused slots is zeros and not part of it.
pub(super) fn header() -> Vec<u8> {
    let mut bytes = b"LUKS\xba\xbe".to_vec();
    bytes.extend_from_slice(&1_u16.to_be_bytes());
    push_text(&mut bytes, "aes", 32);
    push_text(&mut bytes, "xts-plain64", 32);
    push_text(&mut bytes, "sha256", 32);
    let slot_sectors = (KEY_BYTES * STRIPES)
        .div_ceil(SECTOR)
        .next_multiple_of(ALIGNMENT_SECTORS);
    push_u32(&mut bytes, ALIGNMENT_SECTORS + SLOTS * slot_sectors);
    push_u32(&mut bytes, KEY_BYTES);
    // Digest and salt of a master key that nobody has.
    bytes.resize(bytes.len() + 20 + 32, 0);
    push_u32(&mut bytes, ITERATIONS);
    push_text(&mut bytes, "00000000-0000-4000-8000-000000000000", 40);
    for slot in 0..SLOTS {
        push_u32(&mut bytes, SLOT_INACTIVE);
        push_u32(&mut bytes, 0);
        bytes.resize(bytes.len() + 32, 0);
        push_u32(&mut bytes, ALIGNMENT_SECTORS + slot * slot_sectors);
        push_u32(&mut bytes, STRIPES);
    }
    bytes
}

fn push_u32(bytes: &mut Vec<u8>, value: u32) {
    bytes.extend_from_slice(&value.to_be_bytes());
}

fn push_text(bytes: &mut Vec<u8>, text: &str, length: usize) {
    let end = bytes.len() + length;
    bytes.extend_from_slice(text.as_bytes());
    bytes.resize(end, 0);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_stand_where_the_specification_says() {
        let bytes = header();
        assert_eq!(bytes.len(), 592);
        // payload-offset at 104 is the end of the key material, in sectors.
        assert_eq!(bytes[104..108], ((LENGTH / 512) as u32).to_be_bytes());
        assert_eq!(&bytes[168..172], b"0000");
        assert_eq!(bytes[208..212], SLOT_INACTIVE.to_be_bytes());
        assert_eq!(bytes[588..592], 4000_u32.to_be_bytes());
    }
}
