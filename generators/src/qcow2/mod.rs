//! Writes one qcow2 image: first everything is decided, then it is streamed to the file.
//!
//! Clusters follow each other as in an image that QEMU makes: header, refcount table, refcount
//! blocks, L1 table, L2 tables, data; then compressed streams, snapshots, bitmaps and the LUKS
//! header. [`plan`] gives each its place, [`header`] drafts the first cluster, and defects change
//! that draft before it becomes bytes.

mod bitmaps;
mod check;
mod data;
mod header;
mod luks;
mod mapping;
mod place;
mod plan;
mod refcounts;
mod slots;
mod snapshots;
mod stream;
mod tables;

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

use crate::marker::Marker;
use crate::recipe::{Bytes, Qcow2, RecipeError};

use check::check_bytes;
pub(crate) use header::{Draft, DraftExtension, Expand};
pub(crate) use place::Allocated;
pub(crate) use plan::{Plan, check_limit};
pub(crate) use stream::write_marker;

/// An image of which every offset is known, ready to be written.
#[derive(Debug)]
pub(crate) struct Image<'a> {
    recipe: &'a Qcow2,
    plan: Plan,
    draft: Draft,
    /// The start of the first cluster; the rest of that cluster is zeros.
    header: Vec<u8>,
}

impl<'a> Image<'a> {
    /// Lays the image out; `file` is its name in the recipe, for messages.
    pub(crate) fn new(
        file: &str,
        recipe: &'a Qcow2,
        expand: Expand<'_>,
    ) -> Result<Image<'a>, RecipeError> {
        check::check(file, recipe)?;
        let plan = Plan::new(file, recipe)?;
        let mut draft = Draft::new(file, recipe, &plan, expand)?;
        for choice in &recipe.defects {
            choice.apply(file, &plan, &mut draft)?;
        }
        let header = draft.bytes(file, plan.cluster_size())?;
        Ok(Image {
            recipe,
            plan,
            draft,
            header,
        })
    }

    /// Writes the image into an empty file and returns its length in bytes. `seed` and `name`
    /// are those of its marker.
    pub(crate) fn write(&self, file: &File, seed: u64, name: &str) -> io::Result<u64> {
        let length = self.plan.file_length();
        file.set_len(length)?;
        file.write_all_at(&self.header, 0)?;
        refcounts::write(file, &self.plan)?;
        for view in &self.plan.views {
            tables::write(file, &self.plan, view)?;
            let marker = Marker::new(seed, view.marker.as_deref().unwrap_or(name));
            data::write(file, &self.plan, view, &marker, self.recipe.compression)?;
        }
        if !self.recipe.snapshots.is_empty() {
            snapshots::write(file, self.recipe, &self.plan)?;
        }
        if !self.recipe.bitmaps.is_empty() {
            bitmaps::write(file, self.recipe, &self.plan)?;
        }
        if self.plan.luks.clusters > 0 {
            file.write_all_at(&luks::header(), self.plan.luks.offset)?;
        }
        self.finish(file, length)
    }

    /// What comes after everything that is right.
    fn finish(&self, file: &File, length: u64) -> io::Result<u64> {
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
