//! How a case's files hang together, as its recipe and domain say: what a report draws.
//!
//! This asks nobody: a name is followed if a file of the fixture has it, whether or not an
//! implementation should.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};

use qconform_generators::file_name;
use qconform_generators::fixture::expand_name;
use qconform_generators::recipe::{Bytes, Content};
use qconform_reports::event::Link;
use qconform_scenarios::FIXTURE_DIR;
use qconform_scenarios::case::{Ask, Case};
use quick_xml::XmlVersion;
use quick_xml::events::{BytesStart, Event};

/// Links between files, and the places of files in the chain.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Chain {
    pub(super) links: Vec<Link>,
    pub(super) roles: BTreeMap<String, BTreeSet<&'static str>>,
    /// Images whose backing image the domain says isn't there.
    ended: BTreeSet<String>,
    tops: Vec<String>,
}

/// The chain of a case.
pub(super) fn of(case: &Case) -> Chain {
    let mut chain = Chain::default();
    match &case.ask {
        Ask::Header(image) | Ask::Open(image) | Ask::Read { image, .. } => {
            chain.tops.push(image.file.clone());
        }
        Ask::Access(domain) | Ask::Blockdev(domain) => chain.domain(&domain.xml),
        Ask::Xml(ask) => chain.domain(&ask.xml),
        Ask::Label(label) => chain.domain(&label.xml),
    }
    for (name, file) in &*case.files {
        chain.file(case, name, &file.content);
    }
    // What a step makes of the chain is drawn after what it is to begin with.
    if let Ask::Label(label) = &case.ask {
        for ask in label.steps.iter().filter(|ask| ask.step.changes_disks()) {
            chain.domain(&ask.xml);
        }
    }
    for top in chain.tops.clone() {
        chain.visit(&top, "top");
    }
    chain
}

impl Chain {
    fn link(&mut self, from: &str, to: String, kind: &str, by: &str) {
        let known = |link: &Link| link.from == from && link.to == to && link.kind == kind;
        if !self.links.iter().any(known) {
            self.links.push(Link {
                from: from.to_owned(),
                to,
                kind: kind.to_owned(),
                by: by.to_owned(),
            });
        }
    }

    /// What a file's header, or a symbolic link, names.
    fn file(&mut self, case: &Case, name: &str, content: &Content) {
        let mut named =
            |bytes: &Bytes, kind| self.link(name, target(case, name, bytes), kind, "header");
        match content {
            Content::Qcow2(image) => {
                if let Some(data_file) = &image.data_file {
                    named(data_file, "data-file");
                }
                if let (Some(backing), false) = (&image.backing, self.ended.contains(name)) {
                    self.link(name, target(case, name, backing), "backing", "header");
                }
            }
            Content::Symlink(link) => named(&link.target, "target"),
            _ => {}
        }
    }

    fn visit(&mut self, name: &str, role: &'static str) {
        if !self.roles.entry(name.to_owned()).or_default().insert(role) {
            return;
        }
        let links: Vec<_> = self
            .links
            .iter()
            .filter(|link| link.from == name)
            .cloned()
            .collect();
        for link in links {
            let role = match (link.kind.as_str(), role) {
                ("target", role) => role,
                ("backing", _) => "backing",
                (_, "top") => "data-file",
                _ => "backing-data-file",
            };
            self.visit(&link.to, role);
        }
    }

    /// What the domain's XML says of its disks.
    fn domain(&mut self, xml: &str) {
        let mut reader = quick_xml::Reader::from_str(xml);
        let mut open: Vec<Element> = Vec::new();
        // The suite's own XML is well-formed; of a user's, what can be read is drawn.
        while let Ok(event) = reader.read_event() {
            match event {
                Event::Start(tag) => self.enter(&tag, &mut open),
                Event::Empty(tag) => {
                    self.enter(&tag, &mut open);
                    self.leave(&mut open);
                }
                Event::End(_) => self.leave(&mut open),
                Event::Eof => break,
                _ => {}
            }
        }
    }

    fn enter(&mut self, tag: &BytesStart<'_>, open: &mut Vec<Element>) {
        let name = tag.local_name().as_ref().to_owned();
        let mut element = Element { name, file: None };
        if let ("source", Some(file)) = (element.name.as_str(), source(tag)) {
            self.source(&file, open);
            element.file = Some(file);
        }
        open.push(element);
    }

    /// A file of a disk, a backing image or a data file, by what its element stands in.
    fn source(&mut self, file: &str, open: &mut [Element]) {
        let Some((parent, above)) = open.split_last_mut() else {
            return;
        };
        let image = above.iter().rev().find_map(|element| element.file.clone());
        let kind = match parent.name.as_str() {
            "disk" => None,
            "backingStore" => Some("backing"),
            "dataStore" => Some("data-file"),
            _ => return,
        };
        match (kind, image) {
            (Some(kind), Some(image)) => self.link(&image, file.to_owned(), kind, "domain"),
            (None, _) => self.tops.push(file.to_owned()),
            (Some(_), None) => return,
        }
        parent.file = Some(file.to_owned());
    }

    /// An empty `<backingStore/>` ends the chain.
    fn leave(&mut self, open: &mut Vec<Element>) {
        let Some(element) = open.pop() else { return };
        let image = open.iter().rev().find_map(|element| element.file.clone());
        if let ("backingStore", None, Some(image)) = (element.name.as_str(), element.file, image) {
            self.ended.insert(image);
        }
    }
}

/// An element that is open, with the file that it or its `<source>` names.
struct Element {
    name: String,
    file: Option<String>,
}

/// The file of a `<source>`, relative to the fixture's folder where it is in it.
fn source(tag: &BytesStart<'_>) -> Option<String> {
    let mut attributes = tag.attributes().flatten();
    let attribute = attributes.find(|it| matches!(it.key.as_ref(), "file" | "dev"))?;
    let path = attribute.normalized_value(XmlVersion::Implicit1_0).ok()?;
    let text = file_name::text(path.as_bytes());
    Some(inside(Path::new(&text)).unwrap_or(text))
}

/// The file of the fixture that a name leads to, or the name as it stands.
fn target(case: &Case, from: &str, name: &Bytes) -> String {
    let text = file_name::text(&name.to_bytes());
    let expanded = expand_name(&text, Path::new(FIXTURE_DIR));
    let folder = Path::new(FIXTURE_DIR).join(from);
    let path = folder.with_file_name("").join(&expanded);
    inside(&path)
        .filter(|name| case.files.contains_key(name))
        .unwrap_or(text)
}

/// A path relative to the fixture's folder, without `.` and `..`.
fn inside(path: &Path) -> Option<String> {
    let mut plain = PathBuf::new();
    for component in path.components() {
        match component {
            Component::ParentDir => drop(plain.pop()),
            Component::CurDir => {}
            component => plain.push(component),
        }
    }
    let name = plain.strip_prefix(FIXTURE_DIR).ok()?;
    Some(name.to_str()?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use qconform_scenarios::select::Selection;
    use qconform_scenarios::suite::Suite;

    const CHAIN: &str = r#"
title = "t"
level = "access"
requirements = ["label.backing"]
[files]
"top.qcow2" = { qcow2 = { data-file = "top.raw", backing = "{dir}/sub/../base.qcow2", backing-format = "qcow2" } }
"top.raw" = { raw = {} }
"base.qcow2" = { qcow2 = { data-file = { hex = "64ff5c" } } }
'd\xff\\' = { raw = {} }
"bystander.raw" = { raw = {} }
[domain]
disks = [{ source = "top.qcow2", data-store = "declared" }]
[[expect]]
reject = true
"#;

    fn case(text: &str) -> Case {
        let suite = Suite::of_files(&[("t.toml".to_owned(), text.to_owned())]).unwrap();
        let selection = Selection::default();
        suite.select(&selection).next().unwrap().case().unwrap()
    }

    #[test]
    fn links_and_roles_follow_header_and_domain() {
        let chain = of(&case(CHAIN));
        let links: Vec<_> = chain
            .links
            .iter()
            .map(|link| format!("{} {} {} {}", link.from, link.kind, link.to, link.by))
            .collect();
        assert_eq!(
            links,
            [
                "top.qcow2 data-file top.raw domain",
                r"base.qcow2 data-file d\xff\\ header",
                "top.qcow2 backing base.qcow2 header",
            ]
        );
        let roles: Vec<_> = chain
            .roles
            .iter()
            .flat_map(|(name, roles)| roles.iter().map(move |role| format!("{name} {role}")))
            .collect();
        assert_eq!(
            roles,
            [
                "base.qcow2 backing",
                r"d\xff\\ backing-data-file",
                "top.qcow2 top",
                "top.raw data-file"
            ]
        );
    }

    #[test]
    fn an_empty_backing_store_ends_the_chain() {
        let mut chain = Chain::default();
        chain.domain("<disk><source file='/fixture/a'/><backingStore/></disk>");
        assert_eq!(chain.ended, ["a".to_owned()].into());
        let mut chain = Chain::default();
        chain.domain(
            "<disk><source file='/fixture/a'/><backingStore><source file='/elsewhere/b'>\
             <dataStore><source file='/fixture/c'/></dataStore></source><backingStore/>\
             </backingStore></disk>",
        );
        assert_eq!(chain.ended, ["/elsewhere/b".to_owned()].into());
        let links: Vec<_> = chain
            .links
            .iter()
            .map(|link| (&*link.from, &*link.to))
            .collect();
        assert_eq!(links, [("a", "/elsewhere/b"), ("/elsewhere/b", "c")]);
    }
}
