//! What a case consists of, for whoever reads a report without having the suite.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::State;

/// A case's fixture, question and expectations. The same for every subject, so it stands in
/// a stream once.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Setup {
    /// The case's id.
    pub case: Arc<str>,
    /// Its files, each in the state before the first step.
    pub files: Vec<SetupFile>,
    /// How the files of the chain hang together.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub links: Vec<Link>,
    /// The recipe that writes the fixture, in TOML.
    pub recipe: String,
    /// The domain's XML, for a case that has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub domain: Option<String>,
    /// What else is asked, a line each: offsets, the configuration of relabelling.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ask: Vec<String>,
    /// The steps, in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<String>,
    /// The matrix: what each file must be after each step.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub matrix: Vec<Wanted>,
    /// The expectation in words, a line each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub expected: Vec<String>,
    /// The beginning of the image that is asked about, where its header is in question.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub head: Option<Head>,
}

/// A file before the first step.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct SetupFile {
    /// Name relative to the fixture's folder.
    pub name: String,
    /// `qcow2`, `raw`, `symlink`, `directory`, `fifo`, `hard-link` or `given`.
    pub kind: String,
    /// Its places in the chain: `top`, `data-file`, `backing`, `backing-data-file`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<String>,
    /// `uid:gid`.
    pub owner: String,
    /// Permission bits in octal.
    pub mode: String,
    /// SELinux label; null for none.
    pub label: Option<String>,
    /// Whether nobody may open or touch it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub decoy: bool,
}

/// A file that another one leads to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Link {
    /// The image that names the other file.
    pub from: String,
    /// The file, or the name as it stands where no file of the fixture has it.
    pub to: String,
    /// `data-file`, `backing` or `target` of a symbolic link.
    pub kind: String,
    /// `header` or `domain`.
    pub by: String,
}

/// A cell of the matrix.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Wanted {
    /// The step.
    pub step: String,
    /// The file.
    pub file: String,
    /// The cell in the matrix's words: `vm, rw`, `kept | info: original`.
    pub words: String,
    /// The required state.
    pub state: State,
}

/// The first bytes of an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Head {
    /// The image.
    pub file: String,
    /// The bytes in hex, as far as they are not zeros.
    pub bytes: String,
}
