//! Requirements: one sentence each that an implementation must, should or may fulfil.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::{DataError, Fault};
use crate::locate;

/// How strictly a requirement binds, in the words of RFC 2119.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Strength {
    /// Not fulfilling it is a failure.
    Must,
    /// Not fulfilling it is reported as lenient.
    Should,
    /// Either way is fine.
    May,
    /// A statement of what is customary.
    Info,
}

impl Strength {
    /// The word as it stands in the requirements file.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Strength::Must => "must",
            Strength::Should => "should",
            Strength::May => "may",
            Strength::Info => "info",
        }
    }
}

/// One sentence with its source. Stands in reports, too, whose readers ignore keys that
/// they don't know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Requirement {
    /// Stable id, `area.topic`.
    pub id: String,
    /// How strictly it binds.
    pub strength: Strength,
    /// The sentence.
    pub text: String,
    /// Why it matters: what goes wrong otherwise.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub why: String,
    /// Where it comes from: a section of the specification, a libvirt document, a CVE.
    pub source: String,
    /// Whether breaking it can hand a host file to a guest or touch a bystander.
    #[serde(default)]
    pub security: bool,
}

/// All requirements, by id.
#[derive(Debug, Clone, Default)]
pub struct Requirements {
    by_id: BTreeMap<String, Requirement>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    requirement: Vec<Entry>,
}

/// A requirement as the file writes it; there, an unknown key is a mistake.
#[derive(Deserialize)]
#[serde(remote = "Requirement", rename_all = "kebab-case", deny_unknown_fields)]
struct Strict {
    id: String,
    strength: Strength,
    text: String,
    why: String,
    source: String,
    #[serde(default)]
    security: bool,
}

#[derive(Deserialize)]
#[serde(transparent)]
struct Entry(#[serde(with = "Strict")] Requirement);

impl Requirements {
    /// Reads a requirements file. `name` is used in errors.
    pub fn parse(name: &str, text: &str) -> Result<Self, DataError> {
        let file: File =
            toml::from_str(text).map_err(|error| locate::syntax(name, text, &error))?;
        let mut by_id = BTreeMap::new();
        for (index, Entry(requirement)) in file.requirement.into_iter().enumerate() {
            let id = requirement.id.clone();
            if by_id.insert(id.clone(), requirement).is_some() {
                let fault = Fault::at(
                    ["requirement", &index.to_string(), "id"],
                    format!("requirement `{id}` is defined twice"),
                );
                return Err(locate::error(name, text, fault));
            }
        }
        Ok(Requirements { by_id })
    }

    /// The requirement with this id.
    #[must_use]
    pub fn get(&self, id: &str) -> Option<&Requirement> {
        self.by_id.get(id)
    }

    /// All of them, ordered by id.
    pub fn iter(&self) -> impl Iterator<Item = &Requirement> {
        self.by_id.values()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "[[requirement]]\nid = \"a.b\"\nstrength = \"must\"\ntext = \"T.\"\nwhy = \"W.\"\nsource = \"S\"\n";

    #[test]
    fn a_requirement_defined_twice_is_an_error_with_its_line() {
        let error = Requirements::parse("r.toml", &format!("{ONE}{ONE}")).unwrap_err();
        assert_eq!(
            error.to_string(),
            "r.toml:8:1: requirement `a.b` is defined twice"
        );
    }

    #[test]
    fn an_unknown_key_is_an_error_with_its_line() {
        let text = format!("{ONE}url = \"x\"\n");
        let error = Requirements::parse("r.toml", &text).unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("r.toml:7:1: unknown field `url`"),
            "{error}"
        );
    }

    #[test]
    fn a_wrong_strength_is_an_error_with_its_line() {
        let text = ONE.replace("must", "shall");
        let error = Requirements::parse("r.toml", &text).unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("r.toml:3:12: unknown variant `shall`"),
            "{error}"
        );
    }
}
