//! What a run finds before its first case: what the machine can do, and what the subjects are.

use std::time::Duration;

use qconform_reports::event::SubjectInfo;

use super::informed::{Failure, Workers};
use super::schedule::Asked;
use super::{Adapters, RunError};
use crate::sandbox::{self, Capability, IdMap, Settings};
use crate::worker::{Order, Reply};

/// What is there, and the workers in which the subjects said what they are.
///
/// Those workers go on in the run. They live no longer than the thread that looked.
pub struct Surroundings {
    pub(super) settings: Settings,
    pub(super) capabilities: Vec<Capability>,
    pub(super) subjects: Vec<Asked>,
    pub(super) workers: Workers,
}

impl std::fmt::Debug for Surroundings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Surroundings").finish_non_exhaustive()
    }
}

impl Surroundings {
    /// Tries what the machine can do, and asks each subject what it is, both at once: each takes a
    /// worker, and workers take milliseconds to start.
    pub fn look(subjects: &[String], adapters: &Adapters) -> Result<Self, RunError> {
        let settings = Settings::new(IdMap::choose()?);
        let mut workers = Workers::default();
        let (capabilities, subjects) = std::thread::scope(|scope| {
            let capabilities = scope.spawn(|| sandbox::capabilities(&settings));
            let subjects = describe_all(subjects, adapters, &settings, &mut workers);
            let capabilities = capabilities.join();
            let capabilities = capabilities.unwrap_or_else(|it| std::panic::resume_unwind(it));
            (capabilities, subjects)
        });
        Ok(Surroundings {
            capabilities: capabilities?,
            subjects: subjects?,
            settings,
            workers,
        })
    }
}

/// Asks subjects, by name, what they are.
pub fn describe(names: &[String], adapters: &Adapters) -> Result<Vec<SubjectInfo>, RunError> {
    let settings = Settings::new(IdMap::choose()?);
    let described = describe_all(names, adapters, &settings, &mut Workers::default())?;
    Ok(described.into_iter().map(|asked| asked.info).collect())
}

fn describe_all(
    names: &[String],
    adapters: &Adapters,
    settings: &Settings,
    workers: &mut Workers,
) -> Result<Vec<Asked>, RunError> {
    let mut described = Vec::new();
    for name in names {
        let fail = |message| RunError::Subject {
            name: name.clone(),
            message,
        };
        let launch = adapters.get(name);
        let order = Order::Describe {
            subject: name.clone(),
            launch: launch.cloned(),
        };
        let worker = workers.of(name, launch, settings)?;
        let time = launch.map_or(Duration::ZERO, |launch| launch.limits.time());
        match worker.call(&order, time + Duration::from_secs(30)) {
            Ok(Reply::Described(description)) => described.push(Asked {
                info: SubjectInfo {
                    name: name.clone(),
                    version: description.version,
                    levels: description.levels,
                },
                records: description.records,
                refusals: description.refusals,
            }),
            Ok(_) => return Err(fail("no description".to_owned())),
            Err(Failure::Call(error)) => return Err(fail(error.to_string())),
            Err(Failure::Harness(message)) => return Err(fail(message)),
        }
    }
    Ok(described)
}
