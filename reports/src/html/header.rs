//! The fields of a qcow2 header, named, for the bytes that a report shows.
//!
//! This judges nothing and refuses nothing: it names what stands at the places of the
//! qcow2 specification, as far as there are bytes.

use serde::Serialize;

/// A field's place in the header: offset, length in bytes, name.
const FIELDS: [(usize, usize, &str); 20] = [
    (0, 4, "magic"),
    (4, 4, "version"),
    (8, 8, "backing_file_offset"),
    (16, 4, "backing_file_size"),
    (20, 4, "cluster_bits"),
    (24, 8, "size"),
    (32, 4, "crypt_method"),
    (36, 4, "l1_size"),
    (40, 8, "l1_table_offset"),
    (48, 8, "refcount_table_offset"),
    (56, 4, "refcount_table_clusters"),
    (60, 4, "nb_snapshots"),
    (64, 8, "snapshots_offset"),
    (72, 8, "incompatible_features"),
    (80, 8, "compatible_features"),
    (88, 8, "autoclear_features"),
    (96, 4, "refcount_order"),
    (100, 4, "header_length"),
    (104, 1, "compression_type"),
    (105, 7, "padding"),
];

/// The fields that version 2 ends with.
const VERSION_2: usize = 72;
/// The longest header whose fields have names.
const NAMED: usize = 112;
/// How many extensions are named.
const EXTENSIONS: usize = 32;
/// How many bytes of a field are shown.
const SHOWN: usize = 64;

/// A run of bytes that means something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Field {
    /// Offset in the file.
    pub(super) at: usize,
    /// What it is.
    pub(super) name: String,
    /// The bytes, two digits each, grouped by four bytes.
    pub(super) hex: String,
    /// The value: a number, bits, a name.
    pub(super) value: String,
}

/// The fields of a header given in hex; none if it isn't a qcow2 header.
pub(super) fn fields(hex: &str) -> Vec<Field> {
    let Some(bytes) = bytes(hex) else {
        return Vec::new();
    };
    if !bytes.starts_with(b"QFI\xfb") {
        return Vec::new();
    }
    let length = length(&bytes);
    let mut fields: Vec<_> = FIELDS
        .iter()
        .filter(|(at, size, _)| at + size <= length.min(NAMED))
        .map(|(at, size, name)| field(&bytes, *at, *size, name))
        .collect();
    if length > NAMED {
        fields.push(field(&bytes, NAMED, length - NAMED, "further fields"));
    }
    extensions(&bytes, length, &mut fields);
    name(&bytes, &mut fields);
    fields
}

fn bytes(hex: &str) -> Option<Vec<u8>> {
    if !hex.is_ascii() || hex.len() % 2 == 1 {
        return None;
    }
    let pairs = (0..hex.len()).step_by(2);
    pairs
        .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).ok())
        .collect()
}

/// A big-endian number; bytes behind the end are zeros, which the stream leaves out.
fn number(bytes: &[u8], at: usize, size: usize) -> u64 {
    let byte = |at: usize| bytes.get(at).copied().unwrap_or_default();
    (at..at.saturating_add(size)).fold(0, |number, at| (number << 8) | u64::from(byte(at)))
}

fn length(bytes: &[u8]) -> usize {
    match number(bytes, 4, 4) {
        3 => usize::try_from(number(bytes, 100, 4))
            .unwrap_or(usize::MAX)
            .clamp(104, 4096),
        _ => VERSION_2,
    }
}

fn field(bytes: &[u8], at: usize, size: usize, name: &str) -> Field {
    let shown: Vec<u8> = (at..at + size.min(SHOWN))
        .map(|at| bytes.get(at).copied().unwrap_or_default())
        .collect();
    let groups = shown.chunks(4).map(|group| {
        let bytes = group.iter().map(|byte| format!("{byte:02x}"));
        bytes.collect::<String>()
    });
    let mut hex = groups.collect::<Vec<_>>().join(" ");
    if size > SHOWN {
        hex += " ...";
    }
    let value = match name {
        "magic" => "QFI\\xfb".to_owned(),
        "incompatible_features" => bits(number(bytes, at, 8), &INCOMPATIBLE),
        "compatible_features" => bits(number(bytes, at, 8), &["lazy-refcounts"]),
        "autoclear_features" => bits(number(bytes, at, 8), &["bitmaps", "data-file-raw"]),
        name if name.ends_with("_offset") => format!("{:#x}", number(bytes, at, size)),
        _ if size <= 8 => number(bytes, at, size).to_string(),
        _ => String::new(),
    };
    Field {
        at,
        name: name.to_owned(),
        hex,
        value,
    }
}

const INCOMPATIBLE: [&str; 5] = [
    "dirty",
    "corrupt",
    "data-file",
    "compression-type",
    "extended-l2",
];

/// The names of the bits that are set.
fn bits(value: u64, names: &[&str]) -> String {
    let set = (0..64).filter(|bit| value & (1 << bit) != 0);
    let words: Vec<_> = set
        .map(|bit| match names.get(bit as usize) {
            Some(name) => format!("{name} (bit {bit})"),
            None => format!("bit {bit}"),
        })
        .collect();
    match words.is_empty() {
        true => "none".to_owned(),
        false => words.join(", "),
    }
}

/// The header extensions: type, length, payload padded to eight bytes.
fn extensions(bytes: &[u8], start: usize, fields: &mut Vec<Field>) {
    let mut at = start;
    for _ in 0..EXTENSIONS {
        if at + 8 > bytes.len() {
            return;
        }
        let (kind, size) = (number(bytes, at, 4), number(bytes, at + 4, 4));
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        let name = match kind {
            0 => "end of extensions".to_owned(),
            0xe279_2aca => "extension: backing format".to_owned(),
            0x6803_f857 => "extension: feature names".to_owned(),
            0x2385_2875 => "extension: bitmaps".to_owned(),
            0x0537_be77 => "extension: encryption header".to_owned(),
            0x4441_5441 => "extension: data file".to_owned(),
            kind => format!("extension: {kind:#010x}"),
        };
        let mut entry = field(bytes, at, 8, &name);
        entry.value = format!("{size} bytes");
        fields.push(entry);
        if kind == 0 || size > bytes.len() {
            return;
        }
        if size > 0 {
            let mut payload = field(bytes, at + 8, size, "payload");
            payload.value = text(bytes, at + 8, size);
            fields.push(payload);
        }
        at += 8 + size.div_ceil(8) * 8;
    }
}

/// The backing name, where the header says it is.
fn name(bytes: &[u8], fields: &mut Vec<Field>) {
    let at = usize::try_from(number(bytes, 8, 8)).unwrap_or(usize::MAX);
    let size = usize::try_from(number(bytes, 16, 4)).unwrap_or(usize::MAX);
    if at > 0 && size > 0 && at < bytes.len() && size <= 1023 {
        let mut entry = field(bytes, at, size, "backing name");
        entry.value = text(bytes, at, size);
        fields.push(entry);
    }
}

/// A payload as text, where it is text.
fn text(bytes: &[u8], at: usize, size: usize) -> String {
    let end = at.saturating_add(size).min(bytes.len());
    let payload = bytes.get(at..end).unwrap_or_default();
    match std::str::from_utf8(payload) {
        Ok(text) if !text.contains('\0') => super::shown(text),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// A version 3 header that uses the data file `d.raw`.
    fn header() -> Vec<u8> {
        let mut bytes = vec![0; 136];
        bytes[..8].copy_from_slice(b"QFI\xfb\0\0\0\x03");
        bytes[79] = 4;
        bytes[103] = 112;
        bytes[112..125].copy_from_slice(b"DATA\0\0\0\x05d.raw");
        bytes
    }

    fn named(fields: &[Field], name: &str) -> (usize, String) {
        let field = fields.iter().find(|field| field.name == name).unwrap();
        (field.at, field.value.clone())
    }

    #[test]
    fn fields_and_extensions_have_names() {
        let fields = fields(&hex(&header()));
        assert_eq!(named(&fields, "version"), (4, "3".to_owned()));
        assert_eq!(
            named(&fields, "incompatible_features"),
            (72, "data-file (bit 2)".to_owned())
        );
        assert_eq!(
            named(&fields, "extension: data file"),
            (112, "5 bytes".to_owned())
        );
        assert_eq!(named(&fields, "payload"), (120, "d.raw".to_owned()));
        assert_eq!(named(&fields, "end of extensions").0, 128);
    }

    #[test]
    fn version_2_ends_before_the_features() {
        let mut bytes = header();
        bytes[7] = 2;
        let fields = fields(&hex(&bytes));
        assert!(fields.iter().all(|field| field.name != "header_length"));
        assert_eq!(named(&fields, "snapshots_offset").0, 64);
    }

    #[test]
    fn what_is_no_header_has_no_fields() {
        assert_eq!(fields(""), []);
        assert_eq!(fields("zz"), []);
        assert_eq!(fields("é0"), []);
        assert_eq!(fields("00"), []);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(mut bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            for (place, byte) in b"QFI\xfb\0\0\0\x03".iter().enumerate() {
                if let Some(slot) = bytes.get_mut(place) {
                    *slot = *byte;
                }
            }
            fields(&hex(&bytes));
        }
    }
}
