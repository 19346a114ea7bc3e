//! A cell of a matrix: the states in which a file may be after a step.

use std::fmt;

use serde::{Serialize, Serializer};

use crate::case::SECOND_CATEGORY_PAIR;
use crate::domain::OwnLabels;
use crate::file::Owner;
use crate::verdict::Grade;

use super::Graded;

#[cfg(test)]
mod tests;

/// Allowed states, the required one first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Cell(pub Vec<Graded<StateWanted>>);

/// Owner and label of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StateWanted {
    /// Who owns it.
    pub owner: OwnerWanted,
    /// Its SELinux label.
    pub label: LabelWanted,
}

/// An owner as a matrix names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OwnerWanted {
    /// As before the first step.
    Original,
    /// As the last step left it.
    Kept,
    /// The domain's user and group.
    Vm,
    /// These ids.
    Is(Owner),
}

/// A label as a matrix names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LabelWanted {
    /// As before the first step.
    Original,
    /// As the last step left it.
    Kept,
    /// `svirt_image_t` with the domain's pair of categories.
    Rw,
    /// `svirt_image_t` with the second domain's pair of categories.
    SecondRw,
    /// `svirt_image_t:s0`, for every domain.
    Shared,
    /// `virt_content_t:s0`, for reading only.
    Ro,
    /// This context.
    Is(String),
}

impl fmt::Display for OwnerWanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OwnerWanted::Original => f.write_str("original"),
            OwnerWanted::Kept => f.write_str("kept"),
            OwnerWanted::Vm => f.write_str("vm"),
            OwnerWanted::Is(owner) => owner.fmt(f),
        }
    }
}

impl fmt::Display for LabelWanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            LabelWanted::Original => "original",
            LabelWanted::Kept => "kept",
            LabelWanted::Rw => "rw",
            LabelWanted::SecondRw => "second-rw",
            LabelWanted::Shared => "shared",
            LabelWanted::Ro => "ro",
            LabelWanted::Is(label) => label,
        })
    }
}

impl Serialize for OwnerWanted {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl Serialize for LabelWanted {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl OwnerWanted {
    /// The owner that is meant, given the owner before the first step, the one that the last
    /// step left, and the one that domains run as.
    #[must_use]
    pub fn resolve(&self, original: Owner, kept: Owner, vm: Owner) -> Owner {
        match self {
            OwnerWanted::Original => original,
            OwnerWanted::Kept => kept,
            OwnerWanted::Vm => vm,
            OwnerWanted::Is(owner) => *owner,
        }
    }
}

impl LabelWanted {
    /// The label that is meant, given the label before the first step, the one that the last
    /// step left, and the domain's pair of categories.
    #[must_use]
    pub fn resolve(
        &self,
        original: Option<&str>,
        kept: Option<&str>,
        pair: (u32, u32),
    ) -> Option<String> {
        let writable = |(low, high)| format!("system_u:object_r:svirt_image_t:s0:c{low},c{high}");
        match self {
            LabelWanted::Original => original.map(ToOwned::to_owned),
            LabelWanted::Kept => kept.map(ToOwned::to_owned),
            LabelWanted::Rw => Some(writable(pair)),
            LabelWanted::SecondRw => Some(writable(SECOND_CATEGORY_PAIR)),
            LabelWanted::Shared => Some("system_u:object_r:svirt_image_t:s0".to_owned()),
            LabelWanted::Ro => Some("system_u:object_r:virt_content_t:s0".to_owned()),
            LabelWanted::Is(label) => Some(label.clone()),
        }
    }
}

impl Cell {
    /// Reads `OWNER, LABEL` or one word for both (`original`, `kept`). Further states
    /// follow after ` | `, each with the grade it earns: `kept | info: original`.
    pub(crate) fn parse(text: &str, own: &OwnLabels) -> Result<Self, String> {
        let mut states = Vec::new();
        for (index, part) in text.split(" | ").enumerate() {
            let (grade, state) = if index == 0 {
                (Grade::Pass, part)
            } else {
                grade(part)?
            };
            states.push(Graded {
                grade,
                wanted: StateWanted::parse(state, own)?,
            });
        }
        Ok(Cell(states))
    }
}

fn grade(text: &str) -> Result<(Grade, &str), String> {
    let graded = text.split_once(": ").and_then(|(word, state)| {
        let grade = match word {
            "pass" => Grade::Pass,
            "lenient" => Grade::Lenient,
            "info" => Grade::Info,
            _ => return None,
        };
        Some((grade, state))
    });
    graded.ok_or_else(|| format!("`{text}` doesn't begin with its grade: pass, lenient or info"))
}

impl StateWanted {
    fn parse(text: &str, own: &OwnLabels) -> Result<Self, String> {
        match text.split_once(", ") {
            Some((owner, label)) => Ok(StateWanted {
                owner: OwnerWanted::parse(owner, own)?,
                label: LabelWanted::parse(label, own)?,
            }),
            None if text == "original" => Ok(StateWanted {
                owner: OwnerWanted::Original,
                label: LabelWanted::Original,
            }),
            None if text == "kept" => Ok(StateWanted {
                owner: OwnerWanted::Kept,
                label: LabelWanted::Kept,
            }),
            None => Err(format!("`{text}` is not original, kept or `OWNER, LABEL`")),
        }
    }
}

impl OwnerWanted {
    fn parse(text: &str, own: &OwnLabels) -> Result<Self, String> {
        let ids = |text: &str| {
            Owner::parse(text).map(OwnerWanted::Is).ok_or_else(|| {
                format!("owner `{text}` is not original, kept, vm, disk, store or uid:gid")
            })
        };
        match text {
            "original" => Ok(OwnerWanted::Original),
            "kept" => Ok(OwnerWanted::Kept),
            "vm" => Ok(OwnerWanted::Vm),
            "disk" | "store" => ids(own.get(text, "dac")?),
            _ => ids(text),
        }
    }
}

impl LabelWanted {
    fn parse(text: &str, own: &OwnLabels) -> Result<Self, String> {
        match text {
            "original" => Ok(LabelWanted::Original),
            "kept" => Ok(LabelWanted::Kept),
            "rw" => Ok(LabelWanted::Rw),
            "second-rw" => Ok(LabelWanted::SecondRw),
            "shared" => Ok(LabelWanted::Shared),
            "ro" => Ok(LabelWanted::Ro),
            "disk" | "store" => Ok(LabelWanted::Is(own.get(text, "selinux")?.to_owned())),
            _ if text.contains(':') => Ok(LabelWanted::Is(text.to_owned())),
            _ => Err(format!(
                "label `{text}` is not original, kept, rw, second-rw, shared, ro, disk, store or a \
                 context"
            )),
        }
    }
}
