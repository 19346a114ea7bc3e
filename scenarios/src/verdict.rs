//! What the judge can say of an observation.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The level of a case: what it asks. Reported apart, because implementations
/// differ between levels.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// Facts in the header.
    Header,
    /// Every file of an image's chain, opened for reading.
    Open,
    /// Guest bytes at given offsets.
    Read,
    /// The files that a labeller must cover, and how each is used.
    Access,
    /// Owners and labels, step by step.
    Label,
    /// The graph of block nodes that QEMU would be given.
    Blockdev,
    /// A domain read and written again.
    Xml,
}

impl Level {
    /// Every level, in the order of reports.
    pub const ALL: [Level; 7] = [
        Level::Header,
        Level::Open,
        Level::Read,
        Level::Access,
        Level::Label,
        Level::Blockdev,
        Level::Xml,
    ];

    /// The name used in ids, files and reports.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Level::Header => "header",
            Level::Open => "open",
            Level::Read => "read",
            Level::Access => "access",
            Level::Label => "label",
            Level::Blockdev => "blockdev",
            Level::Xml => "xml",
        }
    }
}

/// How good an allowed outcome is. A scenario grades each outcome it allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Grade {
    /// What is required.
    Pass,
    /// Tolerated: a `should` that isn't met.
    Lenient,
    /// Noted: a `may`, or something that no rule decides.
    Info,
}

/// The judge's word on one case and one subject.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// As required.
    Pass,
    /// A `should` or `may` that isn't met.
    Lenient,
    /// An outcome that is noted, not judged.
    Info,
    /// Not as required.
    Fail,
    /// The subject returned other guest bytes than the image holds, as if all was well.
    WrongData,
    /// The subject died, or broke its protocol.
    Crashed,
    /// The subject did not answer in time.
    TimedOut,
    /// Fails as its baseline says.
    Known,
    /// In the baseline, but passes.
    Fixed,
    /// A capability is missing on this machine.
    Skipped,
    /// The subject doesn't do what the case asks.
    Unsupported,
    /// The harness itself could not run the case.
    HarnessError,
}

impl Verdict {
    /// Every verdict, in the order of reports.
    pub const ALL: [Verdict; 12] = [
        Verdict::WrongData,
        Verdict::Crashed,
        Verdict::TimedOut,
        Verdict::Fail,
        Verdict::HarnessError,
        Verdict::Fixed,
        Verdict::Lenient,
        Verdict::Known,
        Verdict::Info,
        Verdict::Skipped,
        Verdict::Unsupported,
        Verdict::Pass,
    ];

    /// The name used in files and reports.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Verdict::Pass => "pass",
            Verdict::Lenient => "lenient",
            Verdict::Info => "info",
            Verdict::Fail => "fail",
            Verdict::WrongData => "wrong-data",
            Verdict::Crashed => "crashed",
            Verdict::TimedOut => "timed-out",
            Verdict::Known => "known",
            Verdict::Fixed => "fixed",
            Verdict::Skipped => "skipped",
            Verdict::Unsupported => "unsupported",
            Verdict::HarnessError => "harness-error",
        }
    }

    /// Whether the subject does not conform because of this verdict.
    #[must_use]
    pub fn is_failure(self) -> bool {
        matches!(
            self,
            Verdict::Fail | Verdict::WrongData | Verdict::Crashed | Verdict::TimedOut
        )
    }
}

impl From<Grade> for Verdict {
    fn from(grade: Grade) -> Self {
        match grade {
            Grade::Pass => Verdict::Pass,
            Grade::Lenient => Verdict::Lenient,
            Grade::Info => Verdict::Info,
        }
    }
}
