//! Follows names within a recipe.

use std::path::{Component, Path, PathBuf};

use super::{DEPTH_MAX, GuestError};
use crate::file_name;
use crate::recipe::{Bytes, Content, Recipe};

/// The file that a name leads to, through links of the recipe, with its own name.
pub(super) fn find<'a>(
    recipe: &'a Recipe,
    given: &str,
) -> Result<(String, &'a Content), GuestError> {
    let mut name = given.to_owned();
    for _ in 0..DEPTH_MAX {
        match recipe.files.get(&name) {
            Some(Content::Symlink(link)) => name = beside(&name, &link.target),
            Some(Content::HardLink(link)) => name.clone_from(&link.target),
            Some(content) => return Ok((name, content)),
            None => match through_folder(recipe, &name) {
                Some(other) => name = other,
                None => return Err(GuestError::NoImage { name }),
            },
        }
    }
    Err(GuestError::TooDeep { name })
}

/// The same name, if one of its folders is a symlink of the recipe.
fn through_folder(recipe: &Recipe, name: &str) -> Option<String> {
    name.match_indices('/').find_map(|(end, _)| {
        let Content::Symlink(link) = recipe.files.get(&name[..end])? else {
            return None;
        };
        Some(format!(
            "{}{}",
            beside(&name[..end], &link.target),
            &name[end..]
        ))
    })
}

/// A stored name as a name of the recipe: relative to the folder of the file that stores it.
pub(super) fn beside(file: &str, stored: &Bytes) -> String {
    let text = file_name::text(&stored.to_bytes());
    let mut path = PathBuf::new();
    let relative = match text.strip_prefix("{dir}/") {
        Some(inside) => inside,
        None => {
            path.extend(Path::new(file).parent());
            text.as_str()
        }
    };
    for part in Path::new(relative).components() {
        match part {
            Component::ParentDir => {
                path.pop();
            }
            Component::CurDir => {}
            other => path.push(other),
        }
    }
    path.to_string_lossy().into_owned()
}
