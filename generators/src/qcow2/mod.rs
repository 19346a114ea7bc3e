//! Writes one qcow2 image: first everything is decided, then it is streamed to the file.
//!
//! Clusters follow each other as in an image that QEMU makes: header, refcount table, refcount
//! blocks, L1 table, L2 tables, data; then compressed streams, snapshots, bitmaps and the LUKS
//! header. [`plan`] gives each its place, [`header`] drafts the first cluster, and defects change
//! that draft before it becomes bytes.

mod bitmaps;
mod check;
mod data;
mod extensions;
mod find;
mod header;
mod layout;
mod luks;
mod mapping;
mod place;
mod plan;
mod refcounts;
mod sizes;
mod slots;
mod snapshots;
mod stream;
mod tables;

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

use crate::marker::Marker;
use crate::recipe::{Bytes, Layout, Qcow2, RecipeError};

use check::check_bytes;
pub(crate) use data::compressed_zeros;
pub(crate) use extensions::{DraftExtension, feature_name, known_names};
pub(crate) use find::Allocated;
pub(crate) use header::{Draft, Expand, Tables};
pub(crate) use plan::{Plan, check_limit};
pub(crate) use stream::write_marker;

/// An image of which every offset is known, ready to be written.
#[derive(Debug)]
pub(crate) struct Image<'a> {
    recipe: &'a Qcow2,
    body: Body<'a>,
    draft: Draft,
    /// The start of the first cluster; the rest of that cluster is zeros.
    header: Vec<u8>,
}

/// What follows the first cluster.
#[derive(Debug)]
enum Body<'a> {
    Planned(Box<Plan>),
    Given(&'a Layout),
}

impl Body<'_> {
    fn tables(&self) -> Tables {
        match self {
            Body::Planned(plan) => Tables::of_plan(plan),
            Body::Given(layout) => Tables::of_layout(layout),
        }
    }
}

impl<'a> Image<'a> {
    /// Lays the image out; `file` is its name in the recipe, for messages.
    pub(crate) fn new(
        file: &str,
        recipe: &'a Qcow2,
        expand: Expand<'_>,
    ) -> Result<Image<'a>, RecipeError> {
        check::check(file, recipe)?;
        let body = match &recipe.layout {
            None => Body::Planned(Box::new(Plan::new(file, recipe)?)),
            Some(given) => {
                layout::check(file, recipe, given)?;
                Body::Given(given)
            }
        };
        let mut draft = Draft::new(file, recipe, &body.tables(), expand)?;
        if let Body::Planned(plan) = &body {
            for choice in &recipe.defects {
                choice.apply(file, plan, &mut draft)?;
            }
        }
        // At most 2 MiB.
        let header = draft.bytes(file, recipe.cluster_size() as usize)?;
        Ok(Image {
            recipe,
            body,
            draft,
            header,
        })
    }

    /// The start of the first cluster, whose other bytes are zeros unless patched.
    pub(crate) fn header(&self) -> &[u8] {
        &self.header
    }

    /// Writes the image into an empty file and returns its length in bytes. `seed` and `name`
    /// are those of its marker.
    pub(crate) fn write(&self, file: &File, seed: u64, name: &str) -> io::Result<u64> {
        let length = match &self.body {
            Body::Planned(plan) => {
                file.set_len(plan.file_length())?;
                self.write_planned(plan, file, seed, name)?;
                plan.file_length()
            }
            Body::Given(given) => {
                file.set_len(self.recipe.cluster_size())?;
                layout::write(file, self.recipe, given, &Marker::new(seed, name))?;
                file.metadata()?.len()
            }
        };
        file.write_all_at(&self.header, 0)?;
        self.finish(file, length)
    }

    fn write_planned(&self, plan: &Plan, file: &File, seed: u64, name: &str) -> io::Result<()> {
        refcounts::write(file, plan)?;
        for view in &plan.views {
            tables::write(file, plan, view)?;
            let marker = Marker::new(seed, view.marker.as_deref().unwrap_or(name));
            data::write(file, plan, view, &marker, self.recipe.compression)?;
        }
        if !self.recipe.snapshots.is_empty() {
            snapshots::write(file, self.recipe, plan)?;
        }
        if !self.recipe.bitmaps.is_empty() {
            bitmaps::write(file, self.recipe, plan)?;
        }
        if plan.luks.clusters > 0 {
            file.write_all_at(&luks::header(), plan.luks.offset)?;
        }
        Ok(())
    }

    /// What comes after everything that is right.
    fn finish(&self, file: &File, length: u64) -> io::Result<u64> {
        let length = self.patch(file, length)?;
        if let Body::Given(given) = self.body {
            layout::reserve(file, given, length)?;
        }
        Ok(length)
    }

    fn patch(&self, file: &File, length: u64) -> io::Result<u64> {
        for (at, bytes) in &self.draft.patches {
            file.write_all_at(bytes, *at)?;
        }
        match self.draft.file_length {
            Some(length) => {
                file.set_len(length)?;
                Ok(length)
            }
            // A patch may have made it longer.
            None if self.draft.patches.is_empty() => Ok(length),
            None => Ok(file.metadata()?.len()),
        }
    }
}

fn resolve(file: &str, field: &'static str, bytes: &Bytes) -> Result<Vec<u8>, RecipeError> {
    check_bytes(file, field, bytes)?;
    Ok(bytes.to_bytes())
}

/// An option that cannot be fulfilled beside the others.
fn refuse(file: &str, field: &'static str, problem: &'static str) -> RecipeError {
    RecipeError::Conflict {
        file: file.to_owned(),
        field,
        problem,
    }
}
