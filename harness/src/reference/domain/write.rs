//! Writes a tree of elements as XML.

use quick_xml::Writer;
use quick_xml::events::{BytesEnd, BytesStart, BytesText, Event};

use super::document::Form;
use super::tree::{Element, Node};
use crate::reference::redact;

/// Elements and attributes that libvirt, too, shows only to whoever asks for secrets.
const SECRETS: [&str; 2] = ["cookies", "passwd"];

pub(super) fn document(root: &Element, form: Form) -> String {
    let mut page = Page {
        writer: Writer::new_with_indent(Vec::new(), b' ', 2),
        form,
    };
    page.element(root, true);
    let mut bytes = page.writer.into_inner();
    bytes.push(b'\n');
    String::from_utf8_lossy(&bytes).into_owned()
}

struct Page {
    writer: Writer<Vec<u8>>,
    form: Form,
}

impl Page {
    fn element(&mut self, element: &Element, is_root: bool) {
        if !is_root && self.is_left_out(element) {
            return;
        }
        let mut start = BytesStart::new(element.name.as_str());
        for (key, value) in &element.attributes {
            let runtime_only = match key.as_str() {
                "id" => is_root,
                "index" => ["source", "backingStore"].contains(&element.name.as_str()),
                _ => false,
            };
            let left_out = runtime_only && self.form == Form::Persistent;
            if !left_out && !SECRETS.contains(&key.as_str()) {
                start.push_attribute((key.as_str(), redact::text(value)));
            }
        }
        let content: Vec<&Node> = element
            .content
            .iter()
            .filter(|node| node.element().is_none_or(|child| !self.is_left_out(child)))
            .collect();
        if content.is_empty() {
            return self.event(Event::Empty(start));
        }
        self.event(Event::Start(start));
        self.content(&content);
        self.event(Event::End(BytesEnd::new(element.name.as_str())));
    }

    /// White space between elements is indentation, and that is written anew; where elements stand
    /// in text, as they may in a domain's `<metadata>`, it is a part of the text.
    fn content(&mut self, content: &[&Node]) {
        let has_elements = content.iter().any(|node| node.element().is_some());
        let has_text = content
            .iter()
            .any(|node| !is_blank(node) && node.element().is_none());
        if has_elements && has_text {
            let mut plain = Page {
                writer: Writer::new(Vec::new()),
                form: self.form,
            };
            content.iter().for_each(|node| plain.node(node));
            let written = plain.writer.into_inner();
            let written = BytesText::from_escaped(String::from_utf8_lossy(&written));
            return self.event(Event::Text(written));
        }
        let is_shown = |node: &&&Node| !(has_elements && is_blank(node));
        content
            .iter()
            .filter(is_shown)
            .for_each(|node| self.node(node));
    }

    fn node(&mut self, node: &Node) {
        match node {
            Node::Element(child) => self.element(child, false),
            Node::Text(text) => self.event(Event::Text(BytesText::new(&redact::text(text)))),
        }
    }

    fn is_left_out(&self, element: &Element) -> bool {
        let only_detected = element.detected && self.form == Form::Persistent;
        only_detected || SECRETS.contains(&element.name.as_str())
    }

    /// Writing to memory can't fail.
    fn event(&mut self, event: Event<'_>) {
        let _infallible = self.writer.write_event(event);
    }
}

fn is_blank(node: &Node) -> bool {
    matches!(node, Node::Text(text) if text.trim().is_empty())
}
