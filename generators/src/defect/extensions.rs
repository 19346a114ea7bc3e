//! Defects of the header extension area.

use super::{Base, Defect, Site, plain};
use crate::layout::{extension, incompatible};
use crate::qcow2::DraftExtension;

const EXTENSIONS: &str = "Header extensions";
const CRYPTO: &str = "Full disk encryption header pointer";

/// A type that no version defines.
const UNKNOWN: u32 = 0x7163_6f6e;

pub(super) const DEFECTS: &[Defect] = &[
    plain(
        "extension-length",
        "an extension ends inside the area",
        EXTENSIONS,
        Base::Plain,
        |site, value| {
            let mut unknown = DraftExtension::new(UNKNOWN, vec![0; 8], "defects");
            unknown.length = value as u32;
            insert_first(site, unknown);
            Ok(())
        },
    )
    .taking(
        "the length field in bytes; 8 bytes follow it",
        &[
            0,
            1,
            7,
            8,
            9,
            16,
            3959,
            3960,
            3961,
            3968,
            3976,
            3977,
            4096,
            0x7fff_ffff,
            0x8000_0000,
            0xffff_fff0,
            0xffff_fff8,
            0xffff_fff9,
            0xffff_ffff,
        ],
    ),
    plain(
        "data-file-length",
        "a name ends inside the area",
        EXTENSIONS,
        Base::DataFile,
        |site, value| {
            find(site, extension::DATA_FILE, "a data file's name")?.length = value as u32;
            Ok(())
        },
    )
    .taking(
        "the length field in bytes",
        &[
            0,
            1,
            7,
            9,
            16,
            3976,
            3977,
            4096,
            0x7fff_ffff,
            0x8000_0000,
            0xffff_fff9,
            0xffff_ffff,
        ],
    ),
    plain(
        "extension-padding",
        "padding says nothing, whatever it holds",
        EXTENSIONS,
        Base::DataFile,
        |site, _| {
            let mut unknown = DraftExtension::new(UNKNOWN, vec![1; 8], "defects");
            unknown.length = 1;
            insert_first(site, unknown);
            Ok(())
        },
    ),
    plain(
        "data-file-twice",
        "an image has one data file",
        EXTENSIONS,
        Base::DataFile,
        |site, _| {
            let other = DraftExtension::new(extension::DATA_FILE, b"other.raw".to_vec(), "defects");
            insert_last(site, other);
            Ok(())
        },
    ),
    plain(
        "backing-format-twice",
        "a backing image has one format",
        EXTENSIONS,
        Base::Backing,
        |site, _| {
            let kind = extension::BACKING_FORMAT;
            insert_last(
                site,
                DraftExtension::new(kind, b"qcow2".to_vec(), "defects"),
            );
            Ok(())
        },
    ),
    plain(
        "backing-format-length",
        "a format's name has 15 bytes at most",
        "QEMU",
        Base::Backing,
        |site, value| {
            let length = usize::try_from(value).unwrap_or(usize::MAX).min(1 << 16);
            let format =
                DraftExtension::new(extension::BACKING_FORMAT, vec![b'r'; length], "defects");
            remove(site, extension::BACKING_FORMAT);
            insert_first(site, format);
            Ok(())
        },
    )
    .taking("the name's length in bytes", &[16, 15, 0, 255]),
    plain(
        "end-missing",
        "the area ends with its end marker, unless something else ends it",
        EXTENSIONS,
        Base::Backing,
        |site, _| {
            remove(site, extension::END);
            Ok(())
        },
    ),
    plain(
        "end-missing-full",
        "extensions that fill the first cluster need no end marker",
        EXTENSIONS,
        Base::DataFile,
        |site, _| {
            if site.draft.backing.is_some() {
                return Err("no backing image");
            }
            remove(site, extension::END);
            let used: usize = site.draft.extensions.iter().map(encoded_length).sum();
            let head = site.draft.written_length + used + extension::HEAD_LENGTH;
            let rest = site.plan.cluster_size().checked_sub(head);
            let rest = rest.ok_or("room in its first cluster")?;
            let mut unknown = DraftExtension::new(UNKNOWN, vec![b'.'; rest], "defects");
            unknown.ends_area = true;
            site.draft.extensions.push(unknown);
            Ok(())
        },
    ),
    plain(
        "end-length",
        "the end marker has no payload",
        EXTENSIONS,
        Base::DataFile,
        |site, value| {
            find(site, extension::END, "an end marker")?.length = value as u32;
            Ok(())
        },
    )
    .taking(
        "the length field in bytes",
        &[8, 1, 0x7fff_ffff, 0xffff_fff9, 0xffff_ffff],
    ),
    plain(
        "data-file-after-end",
        "nothing counts behind the end marker",
        EXTENSIONS,
        Base::DataFile,
        |site, _| {
            let at = position(site, extension::DATA_FILE).ok_or("a data file's name")?;
            let name = site.draft.extensions.remove(at);
            site.draft.extensions.push(name);
            Ok(())
        },
    ),
    plain(
        "decoy-after-end",
        "nothing counts behind the end marker",
        EXTENSIONS,
        Base::DataFile,
        |site, _| {
            let kind = extension::DATA_FILE;
            let other = DraftExtension::new(kind, b"other.raw".to_vec(), "defects");
            site.draft.extensions.push(other);
            Ok(())
        },
    ),
    plain(
        "far-extensions",
        "extensions stand anywhere in the first cluster",
        EXTENSIONS,
        Base::LargeDataFile,
        |site, value| {
            let length = usize::try_from(value).unwrap_or(usize::MAX);
            let filler = DraftExtension::new(UNKNOWN, vec![b'.'; length.min(4 << 20)], "defects");
            insert_first(site, filler);
            Ok(())
        },
    )
    .taking(
        "what stands in front of them, in bytes",
        &[33_280, 4096, 32_768, 60_000],
    ),
    plain(
        "crypto-without-luks",
        "only LUKS has a crypto extension",
        CRYPTO,
        Base::Plain,
        |site, _| {
            insert_last(
                site,
                DraftExtension::new(extension::CRYPTO, vec![0; 16], "defects"),
            );
            Ok(())
        },
    ),
    plain(
        "crypto-missing",
        "an image with LUKS has a crypto extension",
        CRYPTO,
        Base::Luks,
        |site, _| {
            find(site, extension::CRYPTO, "LUKS")?;
            remove(site, extension::CRYPTO);
            Ok(())
        },
    ),
    plain(
        "crypto-length",
        "the crypto extension has 16 bytes",
        CRYPTO,
        Base::Luks,
        |site, value| {
            let length = usize::try_from(value).unwrap_or(usize::MAX).min(1 << 16);
            let crypto = find(site, extension::CRYPTO, "LUKS")?;
            crypto.data.resize(length, 0);
            crypto.length = length as u32;
            Ok(())
        },
    )
    .taking("the payload's length in bytes", &[8, 0, 15, 17, 24]),
    plain(
        "crypto-offset",
        "the LUKS header starts at a cluster of the file",
        CRYPTO,
        Base::Luks,
        |site, value| {
            let crypto = find(site, extension::CRYPTO, "LUKS")?;
            crypto.data.splice(..8, value.to_be_bytes());
            Ok(())
        },
    )
    .taking("the offset in bytes", &[4097, 0, 1 << 40, 1 << 63]),
    plain(
        "luks-magic",
        "the LUKS header starts with its magic",
        "LUKS On-Disk Format Specification",
        Base::Luks,
        |site, _| {
            let at = site.plan.luks.offset;
            if at == 0 {
                return Err("LUKS");
            }
            site.patch(at, b"SKUL".to_vec());
            Ok(())
        },
    ),
    plain(
        "version-2-bytes",
        "version 2 has no feature bits: its extensions stand where they would be",
        EXTENSIONS,
        Base::Version2,
        |site, _| {
            if site.draft.version != 2 {
                return Err("version 2");
            }
            // Read as incompatible features, type and length would be bit 2 and nothing unknown.
            let mut unknown = DraftExtension::new(0, vec![], "defects");
            unknown.length = incompatible::DATA_FILE as u32;
            site.draft.extensions.insert(0, unknown);
            Ok(())
        },
    ),
];

fn encoded_length(extension: &DraftExtension) -> usize {
    extension::HEAD_LENGTH + extension.data.len().next_multiple_of(extension::ALIGNMENT)
}

fn position(site: &Site<'_>, kind: u32) -> Option<usize> {
    let mut extensions = site.draft.extensions.iter();
    extensions.position(|extension| extension.kind == kind)
}

fn find<'a>(
    site: &'a mut Site<'_>,
    kind: u32,
    lacks: &'static str,
) -> Result<&'a mut DraftExtension, &'static str> {
    let mut extensions = site.draft.extensions.iter_mut();
    extensions
        .find(|extension| extension.kind == kind)
        .ok_or(lacks)
}

fn remove(site: &mut Site<'_>, kind: u32) {
    site.draft
        .extensions
        .retain(|extension| extension.kind != kind);
}

fn insert_first(site: &mut Site<'_>, extension: DraftExtension) {
    site.draft.extensions.insert(0, extension);
}

/// In front of the end marker.
fn insert_last(site: &mut Site<'_>, extension: DraftExtension) {
    let at = position(site, extension::END).unwrap_or(site.draft.extensions.len());
    site.draft.extensions.insert(at, extension);
}
