//! What a worker does inside the sandbox: write a case's fixture, ask the subject,
//! observe. It knows the question, never the expectation.

use std::io;
use std::path::Path;
use std::sync::Arc;

use qconform_scenarios::FIXTURE_DIR;
use qconform_scenarios::file::CaseFiles;

mod ask;
mod fixture;
pub(crate) mod ground;
mod order;
mod told;

use fixture::Fixture;
pub use order::{CaseOrder, Observation, Order, Reply, Stage};
pub use told::Told;

use crate::observe::{Observer, Snapshot, Watch};
use crate::subject::adapter::check;
use crate::subject::adapter::{Adapter, Launch};
use crate::subject::{Registry, Subject};

/// Where a subject may keep what it needs to know of labelled files, empty before each case.
pub const STATE_DIR: &str = "/tmp/state";

/// Answers requests, one after the other.
pub struct Service<'a> {
    registry: &'a Registry,
    adapter: Option<Adapter>,
    watch: Option<Watch>,
    observer: Observer,
    fixture: Fixture,
    /// Those of the last case.
    files: Option<Arc<CaseFiles>>,
    /// What was told of them.
    before: Option<Snapshot>,
}

impl std::fmt::Debug for Service<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Service").finish_non_exhaustive()
    }
}

impl<'a> Service<'a> {
    /// A service that makes its subjects with `registry`.
    #[must_use]
    pub fn new(registry: &'a Registry) -> Self {
        Service {
            registry,
            adapter: None,
            watch: None,
            observer: Observer::default(),
            fixture: Fixture::default(),
            files: None,
            before: None,
        }
    }

    /// Answers one request; the request and the reply are JSON.
    pub fn serve(&mut self, request: &[u8]) -> Vec<u8> {
        let reply = match serde_json::from_slice(request) {
            Ok(order) => self.obey(order),
            Err(error) => Err(format!("the worker got a bad request: {error}")),
        };
        let reply = reply.unwrap_or_else(|message| Reply::Failed { message });
        serde_json::to_vec(&reply).unwrap_or_default()
    }

    fn obey(&mut self, order: Order) -> Result<Reply, String> {
        match order {
            Order::Describe {
                launch: Some(launch),
                ..
            } => self.adapter(launch).describe().map(Reply::Described),
            Order::Describe { subject, .. } => {
                self.open(&subject)?.describe().map(Reply::Described)
            }
            Order::Check { launch } => self
                .fixture
                .clear()
                .and_then(|()| check::check(launch, Path::new(FIXTURE_DIR)))
                .map(|lines| Reply::Checked { lines })
                .map_err(|error| format!("the images can't be made: {error}")),
            Order::Case { files, mut case } => {
                // Whoever tells of files knows nothing of those of the case before.
                let known = self.before.take().filter(|_| files.is_none());
                let files = files.or_else(|| self.files.take());
                case.files = files.ok_or("the worker was never told of the case's files")?;
                self.files = Some(Arc::clone(&case.files));
                let observation = self.case(*case)?;
                self.before = Some(observation.before.clone());
                let told = Told::of(observation, known.as_ref());
                Ok(Reply::Observed(Box::new(told)))
            }
        }
    }

    fn case(&mut self, case: CaseOrder) -> Result<Observation, String> {
        let failed = |error| format!("the fixture can't be made or observed: {error}");
        let Some(launch) = &case.launch else {
            let mut subject = self.open(&case.subject)?;
            return self.run(case, subject.as_mut()).map_err(failed);
        };
        self.adapter(launch.clone());
        // Taken out, because the service is needed, too.
        let Some(mut adapter) = self.adapter.take() else {
            return Err("there is no adapter".to_owned());
        };
        let observation = adapter
            .begin_case()
            .and_then(|()| self.run(case, &mut adapter));
        adapter.end_case();
        self.adapter = Some(adapter);
        observation.map_err(failed)
    }

    /// The worker's one adapter, which goes on from case to case.
    fn adapter(&mut self, launch: Launch) -> &mut Adapter {
        let same = self
            .adapter
            .take()
            .filter(|adapter| *adapter.launch() == launch);
        self.adapter
            .insert(same.unwrap_or_else(|| Adapter::new(launch)))
    }

    fn open(&self, name: &str) -> Result<Box<dyn Subject>, String> {
        (self.registry)(name).ok_or_else(|| format!("there is no subject `{name}`"))
    }

    fn run(&mut self, case: CaseOrder, subject: &mut dyn Subject) -> io::Result<Observation> {
        let watch = match &mut self.watch {
            Some(watch) => watch,
            none => none.insert(Watch::new()?),
        };
        let observer = &mut self.observer;
        let observation = self
            .fixture
            .prepare(&case, observer)
            .and_then(|before| ask::all(&case, subject, before, (&mut *watch, observer)));
        watch.turn_away();
        self.fixture.leave(case, observation.as_ref().ok())?;
        observation
    }
}
