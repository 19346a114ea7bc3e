//! What the harness and its workers say to each other.

use std::sync::Arc;

use qconform_scenarios::case::{Ask, Step};
use qconform_scenarios::file::{CaseFiles, FileSystem};
use serde::{Deserialize, Serialize};

use super::told::Told;
use crate::observe::{Snapshot, Touch};
use crate::subject::adapter::Launch;
use crate::subject::adapter::check::Line;
use crate::subject::{Answer, Description};

/// A request to a worker.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Order {
    /// Say what a subject is.
    Describe {
        /// The subject's name.
        subject: String,
        /// How it is started, if it is an adapter.
        launch: Option<Launch>,
    },
    /// Check an adapter.
    Check {
        /// How it is started.
        launch: Launch,
    },
    /// Run one case.
    Case {
        /// The fixture; `None` for that of the case before.
        files: Option<Arc<CaseFiles>>,
        /// The case.
        case: Box<CaseOrder>,
    },
}

impl Order {
    /// The order to run a case, with its files unless the worker was told of them for the case
    /// before.
    #[must_use]
    pub fn case(case: CaseOrder, told: bool) -> Self {
        Order::Case {
            files: (!told).then(|| Arc::clone(&case.files)),
            case: Box::new(case),
        }
    }
}

/// One case for one subject.
#[derive(Debug, Serialize, Deserialize)]
pub struct CaseOrder {
    /// The subject's name.
    pub subject: String,
    /// How it is started, if it is an adapter.
    pub launch: Option<Launch>,
    /// Seed of the fixture.
    pub seed: u64,
    /// The fixture, which [`Order::Case`] tells.
    #[serde(skip)]
    pub files: Arc<CaseFiles>,
    /// What the fixture lies on.
    #[serde(default)]
    pub filesystem: FileSystem,
    /// The question.
    pub ask: Ask,
    /// Beginnings of the names of attributes in which the subject keeps records.
    pub records: Vec<String>,
}

/// A worker's reply.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reply {
    /// What the subject is.
    Described(Description),
    /// How an adapter did.
    Checked {
        /// Each thing that it was asked.
        lines: Vec<Line>,
    },
    /// What was seen.
    Observed(Box<Told>),
    /// The harness could not do it.
    Failed {
        /// Why.
        message: String,
    },
}

/// Everything that was seen of a case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observation {
    /// The fixture before the subject saw it.
    pub before: Snapshot,
    /// One stage for each step; a case without steps has one.
    pub stages: Vec<Stage>,
    /// The first bytes of the image whose header is asked about, in hex, for reports.
    pub head: Option<String>,
}

/// One question, its answer, and the fixture afterwards.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stage {
    /// The step; `None` for a case that has none.
    pub step: Option<Step>,
    /// What the subject answered.
    pub answer: Answer,
    /// The fixture afterwards.
    pub after: Snapshot,
    /// Names of the files in the subject's state folder.
    pub state: Vec<String>,
    /// What happened to decoys, and where an image is opened to every file.
    pub touches: Vec<Touch>,
}
