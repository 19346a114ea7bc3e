//! A lane: one thread with one worker, which is replaced when a case kills it.

use std::time::{Duration, Instant};

use qconform_reports::event::{CaseEvent, SubjectInfo};
use qconform_scenarios::case::Case;
use qconform_scenarios::verdict::Verdict;

use super::schedule::{Asked, Job};
use super::{Options, RunError, repeat};
use crate::judge::{self, Judgement};
use crate::sandbox::{CallError, Capability, Settings, Worker};
use crate::worker::{CaseOrder, Order, Reply};

/// Runs cases one after the other.
pub(super) struct Lane<'a> {
    options: &'a Options,
    settings: &'a Settings,
    capabilities: &'a [Capability],
    worker: Option<Worker>,
}

impl<'a> Lane<'a> {
    pub(super) fn new(
        options: &'a Options,
        settings: &'a Settings,
        capabilities: &'a [Capability],
    ) -> Self {
        Lane {
            options,
            settings,
            capabilities,
            worker: None,
        }
    }

    /// Runs one case and judges it. Only a sandbox that can't be made, or a faulty
    /// scenario, is an error; whatever a subject does is a verdict.
    pub(super) fn run(&mut self, job: &Job<'_>) -> Result<CaseEvent, RunError> {
        let began = Instant::now();
        let case = job.selected.case()?;
        let judgement = match self.missing(&case) {
            Some(message) => Judgement {
                verdict: Verdict::Skipped,
                message,
                differences: vec![],
            },
            None => self.ask(job, &case)?,
        };
        Ok(CaseEvent {
            subject: job.subject.clone(),
            level: case.level(),
            verdict: judgement.verdict,
            message: judgement.message,
            differences: judgement.differences,
            known_reason: None,
            repeat: repeat::command(
                &self.options.own_files,
                self.options.seed,
                Some(&job.subject),
                &case.id,
            ),
            micros: u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX),
            case: case.id,
            title: case.title,
            requirements: case.requirements,
        })
    }

    /// The first capability that the case needs and the machine lacks.
    fn missing(&self, case: &Case) -> Option<String> {
        let lacks = |name: &&str| {
            self.capabilities
                .iter()
                .find(|found| found.name == *name && !found.present)
        };
        let needs = case.needs();
        let capability = needs.iter().find_map(lacks)?;
        Some(format!("needs {}: {}", capability.name, capability.detail))
    }

    fn ask(&mut self, job: &Job<'_>, case: &Case) -> Result<Judgement, RunError> {
        let order = Order::Case(Box::new(CaseOrder {
            subject: job.subject.clone(),
            seed: self.options.seed,
            files: case.files.clone(),
            filesystem: case.filesystem,
            ask: case.ask.clone(),
            records: job.records.clone(),
        }));
        let plain = |verdict, message| Judgement {
            verdict,
            message,
            differences: vec![],
        };
        let worker = match &mut self.worker {
            Some(worker) => worker,
            none => none.insert(Worker::start(self.settings)?),
        };
        let reply = call(worker, &order, self.options.timeout);
        if matches!(reply, Err(Failure::Call(_))) {
            self.worker = None;
        }
        Ok(match reply {
            Ok(Reply::Observed(observation)) => judge::judge(case, &observation, self.options.seed),
            Ok(Reply::Failed { message }) => plain(Verdict::HarnessError, message),
            Ok(Reply::Described(_)) => plain(
                Verdict::HarnessError,
                "the worker answered another question".to_owned(),
            ),
            Err(Failure::Call(CallError::TimedOut)) => plain(
                Verdict::TimedOut,
                format!("no answer in {:?}", self.options.timeout),
            ),
            Err(Failure::Call(error)) => plain(Verdict::Crashed, error.to_string()),
            Err(Failure::Json(error)) => plain(Verdict::HarnessError, error.to_string()),
        })
    }
}

/// Why a worker gave no reply that can be read.
enum Failure {
    Call(CallError),
    Json(serde_json::Error),
}

fn call(worker: &mut Worker, order: &Order, deadline: Duration) -> Result<Reply, Failure> {
    let request = serde_json::to_vec(order).map_err(Failure::Json)?;
    let reply = worker.call(&request, deadline).map_err(Failure::Call)?;
    serde_json::from_slice(&reply).map_err(Failure::Json)
}

/// Asks each subject what it is.
pub(super) fn describe_all(names: &[String], settings: &Settings) -> Result<Vec<Asked>, RunError> {
    let mut worker = Worker::start(settings)?;
    let mut described = Vec::new();
    for name in names {
        let fail = |message| RunError::Subject {
            name: name.clone(),
            message,
        };
        let order = Order::Describe {
            subject: name.clone(),
        };
        match call(&mut worker, &order, Duration::from_secs(30)) {
            Ok(Reply::Described(description)) => described.push(Asked {
                info: SubjectInfo {
                    name: name.clone(),
                    version: description.version,
                    levels: description.levels,
                },
                records: description.records,
            }),
            Ok(Reply::Failed { message }) => return Err(fail(message)),
            Ok(Reply::Observed(_)) => return Err(fail("no description".to_owned())),
            Err(Failure::Call(error)) => return Err(fail(error.to_string())),
            Err(Failure::Json(error)) => return Err(fail(error.to_string())),
        }
    }
    Ok(described)
}
