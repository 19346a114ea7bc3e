//! A worker, and what it still knows of the case before.

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
