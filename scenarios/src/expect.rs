//! Expectations: what an observation is compared with.

use serde::{Deserialize, Serialize};

use crate::domain::OwnLabels;
use crate::error::Fault;
use crate::locate;
use crate::verdict::{Grade, Level};

mod cell;
mod matrix;
#[cfg(test)]
mod tests;
mod xml;

pub use cell::{Cell, LabelWanted, OwnerWanted, StateWanted};
pub use matrix::{Matrix, Refusal, Row};
pub use xml::XmlLayer;

/// An outcome that is allowed, with what it is worth.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Graded<T> {
    /// The verdict it earns.
    pub grade: Grade,
    /// The outcome.
    pub wanted: T,
}

/// What may come of a question that is answered once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome<F> {
    /// The subject accepts the input and reports these facts.
    Accept(F),
    /// The subject refuses the input cleanly.
    Reject,
}

/// Allowed outcomes, the required one first.
pub type Allowed<F> = Vec<Graded<Outcome<F>>>;

/// What is expected of a case, by its level.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Expectation {
    /// Facts in the header.
    Header(Allowed<HeaderWanted>),
    /// The files that are opened.
    Open(Allowed<OpenWanted>),
    /// Guest bytes.
    Read(Allowed<Vec<ReadWanted>>),
    /// Files of the chain, in no particular order.
    Access(Allowed<Vec<AccessWanted>>),
    /// Owners and labels after each step.
    Label(Matrix),
    /// Layers of the graph of block nodes, in no particular order.
    Blockdev(Allowed<Vec<LayerWanted>>),
    /// Layers that the written XML has, in no particular order.
    Xml(Allowed<Vec<XmlLayer>>),
}

/// Header facts; a fact that isn't given isn't compared.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct HeaderWanted {
    /// `qcow2` or `raw`.
    pub format: Option<String>,
    /// Header version.
    pub version: Option<u32>,
    /// Size of the virtual disk in bytes.
    pub virtual_size: Option<u64>,
    /// Whether there is a backing file.
    pub has_backing: Option<bool>,
    /// The backing file's name as stored.
    pub backing: Option<String>,
    /// The backing format as stored.
    pub backing_format: Option<String>,
    /// Whether the image uses a data file: version 3 and incompatible bit 2.
    pub uses_data_file: Option<bool>,
    /// The data file's name as stored, up to the first NUL.
    pub data_file: Option<String>,
    /// Autoclear bit 1 of an image that uses a data file.
    pub data_file_raw: Option<bool>,
}

/// What is opened with an image.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct OpenWanted {
    /// Files that have to be opened, each for reading only.
    pub opened: Vec<String>,
}

/// Guest bytes at one offset.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ReadWanted {
    /// Guest offset in bytes.
    pub offset: u64,
    /// The file whose marker stands there; none means zeros.
    pub file: Option<String>,
}

/// One file that a labeller must cover.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct AccessWanted {
    /// File name in the fixture.
    pub file: String,
    /// `top`, `data-file`, `backing` or `backing-data-file`.
    pub role: String,
    /// `rw` or `ro`.
    pub access: String,
}

/// One layer of the graph of block nodes. Node names are the implementation's own business, so
/// layers are told by their files.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct LayerWanted {
    /// The image, a file name in the fixture.
    pub file: String,
    /// QEMU's driver for its format, such as `qcow2`; `raw` also where there is no format node.
    pub driver: String,
    /// Whether the guest can't write through this layer; its data file's node has the same.
    pub read_only: bool,
    /// The file of the node that is given as data file; absent where none is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data_file: Option<String>,
    /// The image of the next layer; absent where the graph says that there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backing: Option<String>,
}

impl LayerWanted {
    /// Every file that the layer speaks of.
    pub(crate) fn files(&self) -> impl Iterator<Item = &str> {
        let others = [self.data_file.as_deref(), self.backing.as_deref()];
        std::iter::once(self.file.as_str()).chain(others.into_iter().flatten())
    }
}

/// How many bytes a `read` case reads at each offset: a sector.
pub const READ_LENGTH: u32 = 512;

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct OutcomeSpec<F> {
    grade: Option<Grade>,
    accept: Option<F>,
    #[serde(default)]
    reject: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct ExpectSpec<F> {
    accept: Option<F>,
    #[serde(default)]
    reject: bool,
    #[serde(default = "Vec::new")]
    also: Vec<OutcomeSpec<F>>,
}

/// Types an `[[expect]]` table, without its `when`.
pub(crate) fn build(
    level: Level,
    table: toml::Table,
    own: &OwnLabels,
) -> Result<Expectation, Fault> {
    Ok(match level {
        Level::Header => Expectation::Header(allowed(table)?),
        Level::Open => Expectation::Open(allowed(table)?),
        Level::Read => Expectation::Read(allowed(table)?),
        Level::Access => Expectation::Access(allowed(table)?),
        Level::Label => Expectation::Label(matrix::build(table, own)?),
        Level::Blockdev => Expectation::Blockdev(allowed(table)?),
        Level::Xml => Expectation::Xml(allowed(table)?),
    })
}

fn allowed<F: serde::de::DeserializeOwned>(table: toml::Table) -> Result<Allowed<F>, Fault> {
    let spec: ExpectSpec<F> = locate::typed(table)?;
    let required = outcome(spec.accept, spec.reject).map_err(|m| Fault::at([], m))?;
    let mut allowed = vec![Graded {
        grade: Grade::Pass,
        wanted: required,
    }];
    for (index, also) in spec.also.into_iter().enumerate() {
        let fault = |message| Fault::at(["also", &index.to_string()], message);
        let grade = also
            .grade
            .ok_or_else(|| fault("say which grade this outcome gets"))?;
        let wanted = outcome(also.accept, also.reject).map_err(fault)?;
        allowed.push(Graded { grade, wanted });
    }
    Ok(allowed)
}

fn outcome<F>(accept: Option<F>, reject: bool) -> Result<Outcome<F>, &'static str> {
    match (accept, reject) {
        (Some(facts), false) => Ok(Outcome::Accept(facts)),
        (None, true) => Ok(Outcome::Reject),
        _ => Err("expect either `accept` or `reject = true`"),
    }
}
