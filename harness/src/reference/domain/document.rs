//! Domain XML as a whole: everything that stands in it, and what headers add to it.
//!
//! The runtime form shows every detected data file as a `<dataStore>` at its layer, and the
//! detected chain as `<backingStore>`. The persistent form is without what was only detected, so
//! that the next start looks again.

use std::collections::HashMap;
use std::path::Path;

use super::error::{DomainError, DomainFault};
use super::tree::{Element, Node};
use super::{Domain, build, parse, write};
use crate::reference::chain::{Chain, ChainFile, DiskFiles, Origin, Role};
use crate::reference::redact;

/// A domain's XML, with everything that this system doesn't look at.
#[derive(Debug, Clone)]
pub struct Document {
    root: Element,
}

/// How a domain is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// As it runs, with everything that was detected.
    Runtime,
    /// As it is defined: without what was detected, without `id` and `index`.
    Persistent,
}

impl Document {
    /// Reads domain XML, see [`Domain::parse`].
    ///
    /// # Errors
    ///
    /// [`DomainError`] for a document that can't be read.
    pub fn parse(xml: &[u8]) -> Result<Self, DomainError> {
        let root = parse::document(xml)?;
        Ok(Self { root })
    }

    /// The part that this system looks at.
    ///
    /// # Errors
    ///
    /// [`DomainError`] for a document that isn't a domain, or whose disks libvirt refuses.
    pub fn domain(&self) -> Result<Domain, DomainError> {
        build::domain(&self.root)
    }

    /// Adds what a chain's headers name to its disks.
    ///
    /// # Errors
    ///
    /// [`DomainError`] where a name from a header can't stand in XML.
    pub fn add_detected(&mut self, chain: &Chain) -> Result<(), DomainError> {
        let disks = chain.by_disk();
        for devices in self.root.children_mut("devices") {
            for disk in devices.children_mut("disk") {
                add_to_disk(disk, &disks)?;
            }
        }
        Ok(())
    }

    /// The document in this form, indented, with credentials hidden and passwords left out.
    #[must_use]
    pub fn write(&self, form: Form) -> String {
        write::document(&self.root, form)
    }
}

fn add_to_disk(
    disk: &mut Element,
    disks: &HashMap<&str, DiskFiles<'_>>,
) -> Result<(), DomainError> {
    let target = disk.child("target").and_then(|it| it.attribute("dev"));
    let found = target.and_then(|target| disks.get(target));
    let Some(found) = found.filter(|found| !found.files.is_empty()) else {
        return Ok(());
    };
    // Nobody has read whether a remote image is the last one.
    let is_image = |role| matches!(role, Role::Top | Role::Backing);
    let open = found.remote.iter().any(|file| is_image(file.role));
    add_to_layer(disk, &found.files, 0, open)
}

/// Completes a declared layer and everything below it; the end of an `open` chain isn't known.
fn add_to_layer(
    layer: &mut Element,
    files: &[&ChainFile],
    depth: u32,
    open: bool,
) -> Result<(), DomainError> {
    let (line, column) = (layer.line, layer.column);
    let located = |fault| DomainError {
        fault,
        line,
        column,
    };
    let Some(source) = layer.child_mut("source") else {
        return Ok(());
    };
    let seclabels: Vec<Element> = source.children("seclabel").cloned().collect();
    if let Some(store) = detected(files, depth, true) {
        let store = data_store(store, &seclabels).map_err(located)?;
        source.content.push(Node::Element(store));
    }
    if let Some(below) = layer.child_mut("backingStore") {
        return add_to_layer(below, files, depth + 1, open);
    }
    let below = backing_store(files, depth + 1, &seclabels, open).map_err(located)?;
    // Where libvirt writes it: right behind the source.
    let is_source = |node: &Node| node.element().is_some_and(|it| it.name == "source");
    let at = layer
        .content
        .iter()
        .position(is_source)
        .map_or(0, |at| at + 1);
    layer.content.splice(at..at, below.map(Node::Element));
    Ok(())
}

/// The file of a layer that its header, or the one above, names.
fn detected<'a>(files: &[&'a ChainFile], depth: u32, data: bool) -> Option<&'a ChainFile> {
    let is_data = |role| matches!(role, Role::DataFile | Role::BackingDataFile);
    let found = files.iter().find(|file| {
        file.depth == depth && file.source == Origin::Header && is_data(file.role) == data
    });
    found.copied()
}

fn data_store(file: &ChainFile, seclabels: &[Element]) -> Result<Element, DomainFault> {
    let content = vec![leaf("format", "type", "raw"), source(file, seclabels)?];
    Ok(element("dataStore", "type", "file", content))
}

/// The detected layers from `depth` on, down to the element that ends the chain.
fn backing_store(
    files: &[&ChainFile],
    depth: u32,
    seclabels: &[Element],
    open: bool,
) -> Result<Option<Element>, DomainFault> {
    let Some(image) = detected(files, depth, false) else {
        let end = Element {
            name: "backingStore".to_owned(),
            detected: true,
            ..Element::default()
        };
        return Ok((!open).then_some(end));
    };
    let mut image_source = source(image, seclabels)?;
    if let Some(store) = detected(files, depth, true) {
        let store = data_store(store, seclabels)?;
        image_source.content.push(Node::Element(store));
    }
    let mut content = vec![leaf("format", "type", image.format.as_str()), image_source];
    content.extend(backing_store(files, depth + 1, seclabels, open)?);
    Ok(Some(element("backingStore", "type", "file", content)))
}

/// A detected file's `<source>`, with the labels of the nearest image in the XML.
fn source(file: &ChainFile, seclabels: &[Element]) -> Result<Element, DomainFault> {
    let path = writable(&file.path)?;
    Ok(element("source", "file", path, seclabels.to_vec()))
}

/// A path that XML can hold: UTF-8, without control characters.
fn writable(path: &Path) -> Result<&str, DomainFault> {
    let unwritable = |character: char| {
        let control = character.is_control() && !['\t', '\n', '\r'].contains(&character);
        control || ['\u{fffe}', '\u{ffff}'].contains(&character)
    };
    path.to_str()
        .filter(|path| !path.contains(unwritable))
        .ok_or_else(|| DomainFault::Unwritable(redact::path(path)))
}

fn leaf(name: &str, key: &str, value: &str) -> Element {
    element(name, key, value, Vec::new())
}

fn element(name: &str, key: &str, value: &str, content: Vec<Element>) -> Element {
    Element {
        name: name.to_owned(),
        attributes: vec![(key.to_owned(), value.to_owned())],
        content: content.into_iter().map(Node::Element).collect(),
        detected: true,
        ..Element::default()
    }
}
