//! One line of a manifest: `HASH  NAME`.

use super::Hash;
use crate::file_name;

/// Length of a SHA-256 in hex digits.
const DIGITS: usize = 64;

/// Bytes that would break a line, and what stands behind the backslash in their place, as
/// coreutils document for `sha256sum`.
const ESCAPES: [(u8, u8); 3] = [(b'\\', b'\\'), (b'\n', b'n'), (b'\r', b'r')];

/// The line of the file whose name has this text.
pub(super) fn line(name: &str, hash: &Hash) -> Vec<u8> {
    let name = file_name::bytes(name).unwrap_or_else(|| name.as_bytes().to_vec());
    let escaped = escape(&name);
    let mut line = Vec::with_capacity(DIGITS + 4 + escaped.len());
    if escaped != name {
        line.push(b'\\');
    }
    line.extend(
        hash.iter()
            .flat_map(|byte| format!("{byte:02x}").into_bytes()),
    );
    line.extend(b"  ");
    line.extend(escaped);
    line.push(b'\n');
    line
}

/// Name and hash of a line, or what is wrong with it. A backslash in front says that the name is
/// escaped.
pub(super) fn parse_line(line: &[u8]) -> Result<(String, Hash), &'static str> {
    let (escaped, line) = match line.strip_prefix(b"\\") {
        Some(rest) => (true, rest),
        None => (false, line),
    };
    let (digits, name) = line.split_at_checked(DIGITS).ok_or("no SHA-256 in front")?;
    let hash = parse_hash(digits).ok_or("no SHA-256 in front")?;
    let name = name
        .strip_prefix(b"  ")
        .or_else(|| name.strip_prefix(b" *"))
        .unwrap_or_default();
    if name.is_empty() {
        return Err("no file name after the SHA-256");
    }
    let name = if escaped {
        unescape(name).ok_or("an unknown escape")?
    } else {
        name.to_owned()
    };
    Ok((file_name::text(&name), hash))
}

fn parse_hash(digits: &[u8]) -> Option<Hash> {
    let mut hash = [0; DIGITS / 2];
    for (byte, pair) in hash.iter_mut().zip(digits.chunks_exact(2)) {
        let high = char::from(pair[0]).to_digit(16)?;
        let low = char::from(pair[1]).to_digit(16)?;
        *byte = u8::try_from(high << 4 | low).ok()?;
    }
    Some(hash)
}

fn escape(name: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(name.len());
    for byte in name {
        match ESCAPES.iter().find(|(plain, _)| plain == byte) {
            Some((_, letter)) => out.extend([b'\\', *letter]),
            None => out.push(*byte),
        }
    }
    out
}

fn unescape(name: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(name.len());
    let mut bytes = name.iter();
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'\\' => {
                let letter = bytes.next()?;
                ESCAPES.iter().find(|(_, escape)| escape == letter)?.0
            }
            plain => *plain,
        });
    }
    Some(out)
}
