//! Which format a file has, by how it begins.
//!
//! A file has the format that QEMU or libvirt would take it for. Where they differ the reading
//! that sees more structure is taken, because a format that names further files must never
//! pass for a raw leaf of a chain.
//!
//! | format | begins with | seen by |
//! |---|---|---|
//! | qcow2 | `51 46 49 fb`, then a version from 2 on | both; libvirt stops at 3 |
//! | qcow | `51 46 49 fb 00 00 00 01` | both |
//! | qed | `QED` `00` | both; libvirt without the fourth byte |
//! | vmdk | `KDMV`; `COWD`; a text whose first line is `version=1`, 2 or 3 behind comments | QEMU; libvirt the first |
//! | cow | `OOOM` | libvirt |
//! | vdi | `7f 10 da be` at byte 64 | both; libvirt with version 1.1 behind it |
//! | vpc | `conectix` | both; a fixed one has that only at its end, so it is raw |
//! | vhdx | `vhdxfile` | QEMU |
//! | parallels | `WithoutFreeSpace` or `WithouFreSpacExt`, version 2 at byte 16 | QEMU; libvirt calls the second one ploop, of any version |
//! | luks | `LUKS` `ba be 00 01` | QEMU; to libvirt it is raw and encrypted |
//! | bochs | `Bochs Virtual HD Image`, `Redolog` at 32, `Growing` at 48, version 1 or 2 at 64 | QEMU |
//! | cloop | its shell script | QEMU |
//! | iso | `CD001` at byte 32769 | libvirt; raw to QEMU |
//!
//! A dmg is told only by its file name in QEMU and not at all in libvirt: here it is raw, as is
//! everything else.

use std::io;

use crate::reference::bytes::ReadAt;
use crate::reference::format::Format;
use crate::reference::layout;
use crate::reference::window::Window;

/// How much QEMU looks at to recognise a format, in bytes.
const LOOKED_AT: u64 = 512;

const VDI: (u64, &[u8]) = (64, &[0x7f, 0x10, 0xda, 0xbe]);
const ISO: (u64, [u8; 5]) = (32_769, *b"CD001");
const BOCHS: [(u64, &[u8]); 3] = [
    (0, b"Bochs Virtual HD Image\0"),
    (32, b"Redolog\0"),
    (48, b"Growing\0"),
];
/// Versions of bochs, little endian at byte 64.
const BOCHS_VERSIONS: [&[u8]; 2] = [&[0, 0, 1, 0], &[0, 0, 2, 0]];
const PARALLELS: &[u8] = b"WithoutFreeSpace";
const PLOOP: &[u8] = b"WithouFreSpacExt";
/// The version of parallels, little endian at byte 16.
const PARALLELS_VERSION: &[u8] = &[2, 0, 0, 0];
const CLOOP: &[u8] =
    b"#!/bin/sh\n#V2.0 Format\nmodprobe cloop file=$0 && mount -r -t iso9660 /dev/cloop $1\n";

/// Formats that their first bytes alone tell.
const BY_START: [(&[u8], Format); 8] = [
    (b"QED\0", Format::Chained("qed")),
    (b"KDMV", Format::Chained("vmdk")),
    (b"COWD", Format::Chained("vmdk")),
    (b"OOOM", Format::Chained("cow")),
    (b"conectix", Format::Plain("vpc")),
    (b"vhdxfile", Format::Plain("vhdx")),
    (b"LUKS\xba\xbe\0\x01", Format::Plain("luks")),
    (CLOOP, Format::Plain("cloop")),
];

/// The format of an image whose format nobody declared.
pub(super) fn format(window: &mut Window<'_>, source: &dyn ReadAt) -> io::Result<Format> {
    if has(window, 0, &layout::MAGIC)? {
        return Ok(match window.u32(layout::VERSION)? {
            0 => Format::Raw,
            1 => Format::Qcow,
            _ => Format::Qcow2,
        });
    }
    for (start, format) in BY_START {
        if has(window, 0, start)? {
            return Ok(format);
        }
    }
    if has(window, VDI.0, VDI.1)? {
        return Ok(Format::Plain("vdi"));
    }
    if is_parallels(window)? {
        return Ok(Format::Plain("parallels"));
    }
    if is_bochs(window)? {
        return Ok(Format::Plain("bochs"));
    }
    if is_vmdk_text(window.slice(0, LOOKED_AT)?) {
        return Ok(Format::Chained("vmdk"));
    }
    let mut iso = [0; ISO.1.len()];
    source.read_at(ISO.0, &mut iso)?;
    Ok(if iso == ISO.1 {
        Format::Plain("iso")
    } else {
        Format::Raw
    })
}

fn has(window: &mut Window<'_>, offset: u64, bytes: &[u8]) -> io::Result<bool> {
    Ok(window.slice(offset, bytes.len() as u64)? == bytes)
}

fn is_parallels(window: &mut Window<'_>) -> io::Result<bool> {
    let version = has(window, 16, PARALLELS_VERSION)?;
    Ok(has(window, 0, PLOOP)? || version && has(window, 0, PARALLELS)?)
}

fn is_bochs(window: &mut Window<'_>) -> io::Result<bool> {
    for (offset, bytes) in BOCHS {
        if !has(window, offset, bytes)? {
            return Ok(false);
        }
    }
    let version = window.slice(64, 4)?;
    Ok(BOCHS_VERSIONS.contains(&version))
}

/// A descriptor of vmdk: comments and blank lines, then its version.
fn is_vmdk_text(start: &[u8]) -> bool {
    let line = start
        .split_inclusive(|byte| *byte == b'\n')
        .find(|line| !is_comment(line));
    let versions: [&[u8]; 3] = [b"version=1", b"version=2", b"version=3"];
    line.and_then(|line| line.strip_suffix(b"\n"))
        .map(|line| line.strip_suffix(b"\r").unwrap_or(line))
        .is_some_and(|line| versions.contains(&line))
}

fn is_comment(line: &[u8]) -> bool {
    let blank = |line: &[u8]| line.iter().all(|byte| b" \r\n".contains(byte));
    line.ends_with(b"\n") && (line.starts_with(b"#") || blank(line))
}
