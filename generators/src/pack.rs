//! Packs: the corpus as a folder, or as one compressed archive, for those who don't have this
//! crate.
//!
//! A folder for each entry, `index.jsonl` with a line for each, `MANIFEST.sha256` over all files
//! and `README.md`. The same crate writes the same bytes everywhere.

mod archive;

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

use serde::Serialize;
use serde_json::Value;
use thiserror::Error;

use crate::corpus::{Entry, IMAGE};
use crate::fixture::{self, FixtureError};
use crate::manifest::Manifest;

pub use archive::write_archive;

/// What `{dir}` stands for in the stored names of a pack: a pack is not told where it will lie.
pub const NAMES_FOLDER: &str = "/fixture";

/// Name of the file that describes each entry.
pub const INDEX: &str = "index.jsonl";

const README: &str = include_str!("pack/README.md");

/// What the caller knows of an entry, by name: requirement ids, what a reader has to see. It is
/// copied into the index and means nothing to this crate.
pub type Annotations = BTreeMap<String, Value>;

/// A line of the index.
#[derive(Debug, Serialize)]
struct Line<'a> {
    id: &'a str,
    title: &'a str,
    section: &'a str,
    image: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    defect: Option<String>,
    /// Whether a stored name starts with [`NAMES_FOLDER`].
    absolute: bool,
    recipe: String,
    annotations: Annotations,
}

/// Why a pack could not be written.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PackError {
    /// An entry could not be written.
    #[error("entry {id}")]
    Entry {
        /// The entry.
        id: String,
        /// What went wrong.
        source: FixtureError,
    },
    /// Something around the entries could not.
    #[error(transparent)]
    Fixture(#[from] FixtureError),
    /// A recipe or an annotation could not be put into words.
    #[error("cannot describe entry {id}: {message}")]
    Describe {
        /// The entry.
        id: String,
        /// What went wrong.
        message: String,
    },
    /// The archive could not be written.
    #[error("cannot write the archive")]
    Archive(#[source] io::Error),
}

/// Writes `entries` into `dir`, which must not exist or be an empty folder, all or nothing.
/// `annotate` is shown each entry and the folder that its files lie in.
///
/// # Errors
/// [`PackError`]; nothing is left behind then.
pub fn write(
    entries: impl IntoIterator<Item = Entry>,
    annotate: &mut dyn FnMut(&Entry, &Path) -> Annotations,
    dir: &Path,
) -> Result<Manifest, PackError> {
    fixture::stage(dir, |stage| write_into(entries, annotate, stage))
}

fn write_into(
    entries: impl IntoIterator<Item = Entry>,
    annotate: &mut dyn FnMut(&Entry, &Path) -> Annotations,
    stage: &Path,
) -> Result<Manifest, PackError> {
    let mut index = Vec::new();
    for entry in entries {
        let folder = stage.join(&entry.id);
        write_entry(&entry, &folder)?;
        let annotations = annotate(&entry, &folder);
        let describe = |message: String| PackError::Describe {
            id: entry.id.clone(),
            message,
        };
        let recipe = toml::to_string(&entry.recipe).map_err(|error| describe(error.to_string()))?;
        let line = Line {
            id: &entry.id,
            title: &entry.title,
            section: entry.section,
            image: IMAGE,
            defect: entry.defect.as_ref().map(ToString::to_string),
            absolute: recipe.contains("{dir}"),
            recipe,
            annotations,
        };
        serde_json::to_writer(&mut index, &line).map_err(|error| describe(error.to_string()))?;
        index.push(b'\n');
    }
    fixture::put(stage, INDEX, &index)?;
    fixture::put(stage, "README.md", README.as_bytes())?;
    Ok(fixture::write_manifest(stage)?)
}

fn write_entry(entry: &Entry, folder: &Path) -> Result<(), PackError> {
    let failed = |source| PackError::Entry {
        id: entry.id.clone(),
        source,
    };
    fs::create_dir_all(folder)
        .map_err(|source| FixtureError::Io {
            action: "make the folder",
            path: folder.to_owned(),
            source,
        })
        .map_err(failed)?;
    fixture::write_as(&entry.recipe, folder, Path::new(NAMES_FOLDER)).map_err(failed)?;
    Ok(())
}
