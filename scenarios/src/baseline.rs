//! Baselines: a subject's known deviations, each with its reason.

use serde::Deserialize;

use crate::error::{DataError, Fault};
use crate::locate;
use crate::select::Patterns;
use crate::verdict::Verdict;

/// The known deviations of one subject.
#[derive(Debug, Clone, Default)]
pub struct Baseline {
    deviations: Vec<Deviation>,
}

/// One known deviation.
#[derive(Debug, Clone)]
pub struct Deviation {
    /// The cases it covers, as written.
    pub cases: String,
    /// The verdict they get.
    pub verdict: Verdict,
    /// How their message begins.
    pub message: String,
    /// Why this is so, in a sentence.
    pub reason: String,
    /// Line in the baseline file, for messages about stale entries.
    pub place: String,
    patterns: Patterns,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    deviation: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Entry {
    cases: String,
    verdict: Verdict,
    message: String,
    reason: String,
    #[serde(default, rename = "link")]
    _link: Option<String>,
}

impl Baseline {
    /// Reads a baseline file. `name` is used in errors.
    pub fn parse(name: &str, text: &str) -> Result<Self, DataError> {
        let file: File =
            toml::from_str(text).map_err(|error| locate::syntax(name, text, &error))?;
        let mut deviations = Vec::new();
        for (index, entry) in file.deviation.into_iter().enumerate() {
            let at = |key, message: String| {
                let fault = Fault::at(["deviation", &index.to_string(), key], message);
                locate::error(name, text, fault)
            };
            if !entry.verdict.is_failure() {
                let message = format!("`{}` is no deviation", entry.verdict.as_str());
                return Err(at("verdict", message));
            }
            if entry.reason.trim().is_empty() {
                return Err(at("reason", "a deviation gives its reason".to_owned()));
            }
            let patterns = Patterns::parse(std::slice::from_ref(&entry.cases), false)
                .map_err(|error| at("cases", error.to_string()))?;
            deviations.push(Deviation {
                place: at("cases", String::new()).place.to_string(),
                cases: entry.cases,
                verdict: entry.verdict,
                message: entry.message,
                reason: entry.reason,
                patterns,
            });
        }
        Ok(Baseline { deviations })
    }

    /// The deviations, in the order of the file.
    #[must_use]
    pub fn deviations(&self) -> &[Deviation] {
        &self.deviations
    }

    /// What a verdict becomes in the light of the baseline, with the number of the
    /// deviation that speaks of the case, if one does.
    #[must_use]
    pub fn apply(&self, id: &str, verdict: Verdict, message: &str) -> (Verdict, Option<usize>) {
        let found = self
            .deviations
            .iter()
            .position(|deviation| deviation.covers(id) && deviation.fits(verdict, message));
        match (found, verdict) {
            (Some(index), Verdict::Pass) => (Verdict::Fixed, Some(index)),
            (Some(index), _) => (Verdict::Known, Some(index)),
            (None, _) => (verdict, None),
        }
    }
}

impl Deviation {
    /// Whether the entry speaks of a case.
    #[must_use]
    pub fn covers(&self, id: &str) -> bool {
        self.patterns.matches(id)
    }

    fn fits(&self, verdict: Verdict, message: &str) -> bool {
        verdict == Verdict::Pass || verdict == self.verdict && message.starts_with(&self.message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    const TEXT: &str = "[[deviation]]\ncases = \"read/raw-flag/*\"\nverdict = \"wrong-data\"\n\
        message = \"offset 0\"\nreason = \"The backing file shows through.\"\n";

    #[rstest]
    #[case::the_known_failure(
        "read/raw-flag/a=1",
        Verdict::WrongData,
        "offset 0: x",
        Verdict::Known
    )]
    #[case::another_message(
        "read/raw-flag/a=1",
        Verdict::WrongData,
        "offset 9",
        Verdict::WrongData
    )]
    #[case::another_verdict("read/raw-flag/a=1", Verdict::Crashed, "offset 0", Verdict::Crashed)]
    #[case::an_unexpected_pass("read/raw-flag/a=1", Verdict::Pass, "", Verdict::Fixed)]
    #[case::another_case("read/other", Verdict::WrongData, "offset 0", Verdict::WrongData)]
    #[case::a_skipped_case("read/raw-flag/a=1", Verdict::Skipped, "", Verdict::Skipped)]
    fn a_verdict_is_seen_in_the_light_of_the_baseline(
        #[case] id: &str,
        #[case] verdict: Verdict,
        #[case] message: &str,
        #[case] expected: Verdict,
    ) {
        let baseline = Baseline::parse("b.toml", TEXT).unwrap();
        assert_eq!(baseline.apply(id, verdict, message).0, expected);
    }

    #[rstest]
    #[case("wrong-data", "pass", "b.toml:3:1: `pass` is no deviation")]
    #[case(
        "The backing file shows through.",
        " ",
        "b.toml:5:1: a deviation gives its reason"
    )]
    fn a_bad_entry_is_an_error_with_its_line(
        #[case] from: &str,
        #[case] to: &str,
        #[case] message: &str,
    ) {
        let error = Baseline::parse("b.toml", &TEXT.replace(from, to)).unwrap_err();
        assert_eq!(error.to_string(), message);
    }
}
