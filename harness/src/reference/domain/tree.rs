//! An XML document as a tree of elements, each with its place.

use super::error::{DomainError, DomainFault};

/// An element with its attributes and what stands in it.
#[derive(Debug, Clone, Default)]
pub(super) struct Element {
    pub(super) name: String,
    pub(super) attributes: Vec<(String, String)>,
    pub(super) content: Vec<Node>,
    /// Whether it was added from what headers say, so that the persistent form leaves it out.
    pub(super) detected: bool,
    pub(super) line: usize,
    pub(super) column: usize,
}

/// What stands in an element.
#[derive(Debug, Clone)]
pub(super) enum Node {
    Element(Element),
    Text(String),
}

impl Node {
    pub(super) fn element(&self) -> Option<&Element> {
        match self {
            Self::Element(element) => Some(element),
            Self::Text(_) => None,
        }
    }

    fn element_mut(&mut self) -> Option<&mut Element> {
        match self {
            Self::Element(element) => Some(element),
            Self::Text(_) => None,
        }
    }
}

impl Element {
    pub(super) fn attribute(&self, name: &str) -> Option<&str> {
        let found = self.attributes.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str())
    }

    pub(super) fn elements(&self) -> impl Iterator<Item = &Element> {
        self.content.iter().filter_map(Node::element)
    }

    pub(super) fn child(&self, name: &str) -> Option<&Element> {
        self.elements().find(|child| child.name == name)
    }

    pub(super) fn child_mut(&mut self, name: &str) -> Option<&mut Element> {
        let mut elements = self.content.iter_mut().filter_map(Node::element_mut);
        elements.find(|child| child.name == name)
    }

    pub(super) fn children<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Element> {
        self.elements().filter(move |child| child.name == name)
    }

    pub(super) fn children_mut<'a>(
        &'a mut self,
        name: &'a str,
    ) -> impl Iterator<Item = &'a mut Element> {
        self.content
            .iter_mut()
            .filter_map(Node::element_mut)
            .filter(move |child| child.name == name)
    }

    pub(super) fn has_descendant(&self, name: &str) -> bool {
        self.elements()
            .any(|child| child.name == name || child.has_descendant(name))
    }

    /// The element's own text with surrounding white space removed.
    pub(super) fn text(&self) -> String {
        let texts = self.content.iter().filter_map(|node| match node {
            Node::Text(text) => Some(text.as_str()),
            Node::Element(_) => None,
        });
        texts.collect::<String>().trim().to_owned()
    }

    pub(super) fn error(&self, fault: DomainFault) -> DomainError {
        let (line, column) = (self.line, self.column);
        DomainError {
            fault,
            line,
            column,
        }
    }
}
