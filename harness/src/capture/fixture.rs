//! The files of a case as a recipe has them.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};

use qconform_generators::capture::{self, Data, Left};
use qconform_generators::file_name;
use qconform_generators::recipe::{Bytes, Content, Directory, Fifo, HardLink, Symlink};

use super::CaptureError;
use super::chain::{Files, Kind, Member};
use super::place::Place;

/// A file of the fixture.
#[derive(Debug)]
pub(super) struct FixtureFile {
    pub(super) content: Content,
    /// What it was captured from.
    pub(super) path: PathBuf,
    /// Device and inode of what isn't a link or a folder on the way.
    pub(super) key: Option<(u64, u64)>,
}

/// Every file, and what is to be said about them.
#[derive(Debug, Default)]
pub(super) struct Fixture {
    pub(super) files: BTreeMap<String, FixtureFile>,
    pub(super) notes: Vec<String>,
    /// Bytes of markers that writing the fixture takes.
    pub(super) marked: u64,
}

impl Fixture {
    pub(super) fn new(files: &Files, place: &mut Place, data: Data) -> Result<Self, CaptureError> {
        let mut fixture = Fixture::default();
        let mut first: BTreeMap<(u64, u64), String> = BTreeMap::new();
        for member in &files.members {
            let name = name_of(place, &member.path);
            let content = match first.get(&member.key) {
                Some(target) => Content::HardLink(HardLink {
                    target: target.clone(),
                }),
                None => fixture.content(member, place, data)?,
            };
            first.entry(member.key).or_insert_with(|| name.clone());
            fixture.add(name, content, &member.path, Some(member.key));
        }
        fixture.add_ways(files, place)?;
        Ok(fixture)
    }

    fn add(&mut self, name: String, content: Content, path: &Path, key: Option<(u64, u64)>) {
        let path = path.to_owned();
        let file = FixtureFile { content, path, key };
        self.files.entry(name).or_insert(file);
    }

    fn content(
        &mut self,
        member: &Member,
        place: &mut Place,
        data: Data,
    ) -> Result<Content, CaptureError> {
        match &member.kind {
            Kind::Qcow2(file) => self.image(file, member, place, data),
            Kind::Raw(file) => self.raw(file, member, data),
            Kind::Folder => Ok(Content::Directory(Directory {})),
            Kind::Fifo => Ok(Content::Fifo(Fifo {})),
        }
    }

    fn image(
        &mut self,
        file: &File,
        member: &Member,
        place: &mut Place,
        data: Data,
    ) -> Result<Content, CaptureError> {
        let captured = capture::qcow2(file, data, place).map_err(failed(member))?;
        let Some(captured) = captured else {
            return self.raw(file, member, data);
        };
        self.marked += captured.marked;
        self.notes.extend(describe(&member.given, &captured.left));
        Ok(captured.image.into())
    }

    fn raw(&mut self, file: &File, member: &Member, data: Data) -> Result<Content, CaptureError> {
        let (raw, marked) = capture::raw(file, data).map_err(failed(member))?;
        self.marked += marked;
        Ok(raw.into())
    }

    /// Links, and folders that names go through and leave.
    fn add_ways(&mut self, files: &Files, place: &mut Place) -> Result<(), CaptureError> {
        for link in files.ways.iter().flat_map(|way| &way.links) {
            if place.name(&link.at).is_none() {
                continue;
            }
            let name = name_of(place, &link.at);
            let target = if link.target.starts_with(b"/") {
                place.moved(&link.target).map(Bytes::Text)
            } else {
                Some(Bytes::verbatim(place.path(&link.target)))
            };
            match target {
                Some(target) => {
                    self.add(name, Content::Symlink(Symlink { target }), &link.at, None);
                }
                None => self.notes.push(format!(
                    "{} points out of the case and is left out",
                    link.at.display()
                )),
            }
        }
        for folder in files.ways.iter().flat_map(|way| &way.left) {
            if folder.is_dir() && place.name(folder).is_some() {
                let name = name_of(place, folder);
                self.add(name, Content::Directory(Directory {}), folder, None);
            }
        }
        Ok(())
    }
}

fn failed(member: &Member) -> impl FnOnce(capture::CaptureError) -> CaptureError {
    let path = member.given.clone();
    move |source| CaptureError::Image { path, source }
}

fn name_of(place: &mut Place, path: &Path) -> String {
    file_name::text(&place.name(path).unwrap_or_default())
}

/// What of an image could not be kept, in sentences.
fn describe(path: &Path, left: &Left) -> Vec<String> {
    let counted = [
        (
            left.doubtful_tables,
            "clusters that pointers call tables look like guest data and are left out",
        ),
        (
            left.streams,
            "compressed clusters are too short for a stand-in and become holes",
        ),
        (left.bitmap_clusters, "clusters of dirty bits are left out"),
        (
            left.absolute_names,
            "absolute names stay as they are, because the header is unusual",
        ),
        (
            left.hidden_bytes,
            "bytes of the first cluster without a known meaning are covered",
        ),
    ];
    let path = path.display();
    let mut notes: Vec<String> = counted
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{path}: {count} {what}"))
        .collect();
    if left.keys {
        notes.push(format!(
            "{path}: the key material is left out; nothing can unlock the copy"
        ));
    }
    notes
}
