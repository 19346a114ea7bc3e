//! Bugs that happened, and the cases that show each.

use serde::{Deserialize, Serialize};

use crate::error::{DataError, Fault};
use crate::locate;
use crate::select::{PatternError, Patterns};

/// A bug of some program.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Bug {
    /// Stable id, `program-topic`.
    pub id: String,
    /// Whose bug it is.
    pub program: String,
    /// Reports, CVEs, commits that fixed it.
    pub references: Vec<String>,
    /// The versions that have it.
    pub affected: String,
    /// What was wrong.
    pub cause: String,
    /// Whether it handed a file to somebody who must not have it.
    pub security: bool,
    /// How the suite shows it.
    #[serde(flatten)]
    pub shown: Shown,
}

/// How the suite shows a bug.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", untagged)]
pub enum Shown {
    /// By cases that a program with the bug fails.
    By {
        /// Their ids, or patterns of them.
        cases: Vec<String>,
    },
    /// Not at all.
    #[serde(rename_all = "kebab-case")]
    Not {
        /// Why no case can.
        not_shown: String,
        /// Cases that come near.
        nearest: Vec<String>,
    },
}

impl Shown {
    /// Patterns of the cases that it names, be they the ones that show it or the nearest.
    #[must_use]
    pub fn patterns(&self) -> &[String] {
        match self {
            Shown::By { cases } => cases,
            Shown::Not { nearest, .. } => nearest,
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    bug: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Entry {
    id: String,
    program: String,
    references: Vec<String>,
    affected: String,
    cause: String,
    #[serde(default)]
    security: bool,
    #[serde(default)]
    cases: Vec<String>,
    not_shown: Option<String>,
    #[serde(default)]
    nearest: Vec<String>,
}

impl Entry {
    fn build(self) -> Result<Bug, String> {
        if self.references.is_empty() {
            return Err("a bug has at least one reference".to_owned());
        }
        let shown = match (self.cases.is_empty(), self.not_shown) {
            (false, None) if self.nearest.is_empty() => Shown::By { cases: self.cases },
            (true, Some(not_shown)) => Shown::Not {
                not_shown,
                nearest: self.nearest,
            },
            _ => return Err("give either `cases`, or `not-shown` with `nearest`".to_owned()),
        };
        let bug = Bug {
            id: self.id,
            program: self.program,
            references: self.references,
            affected: self.affected,
            cause: self.cause,
            security: self.security,
            shown,
        };
        bug.selects().map_err(|error| error.to_string())?;
        Ok(bug)
    }
}

impl Bug {
    /// Reads a catalogue. `name` is used in errors.
    pub fn parse_all(name: &str, text: &str) -> Result<Vec<Self>, DataError> {
        let file: File =
            toml::from_str(text).map_err(|error| locate::syntax(name, text, &error))?;
        let mut bugs: Vec<Self> = Vec::new();
        for (index, entry) in file.bug.into_iter().enumerate() {
            let at = |key: &str, message: String| {
                let fault = Fault::at(["bug", &index.to_string(), key], message);
                locate::error(name, text, fault)
            };
            if bugs.iter().any(|bug| bug.id == entry.id) {
                return Err(at("id", format!("bug `{}` stands there twice", entry.id)));
            }
            bugs.push(entry.build().map_err(|message| at("id", message))?);
        }
        Ok(bugs)
    }

    /// The cases that it names, each pattern by itself.
    pub fn selects(&self) -> Result<Vec<Patterns>, PatternError> {
        let patterns = self.shown.patterns().iter();
        patterns
            .map(|text| Patterns::parse(std::slice::from_ref(text), false))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    const ONE: &str = "[[bug]]\nid = \"a\"\nprogram = \"P\"\nreferences = [\"r\"]\n\
        affected = \"1\"\ncause = \"C.\"\ncases = [\"label/x/**\"]\n";

    #[rstest]
    #[case::neither(
        "cases = [\"label/x/**\"]\n",
        "",
        "b.toml:2:1: give either `cases`, or `not-shown` with `nearest`"
    )]
    #[case::both(
        "cause",
        "not-shown = \"n\"\ncause",
        "b.toml:2:1: give either `cases`, or `not-shown` with `nearest`"
    )]
    #[case::no_reference("[\"r\"]", "[]", "b.toml:2:1: a bug has at least one reference")]
    #[case::a_pattern_that_is_none(
        "label/x/**",
        "label/[",
        "b.toml:2:1: `label/[` is not a pattern: unclosed character class; missing ']'"
    )]
    fn a_bad_entry_is_an_error_with_its_line(
        #[case] from: &str,
        #[case] to: &str,
        #[case] message: &str,
    ) {
        let error = Bug::parse_all("b.toml", &ONE.replacen(from, to, 1)).unwrap_err();
        assert_eq!(error.to_string(), message);
    }

    #[test]
    fn a_bug_that_stands_there_twice_is_an_error() {
        let error = Bug::parse_all("b.toml", &format!("{ONE}{ONE}")).unwrap_err();
        assert_eq!(error.to_string(), "b.toml:9:1: bug `a` stands there twice");
    }
}
