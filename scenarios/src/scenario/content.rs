//! What a combination of choices consists of, and the question that it asks.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::config::ConfigSpec;
use super::steps::{self, AfterSpec};
use crate::case::{
    Ask, BLOCK_DEVICE, DomainAsk, Form, ImageAsk, LabelAsk, LabelConfig, Step, XmlAsk,
};
use crate::domain::DomainSpec;
use crate::error::Fault;
use crate::expect::{self, Expectation, Outcome, READ_LENGTH};
use crate::file::{CaseFiles, FileSystem};
use crate::secret::Secrets;
use crate::verdict::Level;

/// A combination's content after its placeholders are replaced.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct Body {
    pub(super) title: String,
    #[serde(rename = "level")]
    _level: Level,
    #[serde(rename = "requirements")]
    _requirements: Vec<String>,
    #[serde(default, rename = "notes")]
    _notes: String,
    /// Taken out before, because cases beside each other share what it is typed to.
    #[serde(rename = "files")]
    _files: Option<serde::de::IgnoredAny>,
    pub(super) image: Option<String>,
    #[serde(rename = "as")]
    pub(super) declared_format: Option<String>,
    pub(super) domain: Option<DomainSpec>,
    /// How the domain is to be written.
    pub(super) form: Option<Form>,
    /// What the fixture lies on.
    #[serde(default)]
    pub(super) filesystem: FileSystem,
    #[serde(default)]
    pub(super) config: ConfigSpec,
    /// Credentials that no answer may show.
    #[serde(default)]
    pub(super) secrets: Secrets,
    pub(super) steps: Option<Vec<Step>>,
    /// What the domain is after a step that changes it.
    #[serde(default)]
    pub(super) after: BTreeMap<Step, AfterSpec>,
    /// The other domain.
    pub(super) second: Option<DomainSpec>,
}

/// The question that a combination asks.
pub(super) fn ask(
    level: Level,
    body: Body,
    files: &CaseFiles,
    expected: &Expectation,
) -> Result<Ask, Fault> {
    let needs_image = matches!(level, Level::Header | Level::Open | Level::Read);
    if needs_image && (body.domain.is_some() || body.steps.is_some()) {
        return Err(Fault::at(
            [],
            "a header, open or read scenario has an `image`, no domain",
        ));
    }
    if !needs_image && (body.image.is_some() || body.declared_format.is_some()) {
        return Err(Fault::at(["image"], "this level takes a [domain]"));
    }
    if body.form.is_some() != (level == Level::Xml) {
        return Err(Fault::at(
            [],
            "a `form` is what an xml scenario has, and no other",
        ));
    }
    let xml = |domain: &Option<DomainSpec>| match domain {
        Some(domain) => domain.to_xml(files),
        None => Err(Fault::at([], "the scenario has no [domain]")),
    };
    Ok(match level {
        Level::Header => Ask::Header(image(body.image, body.declared_format, files)?),
        Level::Open => Ask::Open(image(body.image, body.declared_format, files)?),
        Level::Read => Ask::Read {
            image: image(body.image, body.declared_format, files)?,
            offsets: offsets(expected),
            length: READ_LENGTH,
        },
        Level::Access => Ask::Access(DomainAsk {
            xml: xml(&body.domain)?,
        }),
        Level::Blockdev => Ask::Blockdev(DomainAsk {
            xml: xml(&body.domain)?,
        }),
        Level::Xml => Ask::Xml(XmlAsk {
            xml: xml(&body.domain)?,
            form: body.form.unwrap_or_default(),
        }),
        Level::Label => Ask::Label(LabelAsk {
            xml: xml(&body.domain)?,
            steps: steps::build(&body, files)?,
            config: LabelConfig::try_from(body.config).map_err(|f| f.inside(["config"]))?,
        }),
    })
}

fn image(
    file: Option<String>,
    declared: Option<String>,
    files: &CaseFiles,
) -> Result<ImageAsk, Fault> {
    let file = file.ok_or_else(|| Fault::at([], "the scenario names no `image`"))?;
    if !files.contains_key(&file) {
        return Err(Fault::at(
            ["image"],
            format!("the fixture has no file `{file}`"),
        ));
    }
    let format = declared.unwrap_or_else(|| "qcow2".to_owned());
    Ok(ImageAsk {
        file,
        format: (format != "probe").then_some(format),
    })
}

/// Every offset that an allowed answer knows the bytes of; the first sector if none does.
fn offsets(expected: &Expectation) -> Vec<u64> {
    let Expectation::Read(allowed) = expected else {
        return Vec::new();
    };
    let accepted = allowed.iter().filter_map(|graded| match &graded.wanted {
        Outcome::Accept(reads) => Some(reads.iter().map(|read| read.offset)),
        Outcome::Reject => None,
    });
    let mut offsets: Vec<u64> = accepted.flatten().collect();
    offsets.push(0);
    offsets.sort_unstable();
    offsets.dedup();
    offsets
}

/// Names in expectations must be files of the fixture, or the host's block device.
pub(super) fn check_names(
    files: &CaseFiles,
    ask: &Ask,
    expected: &Expectation,
) -> Result<(), Fault> {
    let names: Vec<&str> = files.keys().map(String::as_str).collect();
    let unknown = |name: &str| {
        let known = names.contains(&name) || name == BLOCK_DEVICE;
        (!known).then(|| Fault::at(["accept"], format!("the fixture has no file `{name}`")))
    };
    let accepted: Vec<&str> = match (expected, ask) {
        (Expectation::Label(matrix), Ask::Label(ask)) => {
            let steps: Vec<Step> = ask.steps.iter().map(|ask| ask.step).collect();
            return matrix.check(&names, &steps);
        }
        (Expectation::Read(allowed), _) => accepted(allowed)
            .flat_map(|reads| reads.iter().filter_map(|read| read.file.as_deref()))
            .collect(),
        (Expectation::Open(allowed), _) => accepted(allowed)
            .flat_map(|open| open.opened.iter().map(String::as_str))
            .collect(),
        (Expectation::Access(allowed), _) => accepted(allowed)
            .flat_map(|rows| rows.iter().map(|row| row.file.as_str()))
            .collect(),
        (Expectation::Blockdev(allowed), _) => accepted(allowed)
            .flatten()
            .flat_map(expect::LayerWanted::files)
            .collect(),
        (Expectation::Xml(allowed), _) => accepted(allowed)
            .flatten()
            .flat_map(expect::XmlLayer::files)
            .collect(),
        _ => Vec::new(),
    };
    accepted.into_iter().find_map(unknown).map_or(Ok(()), Err)
}

fn accepted<F>(allowed: &expect::Allowed<F>) -> impl Iterator<Item = &F> {
    allowed.iter().filter_map(|graded| match &graded.wanted {
        Outcome::Accept(facts) => Some(facts),
        Outcome::Reject => None,
    })
}
