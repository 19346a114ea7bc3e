//! What XML 1.0 (fifth edition) asks of a document and the reader lets pass.

use quick_xml::events::attributes::Attributes;
use quick_xml::events::{BytesDecl, BytesStart, Event};

/// What is wrong with an event, if it isn't what XML allows where it stands: `first` of the
/// document, or `inside` an element.
pub(super) fn fault(event: &Event<'_>, first: bool, inside: bool) -> Option<String> {
    match event {
        Event::Start(tag) | Event::Empty(tag) => fault_of_tag(tag),
        Event::CData(_) | Event::GeneralRef(_) if !inside => {
            Some("text outside the root element".to_owned())
        }
        Event::Text(text) if text.xml10_content().contains("]]>") => {
            Some("`]]>` stands in text".to_owned())
        }
        Event::Decl(_) if !first => Some("declaration isn't at the beginning".to_owned()),
        Event::Decl(declaration) => fault_of_declaration(declaration),
        Event::PI(instruction) if !is_name(instruction.target()) => Some(format!(
            "{:?} is no name of an instruction",
            instruction.target()
        )),
        _ => None,
    }
}

fn fault_of_tag(tag: &BytesStart<'_>) -> Option<String> {
    let name = tag.name();
    if !is_name(name.as_ref()) {
        return Some(format!("{:?} is no name of an element", name.as_ref()));
    }
    let apart = are_apart(tag.attributes_raw());
    (!apart).then(|| "no space between two attributes".to_owned())
}

/// Whether something stands between the end of each value and what follows it.
fn are_apart(attributes: &str) -> bool {
    let mut quote = None;
    let mut ended = false;
    for c in attributes.chars() {
        let was_ended = std::mem::take(&mut ended);
        match quote {
            Some(open) if c == open => {
                quote = None;
                ended = true;
            }
            Some(_) => {}
            None if was_ended && !c.is_ascii_whitespace() => return false,
            None => quote = Some(c).filter(|c| matches!(c, '"' | '\'')),
        }
    }
    true
}

/// Whether a value is allowed.
type Allows = fn(&str) -> bool;

/// What a declaration may say, in this order. Whoever honours another encoding than UTF-8 reads other
/// names in the same bytes.
const DECLARATION: [(&str, Allows); 3] = [
    ("version", |value| matches!(value, "1.0" | "1.1")),
    ("encoding", |value| value.eq_ignore_ascii_case("utf-8")),
    ("standalone", |value| matches!(value, "yes" | "no")),
];

fn fault_of_declaration(declaration: &BytesDecl<'_>) -> Option<String> {
    let said = declaration.strip_prefix("xml").unwrap_or(declaration);
    if !said.trim_start().starts_with("version") || !are_apart(said) {
        return Some(format!("declaration {said:?} is not xml's"));
    }
    let mut allowed = DECLARATION.into_iter();
    for attribute in Attributes::new(said, 0) {
        let attribute = match attribute {
            Ok(attribute) => attribute,
            Err(error) => return Some(error.to_string()),
        };
        let (key, value) = (attribute.key.as_ref(), attribute.value);
        if !allowed.any(|(name, allows)| name == key && allows(&value)) {
            return Some(format!("declaration says {key} {value:?}"));
        }
    }
    None
}

/// Whether a character may stand in a document (production 2).
pub(super) fn is_char(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
}

/// Whether a text is a name (productions 4 and 4a).
pub(super) fn is_name(text: &str) -> bool {
    text.starts_with(begins_name) && text.chars().all(continues_name)
}

fn begins_name(c: char) -> bool {
    matches!(c,
        ':' | '_' | 'A'..='Z' | 'a'..='z' | '\u{c0}'..='\u{d6}' | '\u{d8}'..='\u{f6}'
        | '\u{f8}'..='\u{2ff}' | '\u{370}'..='\u{37d}' | '\u{37f}'..='\u{1fff}'
        | '\u{200c}'..='\u{200d}' | '\u{2070}'..='\u{218f}' | '\u{2c00}'..='\u{2fef}'
        | '\u{3001}'..='\u{d7ff}' | '\u{f900}'..='\u{fdcf}' | '\u{fdf0}'..='\u{fffd}'
        | '\u{10000}'..='\u{effff}')
}

fn continues_name(c: char) -> bool {
    begins_name(c)
        || matches!(c, '-' | '.' | '0'..='9' | '\u{b7}' | '\u{300}'..='\u{36f}'
            | '\u{203f}'..='\u{2040}')
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("domain", true)]
    #[case("qemu:commandline", true)]
    #[case("_a-1.b", true)]
    #[case("größe", true)]
    #[case("", false)]
    #[case("1a", false)]
    #[case("-a", false)]
    #[case("a b", false)]
    #[case("a/b", false)]
    #[case("a\u{d7}", false)]
    fn names_are_those_of_xml(#[case] text: &str, #[case] is: bool) {
        assert_eq!(is_name(text), is);
    }

    #[rstest]
    #[case('\t', true)]
    #[case('\u{85}', true)]
    #[case('\u{10ffff}', true)]
    #[case('\0', false)]
    #[case('\u{1f}', false)]
    #[case('\u{fffe}', false)]
    fn characters_are_those_of_xml(#[case] c: char, #[case] is: bool) {
        assert_eq!(is_char(c), is);
    }
}
