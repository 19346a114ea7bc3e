//! The counts of a run: for each subject, level and requirement.

use std::collections::BTreeMap;

use qconform_scenarios::requirement::Requirement;
use qconform_scenarios::verdict::{Level, Verdict};

use crate::counts::{Counts, is_unexpected, rank};
use crate::event::CaseEvent;
use crate::stream::Run;

/// A subject and its counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubjectTally<'run> {
    /// Its name.
    pub name: &'run str,
    /// Its version; empty if the header does not know the subject.
    pub version: &'run str,
    /// All verdicts.
    pub counts: Counts,
    /// Verdicts of each level that was tested.
    pub levels: BTreeMap<Level, Counts>,
    /// Verdicts of each requirement that was tested.
    pub requirements: BTreeMap<&'run str, Counts>,
}

/// The counts of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tally<'run> {
    /// Subjects in the order of the header; those that only cases name come last.
    pub subjects: Vec<SubjectTally<'run>>,
}

impl<'run> Tally<'run> {
    /// Counts a run's cases.
    #[must_use]
    pub fn of(run: &'run Run) -> Self {
        let mut tally = Tally {
            subjects: Vec::new(),
        };
        for subject in &run.header.subjects {
            tally.entry(&subject.name).version = &subject.version;
        }
        for case in &run.cases {
            tally.entry(&case.subject).add(case);
        }
        tally
    }

    /// Where a subject stands in [`Tally::subjects`].
    #[must_use]
    pub fn position(&self, name: &str) -> Option<usize> {
        self.subjects
            .iter()
            .position(|subject| subject.name == name)
    }

    /// Whether a footer's counts are these; zeros and empty subjects may be left out.
    #[must_use]
    pub fn agrees_with(&self, footer: &BTreeMap<String, BTreeMap<Verdict, u64>>) -> bool {
        let counted = |name: &str| footer.get(name).map(Counts::from).unwrap_or_default();
        let known = footer
            .keys()
            .all(|name| self.position(name).is_some() || counted(name) == Counts::default());
        known
            && self
                .subjects
                .iter()
                .all(|subject| subject.counts == counted(subject.name))
    }

    /// Requirements, worst first, each with the place of the worst verdict in the order of reports.
    #[must_use]
    pub fn worst_first<'r>(
        &self,
        requirements: &'r [Requirement],
    ) -> Vec<(usize, &'r Requirement)> {
        let ranked = requirements.iter().map(|it| (self.worst(&it.id), it));
        let mut ranked: Vec<_> = ranked.collect();
        ranked.sort_by_key(|(worst, it)| (*worst, !it.security, it.strength, &it.id));
        ranked
    }

    fn worst(&self, requirement: &str) -> usize {
        let worst = self.subjects.iter().filter_map(|subject| {
            let counts = subject.requirements.get(requirement)?;
            // Among failures the requirement's weight decides, not how it failed.
            counts.worst().map(|verdict| match verdict.is_failure() {
                true => 0,
                false => rank(verdict),
            })
        });
        // What was not tested at all stands above what passed, after everything else.
        worst.min().unwrap_or(rank(Verdict::Unsupported))
    }

    fn entry(&mut self, name: &'run str) -> &mut SubjectTally<'run> {
        let index = self.position(name).unwrap_or_else(|| {
            self.subjects.push(SubjectTally {
                name,
                version: "",
                counts: Counts::default(),
                levels: BTreeMap::new(),
                requirements: BTreeMap::new(),
            });
            self.subjects.len() - 1
        });
        &mut self.subjects[index]
    }
}

impl<'run> SubjectTally<'run> {
    /// Name and version as a person writes them.
    #[must_use]
    pub fn label(&self) -> String {
        format!("{} {}", self.name, self.version)
            .trim_end()
            .to_owned()
    }

    fn add(&mut self, case: &'run CaseEvent) {
        self.counts.add(case.verdict);
        self.levels.entry(case.level).or_default().add(case.verdict);
        for id in case.requirements.iter() {
            self.requirements.entry(id).or_default().add(case.verdict);
        }
    }
}

/// The cases that a person must look at, worst first, then in the order of subjects,
/// then by id.
#[must_use]
pub fn unexpected<'run>(run: &'run Run, tally: &Tally<'run>) -> Vec<&'run CaseEvent> {
    let mut cases: Vec<_> = run
        .cases
        .iter()
        .filter(|case| is_unexpected(case.verdict))
        .collect();
    cases.sort_by_cached_key(|case| {
        let subject = tally.position(&case.subject);
        (rank(case.verdict), subject, &*case.case)
    });
    cases
}
