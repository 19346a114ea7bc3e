//! The order of a run: each selected case, for each subject that can be asked for it.

use std::collections::BTreeSet;

use qconform_reports::event::SubjectInfo;
use qconform_scenarios::suite::Selected;
use qconform_scenarios::verdict::Level;

use super::Options;
use crate::subject::Refusals;

/// One case for one subject.
#[derive(Debug, Clone)]
pub(super) struct Job<'a> {
    /// The case.
    pub(super) selected: Selected<'a>,
    /// The subject's name.
    pub(super) subject: String,
    /// Beginnings of the names of attributes in which the subject keeps records.
    pub(super) records: Vec<String>,
    /// What the subject refuses by design.
    pub(super) refusals: Refusals,
    /// Whether this subject is the first that the case is put to.
    pub(super) first: bool,
}

/// The jobs that are left. Cases are typed when they run: until then only their ids are there.
pub(super) struct Schedule<'a> {
    jobs: Box<dyn Iterator<Item = Job<'a>> + Send + 'a>,
}

impl<'a> Schedule<'a> {
    pub(super) fn new(options: &'a Options, subjects: &[Asked]) -> Self {
        let subjects = subjects.to_vec();
        let cases = neighbours(options);
        let jobs = cases.into_iter().flat_map(move |selected| {
            let level = selected.scenario.level;
            let asked = subjects
                .iter()
                .filter(|asked| asked.info.levels.contains(&level));
            let jobs = asked.enumerate().map(|(index, asked)| Job {
                selected: selected.clone(),
                subject: asked.info.name.clone(),
                records: asked.records.clone(),
                refusals: asked.refusals.clone(),
                first: index == 0,
            });
            jobs.collect::<Vec<_>>()
        });
        Schedule {
            jobs: Box::new(jobs),
        }
    }
}

impl<'a> Iterator for Schedule<'a> {
    type Item = Job<'a>;

    fn next(&mut self) -> Option<Job<'a>> {
        self.jobs.next()
    }
}

/// The selected cases, in each scenario those beside each other that have the same files: a worker
/// then need not write them again.
fn neighbours(options: &Options) -> Vec<Selected<'_>> {
    let mut cases: Vec<_> = options.cases().collect();
    let are_of_one =
        |one: &Selected<'_>, other: &Selected<'_>| std::ptr::eq(one.scenario, other.scenario);
    for group in cases.chunk_by_mut(are_of_one) {
        group.sort_by_cached_key(|case| case.scenario.fixture_key(case.number));
    }
    cases
}

/// Leaves out subjects that no selected case can be put to.
pub(super) fn keep_fitting(subjects: &mut Vec<Asked>, options: &Options) {
    let cases = options.suite.select(&options.selection);
    let levels: BTreeSet<Level> = cases.map(|selected| selected.scenario.level).collect();
    subjects.retain(|asked| asked.info.levels.iter().any(|level| levels.contains(level)));
}

/// A subject of this run.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    /// What reports say of it.
    pub(super) info: SubjectInfo,
    /// Beginnings of the names of attributes in which it keeps records.
    pub(super) records: Vec<String>,
    /// What it refuses by design.
    pub(super) refusals: Refusals,
}
