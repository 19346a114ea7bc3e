//! The domain of a label case: a short form for scenarios, and the libvirt XML it stands for.

use serde::Deserialize;

use crate::error::Fault;
use crate::file::{CaseFiles, Owner};

mod xml;

pub(crate) use xml::absolute;

/// The UUID of a case's domain; records name their users by it.
pub const DOMAIN_UUID: &str = "5c0f6a52-7d7a-4b8c-9e0e-0d1f2a3b4c5d";
/// The UUID of a case's second domain.
pub const SECOND_UUID: &str = "9b1d7c3e-2f40-4d55-8a6b-77c8d9e0f1a2";

/// A domain as a scenario writes it.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct DomainSpec {
    #[serde(default)]
    disks: Vec<DiskSpec>,
    #[serde(default)]
    seclabels: Vec<String>,
    /// libvirt XML instead of the short form; `{dir}` is the fixture's folder.
    xml: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum DiskKind {
    #[default]
    Rw,
    Readonly,
    Shareable,
    Cdrom,
    Floppy,
    Transient,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum BackingStore {
    /// Nothing in the XML: the header decides.
    #[default]
    Detected,
    /// `<backingStore/>`: the chain ends here.
    Terminated,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct DiskSpec {
    source: String,
    /// `<driver type>`; `none` leaves it out.
    format: Option<String>,
    #[serde(default)]
    kind: DiskKind,
    #[serde(default)]
    seclabels: Vec<String>,
    /// `detected`, `declared` (as the header names it) or `declared FILE`.
    data_store: Option<String>,
    #[serde(default)]
    data_store_seclabels: Vec<String>,
    #[serde(default)]
    backing_store: BackingStore,
    /// Backing layers that the XML declares, from the top down.
    #[serde(default)]
    layers: Vec<LayerSpec>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct LayerSpec {
    source: String,
    format: Option<String>,
    data_store: Option<String>,
    #[serde(default)]
    seclabels: Vec<String>,
    #[serde(default)]
    data_store_seclabels: Vec<String>,
}

/// A `<seclabel>` in its short form, such as `dac no` or `dac 1234:1235`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SecLabel {
    /// `dac` or `selinux`.
    pub(crate) model: String,
    /// The label; `None` is `relabel='no'`.
    pub(crate) label: Option<String>,
}

impl SecLabel {
    /// Reads `MODEL no` or `MODEL LABEL`, where the model is `dac` or `selinux`.
    fn parse(text: &str) -> Result<Self, String> {
        let (model, value) = text
            .split_once(' ')
            .filter(|(model, value)| ["dac", "selinux"].contains(model) && !value.is_empty())
            .ok_or_else(|| format!("`{text}` is not `dac no|UID:GID` or `selinux no|LABEL`"))?;
        let label = (value != "no").then(|| value.to_owned());
        if model == "dac"
            && label
                .as_deref()
                .is_some_and(|text| Owner::parse(text).is_none())
        {
            return Err(format!("`{value}` is not of the form uid:gid"));
        }
        Ok(SecLabel {
            model: model.to_owned(),
            label,
        })
    }
}

/// What a matrix may call `disk` and `store` instead of repeating it.
#[derive(Debug, Clone, Default)]
pub(crate) struct OwnLabels {
    disk: Vec<SecLabel>,
    store: Vec<SecLabel>,
}

impl OwnLabels {
    /// The label that a `<seclabel>` of a disk (`disk`) or of a data store (`store`)
    /// gives for this model; an error unless there is exactly one.
    pub(crate) fn get(&self, word: &str, model: &str) -> Result<&str, String> {
        let labels = if word == "disk" {
            &self.disk
        } else {
            &self.store
        };
        let mut labels = labels
            .iter()
            .filter(|seclabel| seclabel.model == model)
            .filter_map(|seclabel| seclabel.label.as_deref());
        match (labels.next(), labels.next()) {
            (Some(label), None) => Ok(label),
            _ => Err(format!(
                "`{word}` needs exactly one {model} label on a {word}"
            )),
        }
    }
}

impl DomainSpec {
    /// The labels that `disk` and `store` mean in a matrix.
    pub(crate) fn own_labels(&self) -> Result<OwnLabels, Fault> {
        let mut own = OwnLabels::default();
        for (index, disk) in self.disks.iter().enumerate() {
            let fault =
                |key, message| Fault::at(["domain", "disks", &index.to_string(), key], message);
            for text in &disk.seclabels {
                own.disk
                    .push(SecLabel::parse(text).map_err(|m| fault("seclabels", m))?);
            }
            for text in &disk.data_store_seclabels {
                own.store
                    .push(SecLabel::parse(text).map_err(|m| fault("data-store-seclabels", m))?);
            }
        }
        Ok(own)
    }

    /// The domain as libvirt XML.
    pub(crate) fn to_xml(&self, files: &CaseFiles) -> Result<String, Fault> {
        self.written(files, ("case", DOMAIN_UUID))
    }

    /// The case's second domain as libvirt XML.
    pub(crate) fn to_second_xml(&self, files: &CaseFiles) -> Result<String, Fault> {
        self.written(files, ("second", SECOND_UUID))
    }

    /// The same domain with other disks.
    pub(crate) fn with_disks(&self, disks: &[DiskSpec]) -> Self {
        Self {
            disks: disks.to_vec(),
            ..self.clone()
        }
    }

    /// Target of the one disk that is there in one of two domains only, or differs between them;
    /// `None` where that isn't one disk.
    pub(crate) fn changed_disk(&self, other: &Self) -> Option<String> {
        let places = 0..self.disks.len().max(other.disks.len());
        let mut changed = places.filter(|index| self.disks.get(*index) != other.disks.get(*index));
        let index = changed.next().filter(|_| changed.next().is_none())?;
        let disk = other.disks.get(index).or_else(|| self.disks.get(index))?;
        Some(xml::target(disk, index).0)
    }

    /// Target of the first disk.
    pub(crate) fn first_disk(&self) -> Option<String> {
        Some(xml::target(self.disks.first()?, 0).0)
    }

    /// Whether the domain is given as XML of its own.
    pub(crate) fn is_literal(&self) -> bool {
        self.xml.is_some()
    }

    fn written(&self, files: &CaseFiles, identity: (&str, &str)) -> Result<String, Fault> {
        if let Some(xml) = &self.xml {
            if !self.disks.is_empty() || !self.seclabels.is_empty() {
                return Err(Fault::at(
                    ["domain", "xml"],
                    "give either xml or the short form",
                ));
            }
            return Ok(xml.clone());
        }
        if self.disks.is_empty() {
            return Err(Fault::at(["domain"], "a domain needs a disk"));
        }
        xml::write(self, files, identity)
    }
}
