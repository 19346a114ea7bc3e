//! The event model: what stands in `run.jsonl`.

use std::collections::BTreeMap;

use qconform_scenarios::requirement::Requirement;
use qconform_scenarios::verdict::{Level, Verdict};
use serde::{Deserialize, Serialize};

/// Version of the format, in every header. Readers ignore keys that they don't know.
pub const FORMAT: u32 = 1;

/// One line of `run.jsonl`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// First line: what ran, where, on which machine.
    Header(Box<RunHeader>),
    /// A case ended for a subject.
    Case(Box<CaseEvent>),
    /// Last line.
    Footer(RunFooter),
}

/// What a run is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunHeader {
    /// [`FORMAT`].
    pub format: u32,
    /// Version of the tool.
    pub tool: String,
    /// Version of the suite; `own` for scenario files of the user's.
    pub suite: String,
    /// SHA-256 of the suite, in hex.
    pub suite_digest: String,
    /// When the run began, RFC 3339 in UTC.
    pub started: String,
    /// The command line, word by word.
    pub command: Vec<String>,
    /// Seed of every fixture.
    pub seed: u64,
    /// How many cases were selected.
    pub selected: u64,
    /// Who was tested, in the order of the command line.
    pub subjects: Vec<SubjectInfo>,
    /// What this machine can do.
    pub capabilities: Vec<CapabilityInfo>,
    /// The requirements that the selected cases cite.
    pub requirements: Vec<Requirement>,
}

/// A subject.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubjectInfo {
    /// Name as on the command line.
    pub name: String,
    /// Version of the implementation.
    pub version: String,
    /// Levels that it can be asked for.
    pub levels: Vec<Level>,
}

/// A capability of the machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CapabilityInfo {
    /// Its name, as `doctor` and `--require` call it.
    pub name: String,
    /// Whether it is there.
    pub present: bool,
    /// What was found.
    pub detail: String,
}

/// How a case ended for a subject.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaseEvent {
    /// The case's id.
    pub case: String,
    /// The subject's name.
    pub subject: String,
    /// What the case shows.
    pub title: String,
    /// Its level.
    pub level: Level,
    /// Ids of the requirements it tests.
    pub requirements: Vec<String>,
    /// The judge's word.
    pub verdict: Verdict,
    /// Why, in one line; empty for a pass.
    pub message: String,
    /// Expected beside observed, for what was compared and differs.
    pub differences: Vec<Difference>,
    /// Why the baseline expects a deviation, where it does.
    pub known_reason: Option<String>,
    /// The command that repeats the case.
    pub repeat: String,
    /// Time that the case took, in microseconds.
    pub micros: u64,
}

/// Something that is not as expected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    /// When and where: `start: disk.raw owner`, `guest offset 0`, `data-file`.
    pub place: String,
    /// What was expected.
    pub expected: String,
    /// What was observed.
    pub observed: String,
}

/// The end of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunFooter {
    /// Whether every selected case ended; false after an interruption.
    pub complete: bool,
    /// Verdicts counted for each subject; zeros are left out.
    pub counts: BTreeMap<String, BTreeMap<Verdict, u64>>,
    /// Baseline entries that no longer fit, as messages with their place.
    pub stale: Vec<String>,
    /// Wall time of the run, in milliseconds.
    pub millis: u64,
}
