//! A lane: one thread with its workers, which are replaced when a case kills them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use qconform_reports::event::{CaseEvent, Setup};
use qconform_scenarios::case::{Ask, Case};
use qconform_scenarios::verdict::{Level, Verdict};

use super::common::Common;
use super::informed::{Failure, Informed, Workers};
use super::schedule::Job;
use super::{Options, RunError, repeat, setup};
use crate::judge::{self, Judgement};
use crate::sandbox::{CallError, Capability, IdMap, Settings};
use crate::subject::adapter::Launch;
use crate::subject::adapter::check::Line;
use crate::worker::{CaseOrder, Observation, Order, Reply};

/// More questions than a check has.
const CHECKS: u32 = 60;

/// Runs cases one after the other.
pub(super) struct Lane<'a> {
    options: &'a Options,
    settings: &'a Settings,
    capabilities: &'a [Capability],
    workers: Workers,
    common: Common<'a>,
}

impl<'a> Lane<'a> {
    pub(super) fn new(
        options: &'a Options,
        settings: &'a Settings,
        capabilities: &'a [Capability],
        workers: Workers,
    ) -> Self {
        Lane {
            options,
            settings,
            capabilities,
            workers,
            common: Common::default(),
        }
    }

    /// Runs one case and judges it. Only a sandbox that can't be made, or a faulty
    /// scenario, is an error; whatever a subject does is a verdict.
    pub(super) fn run(&mut self, job: &Job<'a>) -> Result<Ended, RunError> {
        let began = Instant::now();
        let case = self.common.case(&job.selected)?;
        let (judgement, observation) = match self.missing(&case) {
            Some(message) => (plain(Verdict::Skipped, message), None),
            None => self.ask_repeatedly(job, &case)?,
        };
        let setup = job.first.then(|| {
            let head = observation.as_ref().and_then(|seen| seen.head.clone());
            let recipe = self.common.recipe(self.options.seed);
            Box::new(setup::of(&case, recipe, head))
        });
        let seen = observation.as_ref();
        let event = CaseEvent {
            subject: job.subject.as_str().into(),
            level: case.level(),
            verdict: judgement.verdict,
            message: judgement.message,
            differences: judgement.differences,
            cells: seen.map_or_else(Vec::new, |seen| setup::cells(&case, seen)),
            steps: seen.map_or(0, |seen| steps(&case, seen)),
            known_reason: None,
            deviation: None,
            repeat: repeat::command(
                &self.options.own_files,
                self.options.seed,
                Some(&job.subject),
                &case.id,
            ),
            micros: u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX),
            case: case.id.into(),
            title: case.secrets.hide(&case.title).into(),
            requirements: case
                .requirements
                .iter()
                .map(|id| id.as_str().into())
                .collect(),
        };
        Ok(Ended { setup, event })
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

    /// Asks as often as the run wants it. The first answer that is judged otherwise than the one
    /// before it ends the case: whoever can't repeat a result has none.
    fn ask_repeatedly(&mut self, job: &Job<'_>, case: &Case) -> Result<Asked, RunError> {
        let mut asked = self.ask(job, case)?;
        for time in 2..=self.options.repeat.get() {
            let again = self.ask(job, case)?;
            if again.0 != asked.0 {
                let (before, now) = (asked.0.verdict.as_str(), again.0.verdict.as_str());
                asked.0.message = format!(
                    "not repeatable: {now} ({}) at time {time}, {before} before",
                    again.0.message
                );
                asked.0.verdict = again.0.verdict.max(Verdict::Fail);
                break;
            }
        }
        Ok(asked)
    }

    fn ask(&mut self, job: &Job<'_>, case: &Case) -> Result<Asked, RunError> {
        let launch = self.options.adapters.get(&job.subject);
        let worker = self.workers.of(&job.subject, launch, self.settings)?;
        let order = CaseOrder {
            subject: job.subject.clone(),
            launch: launch.cloned(),
            seed: self.options.seed,
            files: Arc::clone(&case.files),
            filesystem: case.filesystem,
            ask: case.ask.clone(),
            records: job.records.clone(),
        };
        let timeout = timeout(self.options.timeout, launch, case);
        let seen = worker.observe(order, timeout);
        let died = matches!(seen, Err(Failure::Call(_)));
        let judgement = match seen {
            Ok(observation) => {
                let judgement = judge::judge(case, &observation, self.options.seed);
                let judgement = judge::excuse(case, &observation, &job.refusals, judgement);
                return Ok((judgement, Some(observation)));
            }
            Err(Failure::Call(CallError::TimedOut)) => {
                plain(Verdict::TimedOut, format!("no answer in {timeout:?}"))
            }
            Err(Failure::Call(error)) => plain(Verdict::Crashed, error.to_string()),
            Err(Failure::Harness(message)) => plain(Verdict::HarnessError, message),
        };
        if died {
            self.workers.end(&job.subject, launch);
        }
        Ok((judgement, None))
    }
}

/// What the judge says, and what it is based on.
type Asked = (Judgement, Option<Observation>);

/// A case that has ended for a subject.
pub(super) struct Ended {
    /// What the case consists of, from the first subject that it is put to.
    pub(super) setup: Option<Box<Setup>>,
    /// How it ended.
    pub(super) event: CaseEvent,
}

fn plain(verdict: Verdict, message: String) -> Judgement {
    Judgement {
        verdict,
        message,
        differences: vec![],
    }
}

/// How many steps of a label case were observed.
fn steps(case: &Case, seen: &Observation) -> u32 {
    match case.level() {
        Level::Label => u32::try_from(seen.stages.len()).unwrap_or(u32::MAX),
        _ => 0,
    }
}

/// Time that a case may take. An adapter that needs longer for each answer says so.
fn timeout(usual: Duration, launch: Option<&Launch>, case: &Case) -> Duration {
    let questions = match &case.ask {
        Ask::Label(label) => label.steps.len(),
        _ => 1,
    };
    let questions = u32::try_from(questions).unwrap_or(u32::MAX);
    // One more for its start.
    let needed = launch.map(|launch| {
        launch
            .limits
            .time()
            .saturating_mul(questions.saturating_add(2))
    });
    usual.max(needed.unwrap_or_default())
}

/// Checks an adapter in a worker of its own.
pub(super) fn check(name: &str, launch: &Launch) -> Result<Vec<Line>, RunError> {
    let fail = |message: String| RunError::Subject {
        name: name.to_owned(),
        message,
    };
    let settings = Settings::new(IdMap::choose()?);
    let mut worker = Informed::start(Some(launch), &settings)?;
    let order = Order::Check {
        launch: launch.clone(),
    };
    // Time-outs end a check early: this is for many slow answers.
    let time = launch.limits.time().saturating_mul(CHECKS) + Duration::from_secs(30);
    match worker.call(&order, time) {
        Ok(Reply::Checked { lines }) => Ok(lines),
        Ok(_) => Err(fail("no check".to_owned())),
        Err(Failure::Call(error)) => Err(fail(error.to_string())),
        Err(Failure::Harness(message)) => Err(fail(message)),
    }
}
