//! Refuses what cannot be written, before anything is.

use super::{Content, Raw, Recipe, RecipeError, Symlink};
use crate::manifest;
use crate::qcow2::{Image, Names};

impl Recipe {
    /// Checks everything that does not depend on where the fixture goes.
    ///
    /// # Errors
    /// The first request that cannot be fulfilled. A name with `{dir}` is checked as if the
    /// folder's path were empty; writing checks it again with the real one.
    pub fn check(&self) -> Result<(), RecipeError> {
        self.check_in(|name| name.replace("{dir}", "").into_bytes())
    }

    /// As [`Recipe::check`], with the stored names that `expand` gives.
    pub(crate) fn check_in(&self, expand: impl Fn(&str) -> Vec<u8>) -> Result<(), RecipeError> {
        for (file, content) in &self.files {
            check_file_name(file)?;
            self.check_parents(file)?;
            match content {
                Content::Qcow2(image) => {
                    Image::new(file, image, &Names::of(image, &expand))?;
                }
                Content::Raw(raw) => check_raw(file, raw)?,
                Content::Symlink(link) => check_symlink(file, link)?,
                Content::Directory(_) | Content::Fifo(_) => {}
            }
        }
        Ok(())
    }

    /// A name below a symlink of the same recipe would be written wherever that points.
    fn check_parents(&self, file: &str) -> Result<(), RecipeError> {
        for (end, _) in file.match_indices('/') {
            let parent = &file[..end];
            if !matches!(self.files.get(parent), None | Some(Content::Directory(_))) {
                return Err(RecipeError::ParentIsNoDirectory {
                    file: file.to_owned(),
                    parent: parent.to_owned(),
                });
            }
        }
        Ok(())
    }
}

fn check_file_name(file: &str) -> Result<(), RecipeError> {
    let problem = if file.is_empty() {
        "is empty"
    } else if file.starts_with('/') {
        "is absolute"
    } else if file.contains('\0') {
        "has a NUL byte"
    } else if file.split('/').any(|part| matches!(part, "" | "." | "..")) {
        "has an empty, '.' or '..' component"
    } else if file.split('/').next() == Some(manifest::FILE_NAME) {
        "is the manifest's"
    } else if file == "-" {
        "means standard input to sha256sum"
    } else {
        return Ok(());
    };
    Err(RecipeError::FileName {
        file: file.to_owned(),
        problem,
    })
}

fn check_raw(file: &str, raw: &Raw) -> Result<(), RecipeError> {
    if raw.cluster_size == 0 {
        return Err(RecipeError::Value {
            file: file.to_owned(),
            field: "cluster-size",
            value: 0,
            allowed: "1 or more",
        });
    }
    check_populated(file, &raw.populated, raw.size.div_ceil(raw.cluster_size))
}

/// Every index must name one of the `clusters` that the file has.
pub(crate) fn check_populated(
    file: &str,
    populated: &[u64],
    clusters: u64,
) -> Result<(), RecipeError> {
    match populated
        .iter()
        .copied()
        .find(|cluster| *cluster >= clusters)
    {
        None => Ok(()),
        Some(cluster) => Err(RecipeError::BeyondSize {
            file: file.to_owned(),
            field: "populated",
            cluster,
            clusters,
        }),
    }
}

fn check_symlink(file: &str, link: &Symlink) -> Result<(), RecipeError> {
    if link.target.is_empty() || link.target.contains('\0') {
        return Err(RecipeError::Target {
            file: file.to_owned(),
            field: "target",
        });
    }
    Ok(())
}
