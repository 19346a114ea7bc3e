//! proptest strategies over recipes.
//!
//! [`valid`] gives chains that every reader of the format should accept; [`defective`] gives the
//! same with deliberate deviations. Both shrink towards small plain images.
//!
//! ```
//! use proptest::prelude::*;
//! use qconform_generators::{fixture, strategies};
//!
//! proptest!(ProptestConfig::with_cases(8), |(recipe in strategies::valid())| {
//!     let folder = tempfile::tempdir().unwrap();
//!     fixture::write(&recipe, folder.path()).unwrap();
//!     let _image = folder.path().join(strategies::TOP);
//!     // ... and here a reader opens it.
//! });
//! ```

mod header;
mod image;

use std::ops::RangeInclusive;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

use crate::defect::{Choice, catalogue};
use crate::recipe::{Bytes, Clusters, Content, Qcow2, Raw, Recipe};

/// Name of the top image in every recipe.
pub const TOP: &str = "top.qcow2";

/// Most images below the top one.
const DEPTH_MAX: usize = 3;

/// Chains of one to four images, each with or without a data file, the last one raw or qcow2.
/// None is encrypted, so that [`crate::guest::Disk`] tells every byte of the top one.
pub fn valid() -> impl Strategy<Value = Recipe> {
    let layers = vec(image::image(), 1..=DEPTH_MAX);
    let raw_base = proptest::option::weighted(0.3, raw_base());
    (
        any::<u64>(),
        layers,
        raw_base,
        vec(name_form(), DEPTH_MAX * 2),
    )
        .prop_map(|(seed, layers, raw_base, forms)| {
            let mut chain = Chain::new(seed, forms);
            chain.add(layers, raw_base);
            chain.recipe
        })
}

/// [`valid`] recipes of which the top image has so many defects. Each has a number at which
/// readers have to decide, or any number.
pub fn defective(count: RangeInclusive<usize>) -> impl Strategy<Value = Recipe> {
    let choice = (any::<Index>(), any::<Index>(), any::<u64>(), 0..4_u8);
    (valid(), vec(choice, count)).prop_filter_map("no defect fits", |(mut recipe, choices)| {
        for (which, listed, any, form) in choices {
            add_defect(&mut recipe, which, listed, (form == 0).then_some(any));
        }
        let top = recipe.files.get(TOP);
        let has_defects = matches!(top, Some(Content::Qcow2(image)) if !image.defects.is_empty());
        has_defects.then_some(recipe)
    })
}

/// Adds the first defect from `which` on that the image can have.
fn add_defect(recipe: &mut Recipe, which: Index, listed: Index, any: Option<u64>) {
    let all: Vec<_> = catalogue().collect();
    let start = which.index(all.len());
    let (before, after) = all.split_at(start);
    for defect in after.iter().chain(before) {
        let choice = match (defect.parameter, any) {
            (None, _) => Choice::new(defect.name, None),
            (Some(_), Some(number)) => Choice::new(defect.name, Some(number)),
            (Some(parameter), None) => {
                let number = listed.index(parameter.values.len());
                Choice::new(defect.name, Some(parameter.values[number]))
            }
        };
        let mut with = recipe.clone();
        if let Some(Content::Qcow2(image)) = with.files.get_mut(TOP) {
            image.defects.push(choice);
        }
        if with.check().is_ok() {
            *recipe = with;
            return;
        }
    }
}

/// How a name is stored, or where a file lies.
#[derive(Clone, Copy, Debug)]
enum NameForm {
    Beside,
    Dotted,
    Absolute,
    SubFolder,
    Spaces,
}

fn name_form() -> impl Strategy<Value = NameForm> {
    prop_oneof![
        4 => Just(NameForm::Beside),
        1 => Just(NameForm::Dotted),
        1 => Just(NameForm::Absolute),
        1 => Just(NameForm::SubFolder),
        1 => Just(NameForm::Spaces),
    ]
}

impl NameForm {
    /// The file's name in the recipe and as it is stored.
    fn names(self, plain: &str) -> (String, Bytes) {
        let (name, stored) = match self {
            NameForm::Beside => (plain.to_owned(), plain.to_owned()),
            NameForm::Dotted => (plain.to_owned(), format!("./{plain}")),
            NameForm::Absolute => (plain.to_owned(), format!("{{dir}}/{plain}")),
            NameForm::SubFolder => (format!("sub/{plain}"), format!("sub/../sub/{plain}")),
            NameForm::Spaces => (format!("a  {plain}"), format!("a  {plain}")),
        };
        (name, stored.into())
    }
}

fn raw_base() -> impl Strategy<Value = Raw> {
    (1_u64..200, vec(0_u64..50, 0..8)).prop_map(|(sectors, populated)| {
        let size = sectors * 512;
        let clusters = size.div_ceil(4096);
        let populated = populated.into_iter().filter(|cluster| *cluster < clusters);
        Raw {
            size,
            cluster_size: 4096,
            populated: populated.collect(),
            start: None,
        }
    })
}

/// Puts images, data files and names together.
struct Chain {
    recipe: Recipe,
    forms: Vec<NameForm>,
}

impl Chain {
    fn new(seed: u64, forms: Vec<NameForm>) -> Chain {
        let recipe = Recipe {
            seed,
            ..Recipe::default()
        };
        Chain { recipe, forms }
    }

    fn form(&mut self) -> NameForm {
        self.forms.pop().unwrap_or(NameForm::Beside)
    }

    fn add(&mut self, layers: Vec<image::Drawn>, raw_base: Option<Raw>) {
        let mut below = raw_base.map(|raw| {
            self.recipe.files.insert("base.raw".to_owned(), raw.into());
            (Bytes::from("base.raw"), "raw")
        });
        let last = layers.len() - 1;
        // From the lowest up, so that each name is known when it is stored.
        for (depth, drawn) in layers.into_iter().enumerate().rev() {
            let mut image = drawn.image;
            self.add_data_file(depth, &mut image, drawn.data_file);
            if let Some((stored, format)) = below.take_if(|_| !image.data_file_raw) {
                image.backing = Some(stored);
                image.backing_format = drawn.names_format.then(|| format.into());
            }
            let name = if depth == 0 {
                TOP.to_owned()
            } else {
                format!("layer{depth}.qcow2")
            };
            // Data files are looked for in the working directory, so images stay there.
            let absolute = matches!(self.form(), NameForm::Absolute) && depth < last;
            let stored = if absolute {
                format!("{{dir}}/{name}")
            } else {
                name.clone()
            };
            below = Some((stored.into(), "qcow2"));
            self.recipe.files.insert(name, image.into());
        }
    }

    fn add_data_file(&mut self, depth: usize, image: &mut Qcow2, data_file: Option<Raw>) {
        let Some(raw) = data_file else { return };
        let (name, stored) = self.form().names(&format!("data{depth}.raw"));
        image.data_file = Some(stored);
        self.recipe.files.insert(name, raw.into());
    }
}

/// Any subset of the first `count` indexes.
fn subset(count: u64) -> impl Strategy<Value = Clusters> {
    vec(0..count.max(1), 0..12).prop_map(move |indexes| {
        let inside = indexes.into_iter().filter(|index| *index < count);
        inside.collect()
    })
}
