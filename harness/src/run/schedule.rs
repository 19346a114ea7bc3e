//! The order of a run: each selected case, for each subject that can be asked for it.

use std::collections::{BTreeMap, BTreeSet};

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

/// The most cases that are given out together. A lane that has them must not be left alone with
/// them for long at the end of a run.
const TOGETHER: usize = 8;

/// The jobs that are left. Cases are typed when they run: until then only their ids are there.
pub(super) struct Schedule<'a> {
    subjects: Vec<Asked>,
    groups: std::vec::IntoIter<Vec<Selected<'a>>>,
}

impl<'a> Schedule<'a> {
    pub(super) fn new(cases: &[Selected<'a>], subjects: &[Asked]) -> Self {
        Schedule {
            subjects: subjects.to_vec(),
            groups: groups(cases).into_iter(),
        }
    }

    fn jobs_of(&self, selected: &Selected<'a>) -> impl Iterator<Item = Job<'a>> {
        let level = selected.scenario.level;
        let able = self.subjects.iter();
        let able = able.filter(move |asked| asked.info.levels.contains(&level));
        able.enumerate().map(|(index, asked)| Job {
            selected: selected.clone(),
            subject: asked.info.name.clone(),
            records: asked.records.clone(),
            refusals: asked.refusals.clone(),
            first: index == 0,
        })
    }
}

impl<'a> Iterator for Schedule<'a> {
    /// Jobs for one lane.
    type Item = Vec<Job<'a>>;

    fn next(&mut self) -> Option<Self::Item> {
        let group = self.groups.next()?;
        Some(group.iter().flat_map(|case| self.jobs_of(case)).collect())
    }
}

/// Cases in groups of the same scenario that have the same files: the worker of one lane then need
/// not write them again.
fn groups<'a>(cases: &[Selected<'a>]) -> Vec<Vec<Selected<'a>>> {
    let mut groups = Vec::new();
    for scenario in cases.chunk_by(|one, other| std::ptr::eq(one.scenario, other.scenario)) {
        let mut with_files: BTreeMap<String, Vec<Selected<'a>>> = BTreeMap::new();
        for case in scenario {
            let key = case.scenario.fixture_key(case.number);
            with_files.entry(key).or_default().push(case.clone());
        }
        for same in with_files.into_values() {
            groups.extend(same.chunks(TOGETHER).map(<[_]>::to_vec));
        }
    }
    groups
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

#[cfg(test)]
mod tests {
    use qconform_scenarios::select::Selection;
    use qconform_scenarios::suite::Suite;

    use super::*;

    #[test]
    fn each_case_of_the_suite_is_given_out_once_beside_those_with_its_files() {
        let suite = Suite::embedded().unwrap();
        let selection = Selection::default();
        let cases: Vec<_> = suite.select(&selection).collect();
        let groups = groups(&cases);
        let mut given: Vec<&str> = Vec::new();
        for group in &groups {
            assert!(group.len() <= TOGETHER);
            let files: BTreeSet<_> = group
                .iter()
                .map(|case| (&case.scenario.id, case.scenario.fixture_key(case.number)))
                .collect();
            assert_eq!(files.len(), 1, "{files:?}");
            given.extend(group.iter().map(|case| case.id.as_str()));
        }
        assert!(groups.len() < cases.len() * 2 / 3, "{}", groups.len());
        let mut wanted: Vec<_> = cases.iter().map(|case| case.id.as_str()).collect();
        given.sort_unstable();
        wanted.sort_unstable();
        assert_eq!(given, wanted);
    }
}
