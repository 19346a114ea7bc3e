//! Readers of images that are wrong in one way each: the reference's answer about a header or
//! about guest bytes, changed by somebody who reads the file less carefully.

mod headers;
mod reads;

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use qconform::subject::reference::Reference;
use qconform::subject::{Answer, Description, Question, Subject};
use qconform_generators::file_name;
use qconform_scenarios::verdict::Level;

use crate::careless::{Careless, DATA_FILE};

/// One wrong reader.
pub(crate) struct WrongReader {
    pub(crate) name: &'static str,
    /// In a sentence.
    pub(crate) what: &'static str,
    pub(crate) level: Level,
    /// Scenarios that must catch it.
    pub(crate) caught_by: &'static [&'static str],
    change: fn(&Asked, Answer) -> Answer,
}

/// All of them.
pub(crate) fn all() -> impl Iterator<Item = &'static WrongReader> {
    headers::all().chain(reads::READS)
}

/// What was asked, with the first bytes of the file.
pub(crate) struct Asked<'a> {
    path: PathBuf,
    declared: Option<&'a str>,
    bytes: Vec<u8>,
    offsets: &'a [u64],
    length: usize,
}

impl Asked<'_> {
    fn careless(&self) -> Careless<'_> {
        Careless::new(&self.bytes)
    }

    /// Bytes of the image's own file at an offset.
    fn own(&self, offset: u64) -> Vec<u8> {
        part(&self.path, offset, self.length).unwrap()
    }

    /// Bytes at an offset of the file that the image names, used or not.
    fn beside(&self, offset: u64) -> Option<Vec<u8>> {
        let name = file_name::text(self.careless().last(DATA_FILE)?);
        let path = file_name::join(self.path.parent()?, &name);
        part(&path, offset, self.length).ok()
    }

    /// What stands in the top's folder under the name of the backing image's data file, if the
    /// right bytes come from that data file.
    fn bystander(&self, offset: u64, right: &[u8]) -> Option<Vec<u8>> {
        let folder = self.path.parent()?;
        let backing = file_name::join(folder, &self.careless().backing_name()?);
        let header = beginning(&backing).ok()?;
        let name = Careless::new(&header).data_file_name()?;
        let there = |folder: &Path| part(&file_name::join(folder, &name), offset, self.length).ok();
        let bystander = there(folder)?;
        (there(backing.parent()?)? == right).then_some(bystander)
    }
}

/// As much of an image as these readers look at; images of the suite have holes of 4 GiB.
fn beginning(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(4 << 20).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Bytes of a file at an offset, zeros behind its end.
fn part(path: &Path, offset: u64, length: usize) -> io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(offset))?;
    let mut bytes = Vec::new();
    file.take(length as u64).read_to_end(&mut bytes)?;
    bytes.resize(length, 0);
    Ok(bytes)
}

/// The reference, its answers changed.
pub(crate) struct Misread {
    reference: Reference,
    wrong: &'static WrongReader,
}

impl Misread {
    pub(crate) fn named(name: &str) -> Option<Self> {
        let wrong = all().find(|wrong| wrong.name == name)?;
        let reference = Reference::default();
        Some(Misread { reference, wrong })
    }
}

impl Subject for Misread {
    fn describe(&mut self) -> Result<Description, String> {
        self.reference.describe()
    }

    fn answer(&mut self, question: &Question<'_>, dir: &Path) -> Answer {
        let answer = self.reference.answer(question, dir);
        let (image, offsets, length, level) = match question {
            Question::Header(image) => (image, &[][..], 0, Level::Header),
            Question::Read {
                image,
                offsets,
                length,
            } => (image, *offsets, *length, Level::Read),
            _ => return answer,
        };
        if level != self.wrong.level {
            return answer;
        }
        let path = file_name::join(dir, &image.file);
        let Ok(bytes) = beginning(&path) else {
            return answer;
        };
        let asked = Asked {
            declared: image.format.as_deref(),
            path,
            bytes,
            offsets,
            length: length as usize,
        };
        (self.wrong.change)(&asked, answer)
    }
}
