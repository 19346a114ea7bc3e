//! File names as text. A name on Linux is bytes; recipes, manifests in memory and observations
//! have text.
//!
//! What is UTF-8 stands as it is. Any other byte is `\xNN` with two lowercase hex digits, and a
//! backslash is `\\`. So each name has exactly one text: `"data\xff.raw"` and nothing else is
//! the name with byte 255 in it. In a TOML string with double quotes the backslash itself is
//! doubled; single quotes (`'data\xff.raw'`) spare that.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};

/// The text of a name.
#[must_use]
pub fn text(name: &[u8]) -> String {
    let mut out = String::with_capacity(name.len());
    for chunk in name.utf8_chunks() {
        out.push_str(&chunk.valid().replace('\\', r"\\"));
        let invalid = chunk.invalid().iter();
        out.extend(invalid.map(|byte| format!(r"\x{byte:02x}")));
    }
    out
}

/// The text of a path.
#[must_use]
pub fn path_text(path: &Path) -> String {
    text(path.as_os_str().as_bytes())
}

/// The name that `text` stands for; `None` if it is not what [`text()`] makes of any name.
#[must_use]
pub fn bytes(text: &str) -> Option<Vec<u8>> {
    let name = decode(text)?;
    (self::text(&name) == text).then_some(name)
}

fn decode(text: &str) -> Option<Vec<u8>> {
    let mut name = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once('\\') {
        name.extend(before.as_bytes());
        rest = if let Some(behind) = behind.strip_prefix('\\') {
            name.push(b'\\');
            behind
        } else {
            let (digits, behind) = behind.strip_prefix('x')?.split_at_checked(2)?;
            name.push(u8::from_str_radix(digits, 16).ok()?);
            behind
        };
    }
    name.extend(rest.as_bytes());
    Some(name)
}

/// The path of the file with this text as its name in `folder`. A text that stands for no name
/// is taken literally; a recipe's check has refused it before.
#[must_use]
pub fn join(folder: &Path, text: &str) -> PathBuf {
    let name = bytes(text).unwrap_or_else(|| text.as_bytes().to_vec());
    folder.join(OsString::from_vec(name))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::plain(b"disk.raw", "disk.raw")]
    #[case::unicode("Größe".as_bytes(), "Größe")]
    #[case::no_utf8(b"a\xffb", r"a\xffb")]
    #[case::cut_short(b"\xe2\x82/x", r"\xe2\x82/x")]
    #[case::backslash(br"a\xff", r"a\\xff")]
    #[case::newline(b"a\nb", "a\nb")]
    fn a_name_has_a_text(#[case] name: &[u8], #[case] expected: &str) {
        assert_eq!(text(name), expected);
        assert_eq!(bytes(expected).as_deref(), Some(name));
        assert_eq!(
            join(Path::new("/d"), expected).as_os_str().as_bytes(),
            [b"/d/", name].concat()
        );
    }

    #[rstest]
    #[case::ends_in_an_escape("a\\")]
    #[case::unknown_escape(r"a\n")]
    #[case::too_few_digits(r"\xf")]
    #[case::no_digits(r"\x+f")]
    #[case::capitals(r"\xFF")]
    #[case::a_letter(r"\x61")]
    #[case::a_slash(r"..\x2f..")]
    #[case::utf8_in_escapes(r"\xc3\xbc")]
    fn another_text_stands_for_no_name(#[case] text: &str) {
        assert_eq!(bytes(text), None);
    }

    proptest! {
        #[test]
        fn any_name_comes_back(name: Vec<u8>) {
            prop_assert_eq!(bytes(&text(&name)), Some(name));
        }

        #[test]
        fn any_text_is_taken_or_refused(text: String) {
            if let Some(name) = bytes(&text) {
                prop_assert_eq!(self::text(&name), text);
            }
        }
    }
}
