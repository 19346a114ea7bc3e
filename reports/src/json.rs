//! JSON that is safe to print: hidden characters are escapes, which mean the same.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::ser::{CharEscape, CompactFormatter, Formatter};

use crate::counts::Conclusion;
use crate::event::{CaseEvent, RunFooter, RunHeader, Setup};
use crate::stream::Run;
use crate::tally::Tally;
use crate::text;

/// Writes a value on one line, without its newline.
///
/// # Errors
/// What `out` returns.
pub fn compact(value: &impl Serialize, out: &mut impl Write) -> io::Result<()> {
    write_with(value, Escaping { markup: false }, out)
}

/// The same for a script element, which no character in it can end.
pub(crate) fn inside_html(value: &impl Serialize, out: &mut impl Write) -> io::Result<()> {
    write_with(value, Escaping { markup: true }, out)
}

fn write_with(value: &impl Serialize, escaping: Escaping, out: &mut impl Write) -> io::Result<()> {
    let mut serializer = serde_json::Serializer::with_formatter(out, escaping);
    Ok(value.serialize(&mut serializer)?)
}

struct Escaping {
    /// Whether `<`, `>` and `&` are escaped, too.
    markup: bool,
}

impl Escaping {
    fn escapes(&self, c: char) -> bool {
        (self.markup && matches!(c, '<' | '>' | '&')) || (!c.is_ascii() && text::is_hidden(c))
            // Below this, JSON itself asks for an escape.
            || c == '\u{7f}'
    }

    /// Whether no character is escaped, as is usual.
    fn escapes_nothing(&self, fragment: &str) -> bool {
        let is_markup = |byte| self.markup && matches!(byte, b'<' | b'>' | b'&');
        let is_plain = |byte: &u8| *byte < 0x7f && !is_markup(*byte);
        fragment.as_bytes().iter().all(is_plain)
    }
}

fn escape<W: ?Sized + Write>(c: char, out: &mut W) -> io::Result<()> {
    for unit in c.encode_utf16(&mut [0; 2]) {
        write!(out, "\\u{unit:04x}")?;
    }
    Ok(())
}

impl Formatter for Escaping {
    fn write_string_fragment<W: ?Sized + Write>(
        &mut self,
        out: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        if self.escapes_nothing(fragment) {
            return out.write_all(fragment.as_bytes());
        }
        let mut plain = 0;
        for (at, c) in fragment.char_indices().filter(|(_, c)| self.escapes(*c)) {
            out.write_all(&fragment.as_bytes()[plain..at])?;
            match c {
                // XML is full of these.
                '<' => out.write_all(b"\\u003c")?,
                '>' => out.write_all(b"\\u003e")?,
                c => escape(c, out)?,
            }
            plain = at + c.len_utf8();
        }
        out.write_all(&fragment.as_bytes()[plain..])
    }

    fn write_char_escape<W: ?Sized + Write>(
        &mut self,
        out: &mut W,
        escape: CharEscape,
    ) -> io::Result<()> {
        CompactFormatter.write_char_escape(out, escape)
    }
}

/// A run as one document, for programs that would rather not read a stream.
#[derive(Serialize)]
struct Document<'a> {
    header: &'a RunHeader,
    /// Why this is not a whole run; null if it is.
    gap: Option<&'static str>,
    subjects: Vec<Subject<'a>>,
    cases: &'a [CaseEvent],
    setups: Vec<&'a Setup>,
    footer: Option<&'a RunFooter>,
}

#[derive(Serialize)]
struct Subject<'a> {
    name: &'a str,
    version: &'a str,
    conforms: bool,
    conclusion: &'static str,
    words: String,
}

/// Writes the run as one JSON object.
///
/// # Errors
/// What `out` returns.
pub fn write(run: &Run, out: &mut impl Write) -> io::Result<()> {
    let gap = run.gap();
    let tally = Tally::of(run);
    let subjects = tally.subjects.iter().map(|subject| {
        let conclusion = subject.counts.conclusion(gap.is_none());
        Subject {
            name: subject.name,
            version: subject.version,
            conforms: matches!(conclusion, Conclusion::Conforms | Conclusion::Deviates),
            conclusion: conclusion.as_str(),
            words: subject.counts.words(),
        }
    });
    let document = Document {
        header: &run.header,
        gap,
        subjects: subjects.collect(),
        cases: &run.cases,
        setups: run.setups.values().collect(),
        footer: run.footer.as_ref(),
    };
    compact(&document, out)?;
    writeln!(out)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(text: &str, markup: bool) -> String {
        let mut out = Vec::new();
        write_with(&text, Escaping { markup }, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn hidden_characters_are_escaped_and_others_stay() {
        assert_eq!(written("a\u{9b}b\u{7f}ä<", false), "\"a\\u009bb\\u007fä<\"");
        assert_eq!(
            written("\u{e0001}\u{1b}", false),
            "\"\\udb40\\udc01\\u001b\""
        );
    }

    proptest! {
        #[test]
        fn escaped_text_means_the_same(text in any::<String>(), markup in any::<bool>()) {
            let json = written(&text, markup);
            prop_assert!(!json.chars().any(text::is_hidden));
            prop_assert!(!markup || !json.contains(['<', '>', '&']));
            let back: String = serde_json::from_str(&json).unwrap();
            prop_assert_eq!(back, text);
        }
    }
}
