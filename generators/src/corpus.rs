//! The corpus: every structure, shape and defect that this crate knows, as recipes with names.
//!
//! ```
//! use qconform_generators::corpus;
//!
//! let entry = corpus::entries().find(|entry| entry.id == "defect/version=4").unwrap();
//! assert_eq!(entry.section, "Header");
//! assert!(entry.recipe.files.contains_key(corpus::IMAGE));
//! ```

mod chains;
mod contradictions;
mod names;
pub mod structures;
mod together;

use crate::defect::{self, BASE_BACKING, BASE_DATA_FILE, Choice, Defect};
use crate::recipe::{Bytes, Content, Qcow2, Raw, Recipe};

/// Name of the image that each entry is about.
pub const IMAGE: &str = "image.qcow2";

/// A recipe with a name of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Stable and unique: folders between slashes, a choice of a number after `=`.
    pub id: String,
    /// What it shows, in one line.
    pub title: String,
    /// Where that stands: a section of the qcow2 specification unless it says otherwise.
    pub section: &'static str,
    /// The files; the one called [`IMAGE`] is what it is about.
    pub recipe: Recipe,
    /// The deviation that it has.
    pub defect: Option<Choice>,
}

impl Entry {
    fn new(id: String, title: impl Into<String>, section: &'static str, recipe: Recipe) -> Entry {
        let title = title.into();
        Entry {
            id,
            title,
            section,
            recipe,
            defect: None,
        }
    }
}

/// Every entry, sorted by subject.
pub fn entries() -> impl Iterator<Item = Entry> {
    structures::entries()
        .chain(names::entries())
        .chain(chains::entries())
        .chain(contradictions::entries())
        .chain(together::entries())
        .chain(defects())
}

/// An entry for each defect with each number at which readers have to decide.
pub fn defects() -> impl Iterator<Item = Entry> {
    defect::catalogue().flat_map(|defect| {
        let choices = defect.choices();
        choices.map(|choice| with_defect(defect, choice))
    })
}

fn with_defect(defect: &Defect, choice: Choice) -> Entry {
    let mut image = defect.base.image();
    image.defects = vec![choice.clone()];
    let mut recipe = Recipe::default();
    // Whole files, so that wrong bytes are never zeros by chance.
    let raw = Raw {
        size: image.size,
        cluster_size: 1 << image.cluster_bits,
        populated: (0..image.size >> image.cluster_bits).into(),
        start: None,
    };
    if defect.base.has_data_file() {
        recipe
            .files
            .insert(BASE_DATA_FILE.to_owned(), raw.clone().into());
    }
    if defect.base.has_backing() {
        recipe
            .files
            .insert(BASE_BACKING.to_owned(), raw.clone().into());
    }
    // What some defects name.
    recipe.files.insert("other.raw".to_owned(), raw.into());
    recipe.files.insert(IMAGE.to_owned(), image.into());
    let id = format!("defect/{choice}");
    Entry {
        defect: Some(choice),
        ..Entry::new(id, defect.rule, defect.section, recipe)
    }
}

/// A recipe of the image and the files that it needs.
fn recipe<'a>(image: Qcow2, others: impl IntoIterator<Item = (&'a str, Content)>) -> Recipe {
    let mut recipe = Recipe::default();
    recipe.files.insert(IMAGE.to_owned(), image.into());
    for (name, content) in others {
        recipe.files.insert(name.to_owned(), content);
    }
    recipe
}

/// An image over a data file.
fn over(data_file: impl Into<Bytes>) -> Qcow2 {
    Qcow2 {
        data_file: Some(data_file.into()),
        ..Qcow2::default()
    }
}

/// An image over a backing image.
fn backed(backing: impl Into<Bytes>, format: &str) -> Qcow2 {
    Qcow2 {
        populated: [0].into(),
        backing: Some(backing.into()),
        backing_format: Some(format.into()),
        ..Qcow2::default()
    }
}

/// A raw file as long as [`Qcow2::default`]'s disk, with data in every cluster.
fn full_raw() -> Content {
    let raw = Raw::default();
    let clusters = raw.size / raw.cluster_size;
    Content::Raw(Raw {
        populated: (0..clusters).into(),
        ..raw
    })
}
