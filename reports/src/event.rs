//! The event model: what stands in `run.jsonl`.

use std::collections::BTreeMap;
use std::sync::Arc;

use qconform_scenarios::baseline::Severity;
use qconform_scenarios::requirement::Requirement;
use qconform_scenarios::verdict::{Level, Verdict};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

mod setup;

pub use setup::{Head, Link, Setup, SetupFile, Wanted};

/// Version of the format, in every header. Keys may be added without a new version:
/// readers ignore those that they don't know, and a key added later has a default.
pub const FORMAT: u32 = 1;

/// One line of `run.jsonl`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// First line: what ran, where, on which machine.
    Header(Box<RunHeader>),
    /// What a case consists of; once for each case, before or after its verdicts.
    Setup(Box<Setup>),
    /// A case ended for a subject.
    Case(Box<CaseEvent>),
    /// Last line.
    Footer(RunFooter),
}

/// What a run is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
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
    /// How many cases were selected; of a shard, how many fall to it.
    pub selected: u64,
    /// Which part of the selection this run holds; absent from a run of all of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shard: Option<Shard>,
    /// Who was tested, in the order of the command line.
    pub subjects: Vec<SubjectInfo>,
    /// What this machine can do.
    pub capabilities: Vec<CapabilityInfo>,
    /// The requirements that the selected cases cite.
    pub requirements: Vec<Requirement>,
}

/// One of several runs that together hold a selection, each case in exactly one of them.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
pub struct Shard {
    /// Its number, from 1.
    pub index: u32,
    /// How many there are.
    pub total: u32,
}

impl std::fmt::Display for Shard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.index, self.total)
    }
}

/// A subject.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SubjectInfo {
    /// Name as on the command line.
    pub name: String,
    /// Version of the implementation.
    pub version: String,
    /// Levels that it can be asked for.
    pub levels: Vec<Level>,
}

/// A capability of the machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CapabilityInfo {
    /// Its name, as `doctor` and `--require` call it.
    pub name: String,
    /// Whether it is there.
    pub present: bool,
    /// What was found.
    pub detail: String,
}

/// How a case ended for a subject.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CaseEvent {
    /// The case's id.
    pub case: Arc<str>,
    /// The subject's name.
    pub subject: Arc<str>,
    /// What the case shows.
    pub title: Arc<str>,
    /// Its level.
    pub level: Level,
    /// Ids of the requirements it tests.
    pub requirements: Arc<[Arc<str>]>,
    /// The judge's word.
    pub verdict: Verdict,
    /// Why, in one line; empty for a pass.
    pub message: String,
    /// Expected beside observed, for what was compared and differs.
    pub differences: Vec<Difference>,
    /// States after a step that are not the required one, allowed or not. Every other cell
    /// of the setup's matrix was as required, as far as its step was observed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cells: Vec<CellSeen>,
    /// How many steps of a label case were observed.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub steps: u32,
    /// Why the baseline expects a deviation, where it does.
    pub known_reason: Option<String>,
    /// What the baseline says of the deviation, where it expects one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deviation: Option<Deviation>,
    /// The command that repeats the case.
    pub repeat: String,
    /// Time that the case took, in microseconds.
    pub micros: u64,
}

impl CaseEvent {
    /// What a deviation does to users, as far as it can be told from outside; a baseline knows
    /// better.
    #[must_use]
    pub fn severity(&self) -> Severity {
        match (self.verdict, self.level) {
            (Verdict::WrongData, _) => Severity::WrongData,
            (Verdict::Crashed, _) => Severity::Crash,
            (Verdict::TimedOut, _) => Severity::Hang,
            (_, Level::Label) => Severity::WrongLabel,
            (_, Level::Header) => Severity::WrongFact,
            _ => Severity::WrongFile,
        }
    }

    /// The message, unless it is empty or says no more than the first difference.
    #[must_use]
    pub fn reason(&self) -> Option<&str> {
        let told = self.differences.first().is_some_and(|first| {
            let rest = self.message.strip_prefix(first.place.as_str());
            rest.is_some_and(|rest| rest.starts_with(": expected "))
        });
        (!told && !self.message.is_empty()).then_some(self.message.as_str())
    }
}

/// What a baseline says of a case that fails as expected, beside the reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Deviation {
    /// The verdict that the case has without the baseline.
    pub verdict: Verdict,
    /// What it does to users.
    pub severity: Severity,
    /// The requirement that it breaks.
    pub requirement: String,
    /// Where it is discussed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
}

/// Something that is not as expected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Difference {
    /// When and where: `start: disk.raw owner`, `guest offset 0`, `data-file`.
    pub place: String,
    /// What was expected.
    pub expected: String,
    /// What was observed.
    pub observed: String,
}

/// The state of a file after a step, where it is not the required one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CellSeen {
    /// The step.
    pub step: String,
    /// The file.
    pub file: String,
    /// The required state.
    pub expected: State,
    /// The state that was observed.
    pub observed: State,
    /// Whether the case tolerates what was observed.
    pub allowed: bool,
}

/// Who may use a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct State {
    /// `uid:gid`.
    pub owner: String,
    /// SELinux label; null for none.
    pub label: Option<String>,
}

/// The scenario of a case: its id without the choices of axes.
#[must_use]
pub fn scenario(id: &str) -> &str {
    match id.rsplit_once('/') {
        Some((scenario, axes)) if axes.contains('=') => scenario,
        _ => id,
    }
}

fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// The end of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RunFooter {
    /// Whether every selected case ended; false after an interruption.
    pub complete: bool,
    /// Verdicts counted for each subject; zeros are left out.
    pub counts: BTreeMap<String, BTreeMap<Verdict, u64>>,
    /// Baseline entries that no longer fit, as messages with their place.
    pub stale: Vec<String>,
    /// Baseline entries that cases of a shard bear on. Whether one is stale shows only when
    /// all shards are merged.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub baseline: Vec<BaselineUse>,
    /// Wall time of the run, in milliseconds.
    pub millis: u64,
}

/// A baseline entry as a shard saw it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BaselineUse {
    /// What to say of it if no shard saw its deviation.
    pub stale: String,
    /// Whether a case failed as it says.
    pub seen: bool,
}
