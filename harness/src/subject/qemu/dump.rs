//! Reads the hex dump that `qemu-io -c 'read -v'` prints.

/// The bytes at `offset` in a dump of `length` bytes, in hex. Each line of a dump is
/// `00000010:  71 63 ...  qc...`, with 16 bytes and their offset.
pub(super) fn hex(text: &str, offset: u64, length: u32) -> Result<String, String> {
    let mut out = String::new();
    let end = offset + u64::from(length);
    for line in text.lines() {
        let Some((at, rest)) = line.split_once(":  ") else {
            continue;
        };
        let Ok(at) = u64::from_str_radix(at, 16) else {
            continue;
        };
        if at < offset || at >= end || at != offset + out.len() as u64 / 2 {
            continue;
        }
        out.extend(rest.split(' ').take(16).filter(|byte| byte.len() == 2));
    }
    if out.len() as u64 != 2 * u64::from(length) {
        return Err(format!(
            "qemu-io printed {} bytes at {offset}",
            out.len() / 2
        ));
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::hex;

    const DUMP: &str = "\
00000000:  00 01 02 03 04 05 06 07 08 09 0a 0b 0c 0d 0e 0f  ................
read 16/16 bytes at offset 0
16 bytes, 1 ops; 00.00 sec (1 MiB/sec and 1 ops/sec)
00001000:  71 63 6f 6e 66 6f 72 6d 20 20 20 20 20 20 20 20  qconform
read 16/16 bytes at offset 4096
";

    #[test]
    fn the_bytes_of_an_offset_are_found() {
        assert_eq!(
            hex(DUMP, 4096, 16).unwrap(),
            "71636f6e666f726d2020202020202020"
        );
    }

    #[test]
    fn a_dump_that_lacks_bytes_is_an_error() {
        assert_eq!(
            hex(DUMP, 4096, 32).unwrap_err(),
            "qemu-io printed 16 bytes at 4096"
        );
    }
}
