//! What a recipe can ask for that cannot be written.

use thiserror::Error;

/// A request that no bytes on disk can fulfil. `file` is the name in the recipe, `field` the
/// option's name as the recipe spells it.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum RecipeError {
    /// The name would leave the fixture's folder, or clash with the manifest.
    #[error("file {file:?}: the name {problem}")]
    FileName {
        /// The name in the recipe.
        file: String,
        /// What is wrong, to be read after "the name".
        problem: &'static str,
    },
    /// Another entry that is no directory stands where this name needs a folder.
    #[error("file {file:?}: {parent:?} is in the same recipe and not a directory")]
    ParentIsNoDirectory {
        /// The name in the recipe.
        file: String,
        /// The entry in its way.
        parent: String,
    },
    /// A number that the field cannot have.
    #[error("file {file:?}: {field} is {value}, allowed is {allowed}")]
    Value {
        /// The name in the recipe.
        file: String,
        /// The option.
        field: &'static str,
        /// What the recipe says.
        value: u64,
        /// What it may say.
        allowed: &'static str,
    },
    /// A symlink's target that no system call takes.
    #[error("file {file:?}: {field} is empty, too long or has a NUL byte")]
    Target {
        /// The name in the recipe.
        file: String,
        /// The option.
        field: &'static str,
    },
    /// The option stands for a header field that version 2 does not have.
    #[error("file {file:?}: {field} needs version 3")]
    NeedsVersion3 {
        /// The name in the recipe.
        file: String,
        /// The option.
        field: &'static str,
    },
    /// A listed cluster lies outside the file, or a listed bit outside its bitmap.
    #[error("file {file:?}: {field} has index {cluster}, but there are {clusters}")]
    BeyondSize {
        /// The name in the recipe.
        file: String,
        /// The option.
        field: &'static str,
        /// The cluster's index.
        cluster: u64,
        /// How many clusters there are.
        clusters: u64,
    },
    /// Header, extensions and backing name must share the first cluster.
    #[error("file {file:?}: {field} ends at byte {end}, the first cluster at byte {limit}")]
    DoesNotFit {
        /// The name in the recipe.
        file: String,
        /// The first option that goes over the end.
        field: &'static str,
        /// Where it would end, in bytes from the start of the file, with the extension area's end
        /// marker if that has to follow.
        end: usize,
        /// The cluster size in bytes.
        limit: usize,
    },
    /// The image would need tables beyond what the format, or one fixture, can hold.
    #[error("file {file:?}: {field} needs {needed} {what}, the limit is {limit}")]
    TooLarge {
        /// The name in the recipe.
        file: String,
        /// The option.
        field: &'static str,
        /// What there would be too many of.
        what: &'static str,
        /// How many it takes.
        needed: u64,
        /// How many there can be.
        limit: u64,
    },
    /// An option that cannot be fulfilled beside the others.
    #[error("file {file:?}: {field} {problem}")]
    Conflict {
        /// The name in the recipe.
        file: String,
        /// The option.
        field: &'static str,
        /// What is wrong, to be read after the option's name.
        problem: &'static str,
    },
    /// A defect changes something that the image does not have.
    #[error("file {file:?}: the defect {defect} needs {lacks}")]
    Defect {
        /// The name in the recipe.
        file: String,
        /// The defect's name.
        defect: &'static str,
        /// What the image would have to have.
        lacks: &'static str,
    },
    /// A link to a name that the recipe does not have, or that is no file.
    #[error("file {file:?}: the target {target:?} is no file of the recipe")]
    LinkTarget {
        /// The name in the recipe.
        file: String,
        /// What it should be another name of.
        target: String,
    },
}
