//! Refuses what cannot be written, before anything is.

use super::{Bytes, Clusters, Content, HardLink, Raw, Recipe, RecipeError, Symlink};
use crate::qcow2::{Expand, Image, check_limit};
use crate::{file_name, manifest};

/// Longest target of a symlink in bytes that Linux takes.
const TARGET_MAX: usize = 4095;

/// Most bytes that a raw file may start with, other than its marker.
const START_MAX: u64 = 4 << 20;

impl Recipe {
    /// Checks everything that does not depend on where the fixture goes.
    ///
    /// # Errors
    /// The first request that cannot be fulfilled. A name with `{dir}` is checked as if the
    /// folder's path were empty; writing checks it again with the real one.
    pub fn check(&self) -> Result<(), RecipeError> {
        self.check_in(&|name| name.replace("{dir}", "").into_bytes())
    }

    /// As [`Recipe::check`], with the stored names that `expand` gives.
    pub(crate) fn check_in(&self, expand: Expand<'_>) -> Result<(), RecipeError> {
        for (file, content) in &self.files {
            check_file_name(file)?;
            self.check_parents(file)?;
            match content {
                Content::Qcow2(image) => {
                    Image::new(file, image, expand)?;
                }
                Content::Raw(raw) => check_raw(file, raw)?,
                Content::Symlink(link) => check_symlink(file, link)?,
                Content::HardLink(link) => self.check_hard_link(file, link)?,
                Content::Directory(_)
                | Content::Fifo(_)
                | Content::Socket(_)
                | Content::Given(_) => {}
            }
        }
        Ok(())
    }

    /// Links are made last, so any regular file or FIFO of the recipe will do.
    fn check_hard_link(&self, file: &str, link: &HardLink) -> Result<(), RecipeError> {
        match self.files.get(&link.target) {
            Some(Content::Qcow2(_) | Content::Raw(_) | Content::Fifo(_) | Content::Given(_)) => {
                Ok(())
            }
            _ => Err(RecipeError::LinkTarget {
                file: file.to_owned(),
                target: link.target.clone(),
            }),
        }
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
    } else if file_name::bytes(file).is_none() {
        r"has an escape other than \\ and \xNN for a byte that is not UTF-8"
    } else if file.split('/').any(|part| matches!(part, "" | "." | "..")) {
        "has an empty, '.' or '..' component"
    } else if matches!(
        file.split('/').next(),
        Some(manifest::FILE_NAME | manifest::OTHERS)
    ) {
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
    let clusters = raw.size.div_ceil(raw.cluster_size);
    check_inside(file, "populated", &raw.populated, clusters)?;
    let start = raw.start.as_ref().map_or(0, Bytes::length) as u64;
    check_limit(file, "start", "bytes", start, raw.size.min(START_MAX))
}

/// Every index must name one of the `count` things that there are.
pub(crate) fn check_inside(
    file: &str,
    field: &'static str,
    indexes: &Clusters,
    count: u64,
) -> Result<(), RecipeError> {
    match indexes.first_from(count) {
        None => Ok(()),
        Some(cluster) => Err(RecipeError::BeyondSize {
            file: file.to_owned(),
            field,
            cluster,
            clusters: count,
        }),
    }
}

fn check_symlink(file: &str, link: &Symlink) -> Result<(), RecipeError> {
    let target = &link.target;
    if target.length() == 0 || target.length() > TARGET_MAX || target.to_bytes().contains(&0) {
        return Err(RecipeError::Target {
            file: file.to_owned(),
            field: "target",
        });
    }
    Ok(())
}
