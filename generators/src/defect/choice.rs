//! A defect as a recipe chooses it: `name` or `name=number`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use thiserror::Error;

use super::{Defect, Site, catalogue};
use crate::qcow2::{Draft, Plan};
use crate::recipe::RecipeError;

/// One defect, with its number if it takes one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Choice {
    name: &'static str,
    value: Option<u64>,
}

/// Text that names no defect.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum UnknownDefect {
    /// No defect has that name.
    #[error("there is no defect {name:?}")]
    Name {
        /// What was asked for.
        name: String,
    },
    /// The part behind `=` is no number, decimal or with `0x`.
    #[error("{value:?} is not a number for the defect {name:?}")]
    Value {
        /// The defect.
        name: &'static str,
        /// What was given.
        value: String,
    },
    /// The defect has only one form.
    #[error("the defect {name:?} takes no number")]
    NoParameter {
        /// The defect.
        name: &'static str,
    },
}

impl Choice {
    pub(crate) fn new(name: &'static str, value: Option<u64>) -> Choice {
        Choice { name, value }
    }

    /// The defect.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// What the defect is.
    #[must_use]
    pub fn defect(&self) -> Option<&'static Defect> {
        catalogue().find(|defect| defect.name == self.name)
    }

    /// Changes the draft of the image that the recipe calls `file`.
    pub(crate) fn apply(
        &self,
        file: &str,
        plan: &Plan,
        draft: &mut Draft,
    ) -> Result<(), RecipeError> {
        let Some(defect) = self.defect() else {
            return Ok(());
        };
        let default = defect.parameter.map(|parameter| parameter.default);
        let value = self.value.or(default).unwrap_or_default();
        let mut site = Site { file, plan, draft };
        (defect.apply)(&mut site, value).map_err(|lacks| RecipeError::Defect {
            file: file.to_owned(),
            defect: self.name,
            lacks,
        })
    }
}

impl fmt::Display for Choice {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.value {
            None => out.write_str(self.name),
            Some(value) => write!(out, "{}={value}", self.name),
        }
    }
}

impl FromStr for Choice {
    type Err = UnknownDefect;

    fn from_str(text: &str) -> Result<Choice, UnknownDefect> {
        let (name, value) = match text.split_once('=') {
            None => (text, None),
            Some((name, value)) => (name, Some(value)),
        };
        let defect = catalogue().find(|defect| defect.name == name);
        let defect = defect.ok_or_else(|| UnknownDefect::Name {
            name: name.to_owned(),
        })?;
        let name = defect.name;
        let Some(value) = value else {
            return Ok(Choice { name, value: None });
        };
        if defect.parameter.is_none() {
            return Err(UnknownDefect::NoParameter { name });
        }
        let number = match value.strip_prefix("0x") {
            Some(digits) => u64::from_str_radix(digits, 16),
            None => value.parse(),
        };
        let value = number.map_err(|_| UnknownDefect::Value {
            name,
            value: value.to_owned(),
        })?;
        Ok(Choice::new(name, Some(value)))
    }
}

impl Serialize for Choice {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Choice {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Choice, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::a_name("data-file-empty", "data-file-empty")]
    #[case::a_number("version=7", "version=7")]
    #[case::hexadecimal("magic=0x10", "magic=16")]
    #[case::the_default("version", "version")]
    fn a_choice_reads_and_writes_itself(#[case] text: &str, #[case] written: &str) {
        assert_eq!(text.parse::<Choice>().unwrap().to_string(), written);
    }

    #[rstest]
    #[case::no_such_name("nonsense", "there is no defect \"nonsense\"")]
    #[case::no_number("version=two", "\"two\" is not a number for the defect \"version\"")]
    #[case::negative("version=-1", "\"-1\" is not a number for the defect \"version\"")]
    #[case::a_number_too_many(
        "data-file-empty=1",
        "the defect \"data-file-empty\" takes no number"
    )]
    fn other_text_is_an_error(#[case] text: &str, #[case] message: &str) {
        assert_eq!(text.parse::<Choice>().unwrap_err().to_string(), message);
    }
}
