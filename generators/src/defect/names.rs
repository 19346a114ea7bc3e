//! Defects of the names that an image stores.

use super::{Base, Defect, Site, plain};
use crate::layout::{extension, header as field};
use crate::qcow2::DraftExtension;

const NAMES: &str = "Header extensions, external data file name string";
const BACKING: &str = "Header, backing_file_offset";

/// Longest name that is written, in bytes: more than any first cluster holds.
const LENGTH_MAX: u64 = 4 << 20;

/// The address of a server that isn't there.
const SERVER: &[u8] = b"nbd://127.0.0.1:1/none";

pub(super) const DEFECTS: &[Defect] = &[
    plain(
        "data-file-empty",
        "a data file's name is not empty",
        NAMES,
        Base::DataFile,
        |site, _| data_file(site, |_| Vec::new()),
    ),
    plain(
        "data-file-nul",
        "a name has no NUL byte",
        NAMES,
        Base::DataFile,
        |site, _| data_file(site, |name| [&b"\0"[..], name].concat()),
    ),
    plain(
        "data-file-cut",
        "a name has no NUL byte; what follows one is no part of it",
        NAMES,
        Base::DataFile,
        |site, _| data_file(site, |name| [name, &b"\0.decoy"[..]].concat()),
    ),
    plain(
        "data-file-newline",
        "a name may hold any byte but NUL",
        NAMES,
        Base::DataFile,
        |site, _| data_file(site, |name| [name, &b"\n\x1b[31m\"'&<>"[..]].concat()),
    ),
    plain(
        "data-file-not-utf8",
        "a name may hold any byte but NUL",
        NAMES,
        Base::DataFile,
        |site, _| data_file(site, |name| [name, &b"\xff\xfe\xc3"[..]].concat()),
    ),
    plain(
        "data-file-long",
        "a name may be as long as the area",
        NAMES,
        Base::LargeDataFile,
        |site, value| data_file(site, |_| letters(value)),
    )
    .taking(
        "the name's length in bytes",
        &[255, 1, 256, 1023, 1024, 4095, 4096, 4097, 33_280, 60_000],
    ),
    plain(
        "data-file-json",
        "a stored name is a path, never a description of a node",
        "CVE-2024-4467",
        Base::DataFile,
        |site, _| data_file(site, json),
    ),
    plain(
        "data-file-protocol",
        "a stored name is a path, never the address of a server",
        "CVE-2024-4467",
        Base::DataFile,
        |site, _| data_file(site, |_| SERVER.to_vec()),
    ),
    plain(
        "data-file-prefix",
        "a stored name is a path, whatever stands before its colon",
        "CVE-2024-4467",
        Base::DataFile,
        |site, _| data_file(site, |name| [b"file:", name].concat()),
    ),
    plain(
        "data-file-self",
        "an image is not its own data file",
        NAMES,
        Base::DataFile,
        |site, _| {
            let own = own_name(site);
            data_file(site, |_| own)
        },
    ),
    plain(
        "data-file-folder",
        "a data file is a file",
        NAMES,
        Base::DataFile,
        |site, _| data_file(site, |_| b".".to_vec()),
    ),
    plain(
        "data-file-gone",
        "a data file is there",
        NAMES,
        Base::DataFile,
        |site, _| data_file(site, |_| b"gone.raw".to_vec()),
    ),
    plain(
        "data-file-parent",
        "a name may lead out of the image's folder",
        NAMES,
        Base::DataFile,
        |site, _| data_file(site, |name| [b"../fixture/", name].concat()),
    ),
    plain(
        "backing-offset",
        "the backing name lies inside the first cluster",
        BACKING,
        Base::Backing,
        |site, value| {
            site.draft.backing_offset = Some(value);
            Ok(())
        },
    )
    .taking(
        "the field, in bytes",
        &[
            4097,
            1,
            8,
            104,
            112,
            4095,
            4096,
            0xffff_ffff,
            1 << 63,
            u64::MAX,
        ],
    ),
    plain(
        "backing-length",
        "a backing name has 1023 bytes at most and ends inside the first cluster",
        BACKING,
        Base::Backing,
        |site, value| {
            site.draft.backing_length = Some(value as u32);
            Ok(())
        },
    )
    .taking(
        "the field, in bytes",
        &[1024, 0, 1023, 4096, 0x7fff_ffff, 0xffff_ffff],
    ),
    plain(
        "backing-in-header",
        "the backing name does not lie inside the header",
        BACKING,
        Base::Plain,
        |site, _| {
            site.draft.backing_offset = Some(field::MAGIC as u64);
            site.draft.backing_length = Some(3);
            Ok(())
        },
    ),
    plain(
        "backing-empty",
        "a backing name is not empty",
        BACKING,
        Base::Backing,
        |site, _| backing(site, |_| Vec::new()),
    ),
    plain(
        "backing-cut",
        "a name has no NUL byte",
        BACKING,
        Base::Backing,
        |site, _| backing(site, |name| [name, &b"\0.decoy"[..]].concat()),
    ),
    plain(
        "backing-not-utf8",
        "a name may hold any byte but NUL",
        BACKING,
        Base::Backing,
        |site, _| backing(site, |name| [name, &b"\xff\xfe\xc3"[..]].concat()),
    ),
    plain(
        "backing-long",
        "a backing name has 1023 bytes at most",
        BACKING,
        Base::Backing,
        |site, value| backing(site, |_| letters(value)),
    )
    .taking("the name's length in bytes", &[1024, 1, 255, 256, 1023]),
    plain(
        "backing-self",
        "a chain has no loop",
        BACKING,
        Base::Backing,
        |site, _| {
            let own = own_name(site);
            backing(site, |_| own)
        },
    ),
    plain(
        "backing-gone",
        "a backing image is there",
        BACKING,
        Base::Backing,
        |site, _| backing(site, |_| b"gone.raw".to_vec()),
    ),
    plain(
        "backing-json",
        "a backing name in JSON describes a node",
        "QEMU",
        Base::Backing,
        |site, _| backing(site, json),
    ),
    plain(
        "backing-protocol",
        "a backing name with a protocol is the address of a server",
        "QEMU",
        Base::Backing,
        |site, _| backing(site, |_| SERVER.to_vec()),
    ),
    plain(
        "backing-format-missing",
        "without a format the backing image would have to be probed",
        "Header extensions",
        Base::Backing,
        |site, _| {
            if site.draft.backing.is_none() {
                return Err("a backing image");
            }
            let kind = extension::BACKING_FORMAT;
            site.draft
                .extensions
                .retain(|extension| extension.kind != kind);
            Ok(())
        },
    ),
    plain(
        "backing-format-unknown",
        "a backing image has a format that there is",
        "Header extensions",
        Base::Backing,
        |site, _| {
            let kind = extension::BACKING_FORMAT;
            for extension in &mut site.draft.extensions {
                if extension.kind == kind {
                    *extension = DraftExtension::new(kind, b"nonsense".to_vec(), "defects");
                }
            }
            Ok(())
        },
    ),
];

/// Replaces the data file's name, of every extension that has one.
fn data_file(site: &mut Site<'_>, name: impl FnOnce(&[u8]) -> Vec<u8>) -> Result<(), &'static str> {
    let mut extensions = site.draft.extensions.iter_mut();
    let extension = extensions
        .find(|extension| extension.kind == extension::DATA_FILE)
        .ok_or("a data file's name")?;
    let data = name(&extension.data);
    *extension = DraftExtension::new(extension::DATA_FILE, data, "defects");
    Ok(())
}

fn backing(site: &mut Site<'_>, name: impl FnOnce(&[u8]) -> Vec<u8>) -> Result<(), &'static str> {
    let backing = site.draft.backing.as_mut().ok_or("a backing image")?;
    *backing = name(backing);
    Ok(())
}

/// The file with this name, described as a block node.
fn json(name: &[u8]) -> Vec<u8> {
    let name = String::from_utf8_lossy(name);
    format!(r#"json:{{"driver":"file","filename":"{name}"}}"#).into_bytes()
}

/// The image's name without its folder.
fn own_name(site: &Site<'_>) -> Vec<u8> {
    let name = site.file.rsplit('/').next().unwrap_or(site.file);
    name.as_bytes().to_vec()
}

fn letters(length: u64) -> Vec<u8> {
    // The limit is far below what a platform can address.
    vec![b'a'; length.min(LENGTH_MAX) as usize]
}
