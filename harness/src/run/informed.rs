//! Workers, and what each still knows of the case before.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;
use std::time::Duration;

use qconform_scenarios::file::CaseFiles;

use crate::observe::Snapshot;
use crate::sandbox::{CallError, SandboxError, Settings, Worker};
use crate::subject::adapter::Launch;
use crate::worker::{CaseOrder, Observation, Order, Reply};

/// A worker that need not be told twice.
pub(super) struct Informed {
    worker: Worker,
    known: Option<Known>,
}

/// The files of the case that a worker answered last, and what it saw of them before it asked.
struct Known {
    files: Arc<CaseFiles>,
    before: Snapshot,
}

/// Workers by subject: one for each adapter, so that none can reach another; the built-in subjects
/// share the one without a name.
#[derive(Default)]
pub(super) struct Workers(BTreeMap<String, Informed>);

impl Workers {
    /// The worker for a subject, started if there is none.
    pub(super) fn of(
        &mut self,
        subject: &str,
        launch: Option<&Launch>,
        settings: &Settings,
    ) -> Result<&mut Informed, SandboxError> {
        match self.0.entry(key(subject, launch)) {
            Entry::Occupied(worker) => Ok(worker.into_mut()),
            Entry::Vacant(place) => Ok(place.insert(Informed::start(launch, settings)?)),
        }
    }

    /// Ends the workers for other adapters than these.
    pub(super) fn keep(&mut self, is_wanted: impl Fn(&str) -> bool) {
        self.0
            .retain(|adapter, _| adapter.is_empty() || is_wanted(adapter));
    }

    /// Ends the worker for a subject.
    pub(super) fn end(&mut self, subject: &str, launch: Option<&Launch>) {
        self.0.remove(&key(subject, launch));
    }
}

fn key(subject: &str, launch: Option<&Launch>) -> String {
    launch.map_or("", |_| subject).to_owned()
}

/// Why a worker gave no reply that can be used.
pub(super) enum Failure {
    /// It is dead.
    Call(CallError),
    /// The harness is at fault.
    Harness(String),
}

impl From<serde_json::Error> for Failure {
    fn from(error: serde_json::Error) -> Self {
        Failure::Harness(error.to_string())
    }
}

impl Informed {
    /// Starts a worker, for an adapter if one is to be started there.
    pub(super) fn start(
        launch: Option<&Launch>,
        settings: &Settings,
    ) -> Result<Self, SandboxError> {
        let worker = match launch {
            Some(launch) => Worker::start(&launch.settings(settings))?,
            None => Worker::start(settings)?,
        };
        Ok(Informed {
            worker,
            known: None,
        })
    }

    /// Has a case run.
    pub(super) fn observe(
        &mut self,
        order: CaseOrder,
        deadline: Duration,
    ) -> Result<Observation, Failure> {
        let files = Arc::clone(&order.files);
        // Taken: what a worker knows that failed is uncertain.
        let known = self.known.take();
        let known = known.filter(|known| Arc::ptr_eq(&known.files, &files));
        let order = Order::case(order, known.is_some());
        let Reply::Observed(told) = self.call(&order, deadline)? else {
            let message = "the worker answered another question";
            return Err(Failure::Harness(message.to_owned()));
        };
        let seen = told.observation(known.map(|known| known.before));
        let left_out = || Failure::Harness("the worker left out what nobody knows".to_owned());
        let seen = seen.ok_or_else(left_out)?;
        self.known = Some(Known {
            files,
            before: seen.before.clone(),
        });
        Ok(seen)
    }

    /// Gives any order, which the worker can carry out.
    pub(super) fn call(&mut self, order: &Order, deadline: Duration) -> Result<Reply, Failure> {
        let request = serde_json::to_vec(order)?;
        let reply = self
            .worker
            .call(&request, deadline)
            .map_err(Failure::Call)?;
        match serde_json::from_slice(&reply)? {
            Reply::Failed { message } => Err(Failure::Harness(message)),
            reply => Ok(reply),
        }
    }
}
