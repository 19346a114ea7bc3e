//! A hardened reader of XML into a small tree.
//!
//! Domain XML comes from whoever manages the domain. Size and depth are limited, document types
//! are refused, and the only entities are XML's own five and character references. Comments and
//! processing instructions are dropped, as libvirt does.

use quick_xml::XmlVersion;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::attributes::Attribute;
use quick_xml::events::{BytesRef, BytesStart, Event};
use quick_xml::reader::Reader;

use super::error::{DomainError, DomainFault};
use super::grammar::{self, is_char, is_name};
use super::tree::{Element, Node};

const MAX_BYTES: usize = 4 << 20;
/// Nested `<backingStore>` elements are the deepest thing there is; chains have 200 layers.
const MAX_DEPTH: usize = 512;
/// No element of libvirt's has as many.
const MAX_ATTRIBUTES: usize = 256;

/// Reads a whole document.
pub(super) fn document(xml: &[u8]) -> Result<Element, DomainError> {
    let start = |fault| DomainError {
        fault,
        line: 1,
        column: 1,
    };
    if xml.len() > MAX_BYTES {
        return Err(start(DomainFault::TooLarge(xml.len())));
    }
    let text = std::str::from_utf8(xml)
        .map_err(|error| locate(xml, error.valid_up_to(), malformed("document is not utf-8")))?;
    if let Some((at, character)) = text.char_indices().find(|(_, c)| !is_char(*c)) {
        return Err(locate(xml, at, no_character(character)));
    }
    let mut builder = Builder {
        xml,
        place: Place::default(),
        stack: Vec::new(),
        root: None,
    };
    let mut reader = Reader::from_str(text);
    reader.config_mut().check_comments = true;
    loop {
        let at = offset(&reader);
        let event = reader.read_event().map_err(|error| {
            locate(xml, offset_of_error(&reader), malformed(&error.to_string()))
        })?;
        if matches!(event, Event::Eof) {
            return builder.finish(at);
        }
        let inside = !builder.stack.is_empty();
        if let Some(message) = grammar::fault(&event, at == 0, inside) {
            return Err(locate(xml, at, DomainFault::Malformed(message)));
        }
        builder.take(event, at)?;
    }
}

fn offset(reader: &Reader<&[u8]>) -> usize {
    usize::try_from(reader.buffer_position()).unwrap_or(usize::MAX)
}

fn offset_of_error(reader: &Reader<&[u8]>) -> usize {
    usize::try_from(reader.error_position()).unwrap_or(usize::MAX)
}

fn malformed(message: &str) -> DomainFault {
    DomainFault::Malformed(message.to_owned())
}

fn no_character(character: char) -> DomainFault {
    let message = format!(
        "character U+{:04X} can't stand in xml",
        u32::from(character)
    );
    DomainFault::Malformed(message)
}

fn locate(xml: &[u8], offset: usize, fault: DomainFault) -> DomainError {
    let (line, column) = Place::default().advance(xml, offset);
    DomainError {
        fault,
        line,
        column,
    }
}

/// A place in the document that only moves forward, because counting lines from the start for
/// each element would take quadratic time.
#[derive(Default)]
struct Place {
    offset: usize,
    newlines: usize,
    line_start: usize,
}

impl Place {
    /// Line and column of `offset`, both counted from 1.
    fn advance(&mut self, xml: &[u8], offset: usize) -> (usize, usize) {
        let offset = offset.clamp(self.offset, xml.len());
        for (index, byte) in xml[self.offset..offset].iter().enumerate() {
            if *byte == b'\n' {
                self.newlines += 1;
                self.line_start = self.offset + index + 1;
            }
        }
        self.offset = offset;
        (self.newlines + 1, offset - self.line_start + 1)
    }
}

struct Builder<'a> {
    xml: &'a [u8],
    place: Place,
    stack: Vec<Element>,
    root: Option<Element>,
}

impl Builder<'_> {
    fn take(&mut self, event: Event<'_>, at: usize) -> Result<(), DomainError> {
        match event {
            Event::Start(start) => self.open(&start, at),
            Event::Empty(start) => {
                self.open(&start, at)?;
                self.close();
                Ok(())
            }
            Event::End(_) => {
                self.close();
                Ok(())
            }
            Event::Text(text) => self.text(&text.xml10_content(), at),
            Event::CData(text) => self.text(&text.xml10_content(), at),
            Event::GeneralRef(reference) => self.reference(&reference, at),
            Event::DocType(_) => Err(locate(self.xml, at, DomainFault::DocumentType)),
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::Eof => Ok(()),
        }
    }

    fn open(&mut self, start: &BytesStart<'_>, at: usize) -> Result<(), DomainError> {
        if self.stack.len() >= MAX_DEPTH {
            return Err(locate(self.xml, at, DomainFault::TooDeep));
        }
        if self.stack.is_empty() && self.root.is_some() {
            return Err(locate(
                self.xml,
                at,
                malformed("document has two root elements"),
            ));
        }
        let (line, column) = self.place.advance(self.xml, at);
        let mut element = Element {
            name: start.name().as_ref().to_owned(),
            line,
            column,
            ..Element::default()
        };
        for (number, attribute) in start.attributes().enumerate() {
            let fail = |message: String| locate(self.xml, at, malformed(&message));
            // Looking for duplicates takes quadratic time.
            if number == MAX_ATTRIBUTES {
                return Err(fail("element has too many attributes".to_owned()));
            }
            let attribute = attribute.map_err(|error| fail(error.to_string()))?;
            element.attributes.push(pair(&attribute).map_err(fail)?);
        }
        self.stack.push(element);
        Ok(())
    }

    fn close(&mut self) {
        let Some(element) = self.stack.pop() else {
            return;
        };
        match self.stack.last_mut() {
            Some(parent) => parent.content.push(Node::Element(element)),
            None => self.root = Some(element),
        }
    }

    fn text(&mut self, text: &str, at: usize) -> Result<(), DomainError> {
        match self.stack.last_mut() {
            Some(element) => match element.content.last_mut() {
                Some(Node::Text(before)) => before.push_str(text),
                _ => element.content.push(Node::Text(text.to_owned())),
            },
            None if text.trim().is_empty() => {}
            None => {
                return Err(locate(
                    self.xml,
                    at,
                    malformed("text outside the root element"),
                ));
            }
        }
        Ok(())
    }

    fn reference(&mut self, reference: &BytesRef<'_>, at: usize) -> Result<(), DomainError> {
        let character = reference
            .resolve_char_ref()
            .map_err(|error| locate(self.xml, at, malformed(&error.to_string())))?;
        if let Some(character) = character {
            if !is_char(character) {
                return Err(locate(self.xml, at, no_character(character)));
            }
            return self.text(character.encode_utf8(&mut [0; 4]), at);
        }
        let name = reference.xml10_content();
        match resolve_predefined_entity(&name) {
            Some(text) => self.text(text, at),
            None => Err(locate(
                self.xml,
                at,
                malformed(&format!("entity {name:?} is not known")),
            )),
        }
    }

    fn finish(self, at: usize) -> Result<Element, DomainError> {
        match self.root {
            Some(root) if self.stack.is_empty() => Ok(root),
            _ => Err(locate(self.xml, at, malformed("document ends too early"))),
        }
    }
}

/// Name and value of an attribute, or what is wrong with it.
fn pair(attribute: &Attribute<'_>) -> Result<(String, String), String> {
    let name = attribute.key.as_ref();
    if !is_name(name) {
        return Err(format!("{name:?} is no name of an attribute"));
    }
    if attribute.value.contains('<') {
        return Err(format!("the value of attribute {name} has a `<`"));
    }
    let value = attribute.normalized_value(XmlVersion::Implicit1_0);
    let value = value.map_err(|error| error.to_string())?;
    match value.chars().find(|c| !is_char(*c)) {
        Some(character) => Err(no_character(character).to_string()),
        None => Ok((name.to_owned(), value.into_owned())),
    }
}
