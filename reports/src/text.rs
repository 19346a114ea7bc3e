//! Text from images, subjects and users, made safe to print.
//!
//! Names and messages come from hostile images and foreign programs. Printed as they
//! are, they could move the cursor, recolour the terminal, fake a line of the report or
//! reorder what a person reads.

use std::borrow::Cow;
use std::fmt::Write as _;

/// The text with every character that is not plainly visible written as an escape:
/// `\n`, `\r`, `\t` or `\u{1b}`. So is the first character of what GitHub's runner would take
/// for a command wherever it ends up in a line: `::` that begins a word, and `##[`. A
/// backslash stays as it is, so that commands can be pasted; use [`field`] where the result
/// must be read back.
#[must_use]
pub fn printable(text: &str) -> Cow<'_, str> {
    if is_plain(text) {
        return Cow::Borrowed(text);
    }
    if text.chars().any(is_hidden) || text.contains("::") || text.contains("##[") {
        Cow::Owned(escape(text, false))
    } else {
        Cow::Borrowed(text)
    }
}

/// Whether a look at each byte is enough to know that nothing in the text is hidden, nor a command.
/// Nearly all text is like that.
fn is_plain(text: &str) -> bool {
    let is_plain = |byte: &u8| matches!(byte, b' '..=b'~') && !matches!(byte, b':' | b'#');
    text.as_bytes().iter().all(is_plain)
}

/// As [`printable`], with each backslash doubled: different texts stay different.
#[must_use]
pub fn field(text: &str) -> String {
    escape(text, true)
}

/// [`printable`], cut after `max` characters with a note of how many are missing.
#[must_use]
pub fn clipped(text: &str, max: usize) -> String {
    cut(text, max).into_owned()
}

/// [`clipped`], without a copy of what is shown as it is.
pub(crate) fn cut(text: &str, max: usize) -> Cow<'_, str> {
    let text = printable(text);
    match end_of(&text, max) {
        None => text,
        Some(end) => {
            let missing = text[end..].chars().count();
            Cow::Owned(format!("{}... ({missing} more characters)", &text[..end]))
        }
    }
}

/// Where the text has to be cut to keep this many characters; `None` if it has no more.
pub(crate) fn end_of(text: &str, max: usize) -> Option<usize> {
    // No character is shorter than a byte.
    if text.len() <= max {
        return None;
    }
    text.char_indices().nth(max).map(|(end, _)| end)
}

/// [`clipped`] for a value of a comparison, in which an empty one must be seen too.
#[must_use]
pub fn value(value: &str, max: usize) -> String {
    match value {
        "" => "(nothing)".to_owned(),
        value => clipped(value, max),
    }
}

/// The text in lines of at most `width` characters, broken at spaces only: a longer word
/// has a line of its own, so that ids and commands can be copied.
#[must_use]
pub fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    let mut used = 0;
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        let length = word.chars().count();
        if used > 0 && used + 1 + length > width {
            lines.push(std::mem::take(&mut line));
            used = 0;
        }
        if used > 0 {
            line.push(' ');
            used += 1;
        }
        line.push_str(word);
        used += length;
    }
    if used > 0 || lines.is_empty() {
        lines.push(line);
    }
    lines
}

/// A list as a person writes it.
#[must_use]
pub fn joined<T: AsRef<str>>(list: &[T]) -> String {
    let words: Vec<_> = list.iter().map(AsRef::as_ref).collect();
    words.join(", ")
}

fn escape(text: &str, backslash: bool) -> String {
    let mut out = String::with_capacity(text.len());
    let mut previous = ' ';
    for (at, c) in text.char_indices() {
        let begins = |command| text[at..].starts_with(command);
        match c {
            ':' if previous == ' ' && begins("::") => out.push_str("\\u{3a}"),
            '#' if begins("##[") => out.push_str("\\u{23}"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\\' if backslash => out.push_str("\\\\"),
            // Writing to a string cannot fail.
            c if is_hidden(c) => drop(write!(out, "\\u{{{:x}}}", u32::from(c))),
            c => out.push(c),
        }
        previous = c;
    }
    out
}

/// Control characters, line separators, whatever changes the direction of text or has no
/// width, and the code points that Unicode keeps out of text (XML refuses two of them).
pub(crate) fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
            | '\u{fdd0}'..='\u{fdef}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
        || u32::from(c) & 0xfffe == 0xfffe
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("disk.raw", "disk.raw")]
    #[case("a\nb\r\tc", "a\\nb\\r\\tc")]
    #[case("\u{1b}[31mred\u{7}", "\\u{1b}[31mred\\u{7}")]
    #[case("\u{9b}31m", "\\u{9b}31m")]
    #[case("evil\u{202e}war.ksid", "evil\\u{202e}war.ksid")]
    #[case("zero\u{200b}width\u{feff}", "zero\\u{200b}width\\u{feff}")]
    #[case("\u{fffe}\u{1ffff}", "\\u{fffe}\\u{1ffff}")]
    #[case("Größe 漢字 \\x", "Größe 漢字 \\x")]
    #[case("::error::x ::y a::b", "\\u{3a}:error::x \\u{3a}:y a::b")]
    #[case("a##[group]", "a\\u{23}#[group]")]
    fn hidden_characters_are_shown_as_escapes(#[case] text: &str, #[case] shown: &str) {
        assert_eq!(printable(text), shown);
    }

    #[test]
    fn a_field_tells_a_newline_from_its_escape() {
        assert_eq!(field("a\nb"), "a\\nb");
        assert_eq!(field("a\\nb"), "a\\\\nb");
    }

    #[test]
    fn a_cut_text_says_how_much_is_missing() {
        assert_eq!(clipped("äbcdef", 6), "äbcdef");
        assert_eq!(clipped("äbcdef", 2), "äb... (4 more characters)");
    }

    #[rstest]
    #[case("one two three", 7, &["one two", "three"])]
    #[case("label/data-file/long tail", 5, &["label/data-file/long", "tail"])]
    #[case("", 10, &[""])]
    fn lines_break_at_spaces_only(
        #[case] text: &str,
        #[case] width: usize,
        #[case] lines: &[&str],
    ) {
        assert_eq!(wrap(text, width), lines);
    }

    proptest! {
        #[test]
        fn no_text_reaches_the_terminal_with_a_hidden_character(text in any::<String>()) {
            prop_assert!(!printable(&text).chars().any(is_hidden));
            prop_assert!(!field(&text).chars().any(is_hidden));
        }

        #[test]
        fn wrapping_keeps_every_word(text in "[a-z ]{0,80}", width in 0usize..40) {
            let words: Vec<_> = text.split_whitespace().collect();
            let wrapped = wrap(&text, width).join(" ");
            prop_assert_eq!(wrapped.split_whitespace().collect::<Vec<_>>(), words);
        }
    }
}
