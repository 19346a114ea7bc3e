//! Where files of a case go: from paths of this machine to names of the fixture.

use std::ops::Range;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use qconform_generators::capture::{FileName, Names};
use qconform_generators::recipe::{Bytes, has_placeholder};

use super::chain::Files;
use super::names::{Anonymiser, without_credentials};
use super::trace::trace;
use crate::reference::chain::names::{Reading, interpret};

/// The fixture's folder, and what names become in it.
#[derive(Debug)]
pub(super) struct Place {
    /// The deepest folder that all files and ways to them have in common.
    root: PathBuf,
    anonymiser: Option<Anonymiser>,
    /// Whether an absolute name was rewritten.
    pub(super) moved: bool,
}

impl Place {
    pub(super) fn new(files: &Files, anonymise: bool) -> Place {
        let ends = files.ways.iter().filter_map(|way| way.end.parent());
        let links = files.ways.iter().flat_map(|way| &way.links);
        let links = links.filter(|link| link.last);
        let links = links.filter_map(|link| link.at.parent());
        let reached = files.ways.iter().flat_map(|way| &way.reached);
        let folders = ends.chain(links).chain(reached.map(PathBuf::as_path));
        let root = folders
            .map(Path::to_owned)
            .reduce(|one, two| common(&one, &two));
        Place {
            root: root.unwrap_or_else(|| PathBuf::from("/")),
            anonymiser: anonymise.then(Anonymiser::default),
            moved: false,
        }
    }

    /// The fixture's name of a file; nothing if it lies elsewhere, or is the folder itself.
    pub(super) fn name(&mut self, path: &Path) -> Option<Vec<u8>> {
        let inside = path.strip_prefix(&self.root).ok()?;
        let inside = inside.as_os_str().as_bytes();
        (!inside.is_empty()).then(|| self.path(inside))
    }

    /// Where an absolute path leads in the fixture, as written where possible. The folder stands
    /// in front of it.
    pub(super) fn inside(&mut self, path: &[u8]) -> Option<Vec<u8>> {
        let mut prefix = self.root.as_os_str().as_bytes().to_vec();
        if prefix != b"/" {
            prefix.push(b'/');
        }
        if let Some(rest) = path.strip_prefix(prefix.as_slice()) {
            return Some(self.path(rest));
        }
        let way = trace(Path::new(std::ffi::OsStr::from_bytes(path))).ok()?;
        self.name(&way.end)
    }

    /// An absolute path as a recipe or a scenario has it.
    pub(super) fn moved(&mut self, path: &[u8]) -> Option<String> {
        let inside = String::from_utf8(self.inside(path)?).ok()?;
        (!has_placeholder(&inside)).then(|| format!("{{dir}}/{inside}"))
    }

    /// A path, a URI or a `json:` name, wherever it stands.
    pub(super) fn path(&mut self, name: &[u8]) -> Vec<u8> {
        let name = without_credentials(name);
        match &mut self.anonymiser {
            Some(anonymiser) => anonymiser.path(&name),
            None => name,
        }
    }

    fn kept(&mut self, name: &[u8]) -> FileName {
        FileName {
            bytes: self.path(name),
            written: None,
        }
    }

    /// A name in which an absolute path stands.
    fn rewritten(&mut self, name: &[u8], path: Range<usize>) -> FileName {
        let mut new = self.kept(name);
        if let Some(moved) = self.moved(&name[path.clone()]) {
            let parts = [
                &new.bytes[..path.start],
                moved.as_bytes(),
                &new.bytes[path.end..],
            ];
            new.written = String::from_utf8(parts.concat()).ok().map(Bytes::Text);
            self.moved |= new.written.is_some();
        }
        new
    }

    /// A name without parts.
    pub(super) fn word(&mut self, name: &str) -> String {
        match &mut self.anonymiser {
            Some(anonymiser) => {
                String::from_utf8_lossy(&anonymiser.label(name.as_bytes())).into_owned()
            }
            None => name.to_owned(),
        }
    }

    pub(super) fn is_anonymous(&self) -> bool {
        self.anonymiser.is_some()
    }
}

impl Names for Place {
    fn backing(&mut self, name: &[u8]) -> FileName {
        let Reading::Local { path, .. } = interpret(Path::new("/"), name) else {
            return self.kept(name);
        };
        let path = path.as_os_str().as_bytes();
        if !path.starts_with(b"/") {
            return self.kept(name);
        }
        // An absolute path stands in the name as it is, unless JSON writes it with escapes.
        match name.windows(path.len()).position(|part| part == path) {
            Some(at) => self.rewritten(name, at..at + path.len()),
            None => self.kept(name),
        }
    }

    fn data_file(&mut self, name: &[u8]) -> FileName {
        if name.starts_with(b"/") {
            return self.rewritten(name, 0..name.len());
        }
        self.kept(name)
    }

    fn label(&mut self, name: &[u8]) -> Vec<u8> {
        match &mut self.anonymiser {
            Some(anonymiser) => anonymiser.label(name),
            None => name.to_vec(),
        }
    }

    fn hides_unknown(&self) -> bool {
        self.is_anonymous()
    }
}

fn common(one: &Path, two: &Path) -> PathBuf {
    let parts = one.components().zip(two.components());
    parts
        .take_while(|(one, two)| one == two)
        .map(|(part, _)| part)
        .collect()
}
