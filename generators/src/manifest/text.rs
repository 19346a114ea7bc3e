//! One line of a manifest: `HASH  NAME`.

use std::fmt;

use super::Hash;

/// Writes a line; a name that would break it is escaped, as coreutils document for `sha256sum`.
pub(super) fn write_line(out: &mut fmt::Formatter<'_>, name: &str, hash: &Hash) -> fmt::Result {
    let escaped = escape(name);
    if escaped != name {
        out.write_str("\\")?;
    }
    for byte in hash {
        write!(out, "{byte:02x}")?;
    }
    writeln!(out, "  {escaped}")
}

/// Name and hash of a line, or what is wrong with it. A backslash in front says that the name is
/// escaped.
pub(super) fn parse_line(line: &str) -> Result<(String, Hash), &'static str> {
    let (escaped, line) = match line.strip_prefix('\\') {
        Some(rest) => (true, rest),
        None => (false, line),
    };
    let (digits, name) = line.split_at_checked(64).ok_or("no SHA-256 in front")?;
    let hash = parse_hash(digits).ok_or("no SHA-256 in front")?;
    let name = name
        .strip_prefix("  ")
        .or_else(|| name.strip_prefix(" *"))
        .unwrap_or_default();
    if name.is_empty() {
        return Err("no file name after the SHA-256");
    }
    let name = if escaped {
        unescape(name).ok_or("an unknown escape")?
    } else {
        name.to_owned()
    };
    Ok((name, hash))
}

fn parse_hash(digits: &str) -> Option<Hash> {
    let mut hash = [0; 32];
    for (byte, pair) in hash.iter_mut().zip(digits.as_bytes().chunks_exact(2)) {
        let high = char::from(pair[0]).to_digit(16)?;
        let low = char::from(pair[1]).to_digit(16)?;
        *byte = u8::try_from(high << 4 | low).ok()?;
    }
    Some(hash)
}

fn escape(name: &str) -> String {
    name.replace('\\', "\\\\")
        .replace('\n', "\\n")
        .replace('\r', "\\r")
}

fn unescape(name: &str) -> Option<String> {
    let mut out = String::with_capacity(name.len());
    let mut letters = name.chars();
    while let Some(letter) = letters.next() {
        out.push(match letter {
            '\\' => match letters.next()? {
                '\\' => '\\',
                'n' => '\n',
                'r' => '\r',
                _ => return None,
            },
            plain => plain,
        });
    }
    Some(out)
}
