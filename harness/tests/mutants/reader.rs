//! Readers of images that are wrong in one way each: the reference's answer about a header or
//! about guest bytes, changed by somebody who reads the file less carefully.

mod headers;
mod reads;

use std::fs;
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

/// What was asked, with the bytes of the file.
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
        part(&self.bytes, offset, self.length)
    }

    /// Bytes at an offset of the file that the image names, used or not.
    fn beside(&self, offset: u64) -> Option<Vec<u8>> {
        let name = file_name::text(self.careless().last(DATA_FILE)?);
        let bytes = fs::read(file_name::join(self.path.parent()?, &name)).ok()?;
        Some(part(&bytes, offset, self.length))
    }

    /// What stands in the top's folder under the name of the backing image's data file, if the
    /// right bytes come from that data file.
    fn bystander(&self, offset: u64, right: &[u8]) -> Option<Vec<u8>> {
        let folder = self.path.parent()?;
        let backing = file_name::join(folder, &self.careless().backing_name()?);
        let header = fs::read(&backing).ok()?;
        let name = Careless::new(&header).data_file_name()?;
        let meant = fs::read(file_name::join(backing.parent()?, &name)).ok()?;
        let bystander = fs::read(file_name::join(folder, &name)).ok()?;
        let is_meant = part(&meant, offset, self.length) == right;
        is_meant.then(|| part(&bystander, offset, self.length))
    }
}

fn part(bytes: &[u8], offset: u64, length: usize) -> Vec<u8> {
    let start = usize::try_from(offset).unwrap();
    let there = bytes.iter().skip(start).take(length).copied();
    there.chain(std::iter::repeat(0)).take(length).collect()
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
        let Ok(bytes) = fs::read(&path) else {
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
