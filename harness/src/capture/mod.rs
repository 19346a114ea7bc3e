//! From a real case to what a reporter attaches to a bug: the recipe of an image's chain, or the
//! scenario of a domain. Metadata only; guest data stays where it is.

mod chain;
mod error;
mod fixture;
mod names;
mod place;
mod scenario;
mod state;
mod text;
mod trace;
mod xml;

use std::path::Path;

use qconform_generators::capture::Data;
use qconform_generators::recipe::Recipe;

pub use error::CaptureError;

use chain::{Files, Start};
use fixture::Fixture;
use place::Place;

use crate::reference::domain::{DeclaredBacking, Domain, Image, Location};
use crate::reference::format::Format;

/// Longest text that `generate` and `run` read, in bytes.
pub const TEXT_MAX: usize = 16 << 20;

/// What to make of a case.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// What becomes of guest data.
    pub data: Data,
    /// Whether names are replaced.
    pub anonymise: bool,
}

/// A captured case.
#[derive(Debug, Clone)]
pub struct Case {
    /// What its file is called.
    pub file_name: String,
    /// TOML: a recipe or a scenario.
    pub text: String,
    /// What to know about it, in sentences; they may have names in them that the text hides.
    pub notes: Vec<String>,
    /// Bytes of markers that writing its files takes.
    pub marked: u64,
}

/// Captures an image and everything below it as a recipe. Without a format it is probed.
///
/// # Errors
///
/// [`CaptureError`], before anything is written.
pub fn image(path: &Path, format: Option<Format>, options: Options) -> Result<Case, CaptureError> {
    let start = Start {
        path: path.to_owned(),
        format,
        required: true,
    };
    let (mut fixture, place) = fixture(vec![start], options)?;
    let contents = fixture.files.iter();
    let recipe = Recipe {
        seed: 0,
        files: contents
            .map(|(name, file)| (name.clone(), file.content.clone()))
            .collect(),
    };
    recipe
        .check()
        .map_err(|error| CaptureError::Inexpressible {
            message: error.to_string(),
        })?;
    let mut text = String::new();
    let version = env!("CARGO_PKG_VERSION");
    text::comment(
        &mut text,
        &format!("Captured by qconform {version}. Guest data is not part of it."),
    );
    for (name, content) in &recipe.files {
        let table = text::value(content)?;
        let table = table.as_table().cloned().unwrap_or_default();
        text::table(&mut text, &["files", name], &table);
    }
    let notes = std::mem::take(&mut fixture.notes);
    case("recipe.toml".to_owned(), text, notes, &fixture, &place)
}

/// Captures a domain, its XML and the files of all its disks, as a scenario.
///
/// # Errors
///
/// [`CaptureError`], before anything is written.
pub fn domain(xml: &[u8], options: Options) -> Result<Case, CaptureError> {
    let mut domain = Domain::parse(xml)?;
    let mut notes = Vec::new();
    domain.disks.retain(|disk| {
        let problem = match &disk.image.source.location {
            Location::Local { path, block } => {
                let block = *block || is_block_device(path);
                block.then_some("is a block device")
            }
            Location::None => Some("is empty"),
            Location::Remote(_) => Some("is no file of this machine"),
        };
        notes.extend(problem.map(|problem| format!("disk {} {problem}: left out", disk.target)));
        problem.is_none()
    });
    if domain.disks.is_empty() {
        return Err(CaptureError::NoFiles);
    }
    let mut starts = Vec::new();
    for disk in &domain.disks {
        push_image(&disk.image, &mut starts);
    }
    let (mut fixture, mut place) = fixture(starts, options)?;
    let scenario = scenario::write(&domain, &fixture, &mut place)?;
    notes.append(&mut fixture.notes);
    notes.extend(scenario.notes);
    if !rustix::process::geteuid().is_root() {
        notes.push("only root sees trusted.* attributes: there may be more records".to_owned());
    }
    let file_name = format!("{}.toml", slug(&place.word(&domain.name)));
    case(file_name, scenario.text, notes, &fixture, &place)
}

fn fixture(starts: Vec<Start>, options: Options) -> Result<(Fixture, Place), CaptureError> {
    let mut files = Files::find(starts)?;
    let mut place = Place::new(&files, options.anonymise);
    let mut fixture = Fixture::new(&files, &mut place, options.data)?;
    fixture.notes.append(&mut files.notes);
    Ok((fixture, place))
}

fn case(
    file_name: String,
    text: String,
    mut notes: Vec<String>,
    fixture: &Fixture,
    place: &Place,
) -> Result<Case, CaptureError> {
    if text.len() > TEXT_MAX {
        let (size, limit) = (text.len(), TEXT_MAX);
        return Err(CaptureError::TooLarge { size, limit });
    }
    if place.moved {
        notes.push(
            "absolute names in headers start with the fixture's folder: those headers differ"
                .to_owned(),
        );
    }
    Ok(Case {
        file_name,
        text,
        notes,
        marked: fixture.marked,
    })
}

fn push_image(image: &Image, starts: &mut Vec<Start>) {
    let store = image
        .data_store
        .iter()
        .map(|store| (&store.source, Format::Raw));
    let sources = std::iter::once((&image.source, image.format)).chain(store);
    for (source, format) in sources {
        if let Location::Local { path, .. } = &source.location {
            starts.push(Start {
                path: path.clone(),
                format: Some(format),
                required: false,
            });
        }
    }
    if let DeclaredBacking::Image(below) = &image.backing {
        push_image(below, starts);
    }
}

fn is_block_device(path: &Path) -> bool {
    let metadata = std::fs::metadata(path);
    let kind = metadata.map(|metadata| metadata.file_type());
    kind.is_ok_and(|kind| std::os::unix::fs::FileTypeExt::is_block_device(&kind))
}

/// A name that can begin a case's id.
fn slug(name: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let slug: String = name
        .chars()
        .map(|c| {
            if plain(c) {
                c.to_ascii_lowercase()
            } else {
                '-'
            }
        })
        .collect();
    let slug = slug.trim_start_matches(['-', '.', '_']);
    let slug = if slug.is_empty() { "domain" } else { slug };
    slug.chars().take(100).collect()
}
