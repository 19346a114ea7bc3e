//! Baselines: a subject's known deviations, each with its reason.

mod cover;
pub mod update;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::{DataError, Fault};
use crate::locate;
use crate::select::Patterns;
use crate::verdict::Verdict;

/// What a deviation does to whoever relies on the subject, worst first.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Other guest bytes than the image holds, as if all was well.
    WrongData,
    /// A file that the image doesn't use is named, opened or labelled, or one that it uses is not.
    WrongFile,
    /// A file of the chain has another owner or label than it must have.
    WrongLabel,
    /// A fact of the header is told wrongly.
    WrongFact,
    /// A credential is told.
    Leak,
    /// The subject dies.
    Crash,
    /// The subject doesn't come to an end.
    Hang,
    /// A good image or domain is refused.
    Refusal,
    /// A bad image or domain is accepted.
    Lenient,
}

impl Severity {
    /// The name as it stands in baselines.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Severity::WrongData => "wrong-data",
            Severity::WrongFile => "wrong-file",
            Severity::WrongLabel => "wrong-label",
            Severity::WrongFact => "wrong-fact",
            Severity::Leak => "leak",
            Severity::Crash => "crash",
            Severity::Hang => "hang",
            Severity::Refusal => "refusal",
            Severity::Lenient => "lenient",
        }
    }
}

/// The known deviations of one subject.
#[derive(Debug, Clone, Default)]
pub struct Baseline {
    deviations: Vec<Deviation>,
}

/// How a reason begins that nobody has written yet.
pub const UNEXPLAINED: &str = "TODO";

/// One known deviation.
#[derive(Debug, Clone)]
pub struct Deviation {
    /// The cases it covers, as written.
    pub cases: String,
    /// The verdict they get.
    pub verdict: Verdict,
    /// How their message begins.
    pub message: String,
    /// What was seen, in a sentence.
    pub reason: String,
    /// What it does to users.
    pub severity: Severity,
    /// The requirement that it breaks.
    pub requirement: String,
    /// Where it is discussed.
    pub link: Option<String>,
    /// Line in the baseline file, for messages about stale entries.
    pub place: String,
    patterns: Patterns,
    /// Versions of the subject that it is true of, where it isn't true of all.
    versions: Option<Patterns>,
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
    cases: OneOrMore,
    verdict: Verdict,
    message: String,
    reason: String,
    severity: Severity,
    requirement: String,
    #[serde(default)]
    link: Option<String>,
    #[serde(default)]
    when: Option<OneOrMore>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMore {
    One(String),
    More(Vec<String>),
}

impl OneOrMore {
    fn list(self) -> Vec<String> {
        match self {
            Self::One(one) => vec![one],
            Self::More(more) => more,
        }
    }
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
            if entry.reason.trim().is_empty() || entry.reason.starts_with(UNEXPLAINED) {
                return Err(at("reason", "a deviation gives its reason".to_owned()));
            }
            let versions = entry.when.map(|when| Patterns::parse(&when.list(), false));
            let versions = versions.transpose();
            let cases = entry.cases.list();
            let patterns = Patterns::parse(&cases, false);
            deviations.push(Deviation {
                place: at("cases", String::new()).place.to_string(),
                cases: cases.join(", "),
                verdict: entry.verdict,
                message: entry.message,
                reason: entry.reason,
                severity: entry.severity,
                requirement: entry.requirement,
                link: entry.link,
                versions: versions.map_err(|error| at("when", error.to_string()))?,
                patterns: patterns.map_err(|error| at("cases", error.to_string()))?,
            });
        }
        Ok(Baseline { deviations })
    }

    /// The baseline with those deviations only that are true of a version of the subject.
    #[must_use]
    pub fn of_version(mut self, version: &str) -> Self {
        self.deviations.retain(|deviation| deviation.is_of(version));
        self
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
        self.apply_where(|_| true, id, verdict, message)
    }

    /// As [`Self::apply`] would after [`Self::of_version`], with numbers of all deviations.
    fn apply_to(
        &self,
        version: &str,
        id: &str,
        verdict: Verdict,
        message: &str,
    ) -> (Verdict, Option<usize>) {
        self.apply_where(|deviation| deviation.is_of(version), id, verdict, message)
    }

    fn apply_where(
        &self,
        counts: impl Fn(&Deviation) -> bool,
        id: &str,
        verdict: Verdict,
        message: &str,
    ) -> (Verdict, Option<usize>) {
        let speaks = |it: &Deviation| it.covers(id) && it.fits(verdict, message);
        let found = self
            .deviations
            .iter()
            .position(|deviation| counts(deviation) && speaks(deviation));
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

    /// Whether the entry is true of a version of the subject.
    #[must_use]
    pub fn is_of(&self, version: &str) -> bool {
        let versions = self.versions.as_ref();
        versions.is_none_or(|versions| versions.matches(version))
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
        message = \"offset 0\"\nreason = \"The backing file shows through.\"\n\
        severity = \"wrong-data\"\nrequirement = \"read.x\"\nwhen = \"10.*\"\n";

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
    #[case("10.0.2", 1)]
    #[case("9.0.0", 0)]
    fn a_deviation_can_be_of_some_versions_only(#[case] version: &str, #[case] count: usize) {
        let baseline = Baseline::parse("b.toml", TEXT).unwrap();
        assert_eq!(baseline.of_version(version).deviations().len(), count);
    }

    #[rstest]
    #[case(
        "verdict = \"wrong-data",
        "verdict = \"pass",
        "b.toml:3:1: `pass` is no deviation"
    )]
    #[case(
        "The backing file shows through.",
        " ",
        "b.toml:5:1: a deviation gives its reason"
    )]
    #[case(
        "The backing file shows through.",
        "TODO: say why",
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
