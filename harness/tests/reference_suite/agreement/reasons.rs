//! Which class each message of QEMU's stands for. Read from its source, version 10.0.

const MESSAGES: &[(&str, &str)] = &[
    ("Image is not in qcow2 format", "bad-magic"),
    ("Unsupported qcow2 version", "unsupported-version"),
    ("Unsupported cluster size", "bad-cluster-size"),
    ("qcow2 header too short", "header-too-short"),
    ("qcow2 header exceeds cluster size", "header-too-long"),
    ("Invalid backing file offset", "bad-backing-offset"),
    ("unknown compression type", "unknown-compression-type"),
    (
        "Compression type incompatible feature bit",
        "compression-bit",
    ),
    ("Unsupported qcow2 feature(s)", "unknown-feature"),
    ("Unsupported subcluster size", "bad-subcluster-size"),
    (
        "Reference count entry width too large",
        "bad-refcount-width",
    ),
    (
        "does not contain a reference count table",
        "no-refcount-table",
    ),
    (
        "Reference count table too large",
        "refcount-table-too-large",
    ),
    (
        "Reference count table offset invalid",
        "bad-refcount-table-offset",
    ),
    ("Snapshot table too large", "snapshot-table-too-large"),
    ("Snapshot table offset invalid", "bad-snapshot-table-offset"),
    ("Active L1 table too large", "l1-table-too-large"),
    ("Active L1 table offset invalid", "bad-l1-table-offset"),
    ("Image is too big", "image-too-large"),
    ("L1 table is too small", "l1-table-too-small"),
    ("Could not read L1 table", "l1-table-unreadable"),
    ("Unsupported encryption method", "unknown-encryption"),
    (
        "Could not initialize refcount handling",
        "refcount-table-unreadable",
    ),
    ("Header extension too large", "extension-too-large"),
    ("ext_backing_format", "backing-format-too-long"),
    (
        "CRYPTO header extension only expected",
        "unexpected-crypto-extension",
    ),
    ("CRYPTO header extension size", "bad-crypto-extension"),
    ("Encryption header offset", "bad-crypto-offset"),
    (
        "Request for data outside of extension header",
        "crypto-header-unreadable",
    ),
    (
        "Could not read encryption header",
        "crypto-header-unreadable",
    ),
    ("Missing CRYPTO header", "missing-crypto-extension"),
    ("Volume is not in LUKS format", "not-luks"),
    ("LUKS version", "luks-version"),
    ("is not NUL terminated", "bad-luks-header"),
    ("LUKS payload is overlapping", "bad-luks-header"),
    ("LUKS key iteration count", "bad-luks-header"),
    ("Keyslot", "bad-luks-header"),
    ("Unexpected cipher mode string", "unknown-luks-cipher"),
    ("Algorithm", "unknown-luks-cipher"),
    ("algorithm", "unknown-luks-cipher"),
    ("key length should be a multiple", "unknown-luks-cipher"),
    ("' not supported", "unknown-luks-cipher"),
    ("Missing IV generator hash", "unknown-luks-cipher"),
    ("No AES cipher", "unknown-luks-cipher"),
    (
        "bitmaps_ext: Invalid extension length",
        "bad-bitmaps-extension",
    ),
    ("bitmaps_ext: Reserved field", "bitmaps-reserved"),
    ("exceeding the QEMU supported maximum", "too-many-bitmaps"),
    ("bitmaps extension with zero bitmaps", "no-bitmaps"),
    (
        "invalid bitmap directory offset",
        "bad-bitmap-directory-offset",
    ),
    (
        "exceeds the maximum supported size",
        "bitmap-directory-too-large",
    ),
    ("Backing file name too long", "backing-name-too-long"),
    ("Failed to read snapshot table", "snapshot-table-unreadable"),
    ("Too much extra metadata", "snapshot-extra-data"),
    ("Snapshot table is too big", "snapshot-table-too-long"),
    (
        "Requested bitmap directory size is zero",
        "empty-bitmap-directory",
    ),
    (
        "Failed to read bitmap directory",
        "bitmap-directory-unreadable",
    ),
    ("Broken bitmap directory", "broken-bitmap-directory"),
    ("More bitmaps found", "more-bitmaps"),
    ("Less bitmaps found", "fewer-bitmaps"),
    ("Bitmap extra data is not supported", "bitmap-extra-data"),
    ("doesn't satisfy the constraints", "bad-bitmap"),
    ("Bitmap already exists", "duplicate-bitmap"),
    ("Could not read bitmap_table table", "bad-bitmap-table"),
    ("Could not read bitmap '", "bad-bitmap-length"),
    ("Could not refresh total sector count", "disk-too-large"),
];

/// How our class differs from that of QEMU's message.
pub(super) fn difference(class: &str, message: &str) -> Option<String> {
    let found = MESSAGES.iter().find(|(part, _)| message.contains(part));
    match found {
        Some((_, theirs)) if *theirs == class => None,
        Some((_, theirs)) => Some(format!("we: {class}; qemu-img: {theirs}: {message}")),
        None => Some(format!("we: {class}; qemu-img: no known class: {message}")),
    }
}
