//! A run: every selected case against every subject, as a stream of events.

use std::collections::{BTreeMap, BTreeSet};
use std::num::{NonZeroU32, NonZeroUsize};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, mpsc};
use std::time::{Duration, Instant};

use qconform_reports::event::{
    CapabilityInfo, Event, FORMAT, RunFooter, RunHeader, Shard, SubjectInfo,
};
use qconform_scenarios::baseline::Baseline;
use qconform_scenarios::error::DataError;
use qconform_scenarios::requirement::Requirement;
use qconform_scenarios::select::Selection;
use qconform_scenarios::suite::{self, Selected, Suite};
use qconform_scenarios::verdict::Level;

use crate::sandbox::{Capability, SandboxError, Settings};
use crate::subject::adapter::Launch;
use crate::subject::adapter::check::Line;

mod chain;
mod common;
mod informed;
mod lane;
mod ledger;
pub(crate) mod repeat;
mod schedule;
mod setup;
mod shard;
mod surroundings;
pub(crate) mod words;

use informed::Workers;
use lane::{Ended, Lane};
use ledger::Ledger;
use schedule::{Job, Schedule};
pub use surroundings::{Surroundings, describe};

/// How adapters are started, by the subject's name.
pub type Adapters = BTreeMap<String, Launch>;

/// What to run, and how.
#[derive(Debug)]
pub struct Options {
    /// The suite, or scenarios of the user's own.
    pub suite: Suite,
    /// Names of the user's own scenario files; empty for the embedded suite.
    pub own_files: Vec<String>,
    /// Which cases.
    pub selection: Selection,
    /// Which part of the selected cases; all of them by default.
    pub shard: Option<Shard>,
    /// How those subjects are started that are adapters.
    pub adapters: Adapters,
    /// Whether subjects that no selected case can be put to are left out.
    pub fitting_only: bool,
    /// Seed of every fixture.
    pub seed: u64,
    /// How often each case is run; one that ends in another way than before is a failure.
    pub repeat: NonZeroU32,
    /// How many workers; by default one for each processor.
    pub jobs: Option<NonZeroUsize>,
    /// Time that a case may take.
    pub timeout: Duration,
    /// Capabilities whose absence is an error.
    pub require: Vec<String>,
    /// Known deviations in the place of those that ship, by subject.
    pub baselines: BTreeMap<String, Baseline>,
    /// The command line, word by word.
    pub command: Vec<String>,
}

impl Options {
    /// The selected cases that fall to this run's shard, in order.
    pub(crate) fn cases(&self) -> impl Iterator<Item = Selected<'_>> {
        shard::part(self.suite.select(&self.selection), self.shard)
    }

    /// How many cases are put to these subjects, each counted once for each: none is asked at a
    /// level that it doesn't have.
    pub(crate) fn asked(&self, subjects: &[SubjectInfo]) -> u64 {
        let levels = self.cases().map(|selected| selected.scenario.level);
        asked(levels, subjects)
    }
}

fn asked(levels: impl Iterator<Item = Level>, subjects: &[SubjectInfo]) -> u64 {
    let at = |level| {
        let able = subjects.iter().filter(|it| it.levels.contains(&level));
        able.count() as u64
    };
    levels.map(at).sum()
}

/// Why a run could not begin or go on.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// No sandbox can be made.
    #[error(transparent)]
    Sandbox(#[from] SandboxError),
    /// A scenario or baseline is faulty.
    #[error(transparent)]
    Data(#[from] DataError),
    /// A subject can't be used.
    #[error("subject `{name}`: {message}")]
    Subject {
        /// Its name.
        name: String,
        /// Why.
        message: String,
    },
    /// A capability that `--require` names is missing.
    #[error("capability `{name}` is required and missing: {detail}")]
    Capability {
        /// Its name.
        name: String,
        /// What was found.
        detail: String,
    },
    /// No case matches the selection.
    #[error("no case is selected")]
    NothingSelected,
    /// An event could not be written.
    #[error("the run can't be written: {0}")]
    Sink(#[from] std::io::Error),
}

/// Where events go, one after the other.
pub type Sink<'a> = dyn FnMut(Event) -> std::io::Result<()> + 'a;

/// Puts everything to the subjects of `found`, and gives each event to `sink` as it happens. Stops
/// taking new cases once `stop` is set; the footer then says that the run is incomplete.
pub fn run(
    options: &Options,
    found: Surroundings,
    stop: &AtomicBool,
    sink: &mut Sink<'_>,
) -> Result<RunFooter, RunError> {
    let began = Instant::now();
    // A shard may be empty, a selection may not.
    if options.suite.select(&options.selection).next().is_none() {
        return Err(RunError::NothingSelected);
    }
    let cases: Vec<_> = options.cases().collect();
    let Surroundings {
        settings,
        capabilities,
        mut subjects,
        mut workers,
    } = found;
    check_required(&options.require, &capabilities)?;
    if options.fitting_only {
        schedule::keep_fitting(&mut subjects, options);
        workers.keep(|name| subjects.iter().any(|asked| asked.info.name == name));
    }
    let infos: Vec<SubjectInfo> = subjects.iter().map(|asked| asked.info.clone()).collect();
    let mut ledger = Ledger::new(&infos, &options.baselines)?;

    sink(Event::Header(Box::new(header(
        options,
        &cases,
        &infos,
        &capabilities,
    ))))?;
    let schedule = Schedule::new(&cases, &subjects);
    let jobs = options
        .jobs
        .or_else(|| std::thread::available_parallelism().ok());
    let lanes = jobs.map_or(1, NonZeroUsize::get);
    work(
        options,
        &settings,
        &capabilities,
        schedule,
        (lanes, workers),
        stop,
        &mut |ended| {
            if let Some(setup) = ended.setup {
                sink(Event::Setup(setup))?;
            }
            sink(Event::Case(Box::new(ledger.enter(ended.event))))
        },
    )?;
    let complete = !stop.load(Ordering::Relaxed);
    let footer = ledger.close(complete, options.shard.is_some(), began.elapsed());
    sink(Event::Footer(footer.clone()))?;
    Ok(footer)
}

/// Checks an adapter: what it was asked, what came back, and what was expected.
pub fn check(name: &str, launch: &Launch) -> Result<Vec<Line>, RunError> {
    lane::check(name, launch)
}

/// How long the thread rests that takes what lanes send.
const REST: Duration = Duration::from_millis(2);

/// Cases that a lane can send meanwhile: more than it ends.
const ROOM: usize = 32;

/// Runs the schedule over `lanes` threads, the first with workers that are there already. Each starts
/// workers of its own, because a worker dies with the thread that started it.
fn work(
    options: &Options,
    settings: &Settings,
    capabilities: &[Capability],
    schedule: Schedule<'_>,
    (lanes, workers): (usize, Workers),
    stop: &AtomicBool,
    sink: &mut dyn FnMut(Ended) -> std::io::Result<()>,
) -> Result<(), RunError> {
    let schedule = Mutex::new(schedule);
    let (sender, receiver) =
        mpsc::sync_channel::<Result<Ended, RunError>>(ROOM.saturating_mul(lanes));
    std::thread::scope(|scope| {
        let first = std::iter::once(workers);
        for workers in first
            .chain(std::iter::repeat_with(Workers::default))
            .take(lanes)
        {
            let (schedule, sender) = (&schedule, sender.clone());
            scope.spawn(move || {
                let mut lane = Lane::new(options, settings, capabilities, workers);
                while let Some(jobs) = next(schedule) {
                    for job in jobs {
                        let stopped = stop.load(Ordering::Relaxed);
                        if stopped || sender.send(lane.run(&job)).is_err() {
                            return;
                        }
                    }
                }
            });
        }
        drop(sender);
        let written = take_all(&receiver, sink);
        if written.is_err() {
            stop.store(true, Ordering::Relaxed);
        }
        // Lanes that wait for room must not wait forever.
        drop(receiver);
        written
    })
}

/// Gives what lanes send to `sink`. It rests between, because to be woken for each case costs the
/// lanes more than what is done then.
fn take_all(
    ended: &mpsc::Receiver<Result<Ended, RunError>>,
    sink: &mut dyn FnMut(Ended) -> std::io::Result<()>,
) -> Result<(), RunError> {
    while let Ok(first) = ended.recv() {
        sink(first?)?;
        for next in ended.try_iter() {
            sink(next?)?;
        }
        std::thread::sleep(REST);
    }
    Ok(())
}

fn next<'a>(schedule: &Mutex<Schedule<'a>>) -> Option<Vec<Job<'a>>> {
    schedule.lock().ok()?.next()
}

fn check_required(required: &[String], capabilities: &[Capability]) -> Result<(), RunError> {
    for name in required {
        let found = capabilities
            .iter()
            .find(|capability| capability.name == name);
        let detail = match found {
            Some(capability) if capability.present => continue,
            Some(capability) => capability.detail.clone(),
            None => "there is no capability of this name".to_owned(),
        };
        return Err(RunError::Capability {
            name: name.clone(),
            detail,
        });
    }
    Ok(())
}

fn header(
    options: &Options,
    cases: &[Selected<'_>],
    subjects: &[SubjectInfo],
    capabilities: &[Capability],
) -> RunHeader {
    let own = !options.own_files.is_empty();
    RunHeader {
        format: FORMAT,
        tool: env!("CARGO_PKG_VERSION").to_owned(),
        suite: if own {
            "own".to_owned()
        } else {
            suite::VERSION.to_owned()
        },
        suite_digest: options.suite.digest().to_owned(),
        started: jiff::Timestamp::now().to_string(),
        command: options.command.clone(),
        seed: options.seed,
        selected: cases.len() as u64,
        shard: options.shard,
        subjects: subjects.to_vec(),
        capabilities: capabilities.iter().map(capability_info).collect(),
        requirements: cited(cases, &options.suite),
    }
}

fn capability_info(capability: &Capability) -> CapabilityInfo {
    CapabilityInfo {
        name: capability.name.to_owned(),
        present: capability.present,
        detail: capability.detail.clone(),
    }
}

/// The requirements that these cases cite, by id.
fn cited(cases: &[Selected<'_>], suite: &Suite) -> Vec<Requirement> {
    let ids = cases.iter().flat_map(|case| &case.scenario.requirements);
    let ids: BTreeSet<&String> = ids.collect();
    let known = ids.into_iter().filter_map(|id| suite.requirements.get(id));
    known.cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_case_counts_once_for_each_subject_that_has_its_level() {
        let subject = |levels: &[Level]| SubjectInfo {
            name: "s".to_owned(),
            version: "1".to_owned(),
            levels: levels.to_vec(),
        };
        let subjects = [
            subject(&[Level::Header, Level::Read]),
            subject(&[Level::Header]),
        ];
        let levels = [Level::Header, Level::Header, Level::Read, Level::Label];
        assert_eq!(asked(levels.into_iter(), &subjects), 5);
    }
}
