//! Counting verdicts, and what the counts say.

use std::collections::BTreeMap;

use qconform_scenarios::verdict::Verdict;

/// What a person counts: verdicts that mean the same to a reader of a summary.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Group {
    /// As required.
    Passed,
    /// The subject does not conform: `fail`, `wrong-data`, `crashed`, `timed-out`.
    Failed,
    /// The harness could not run the case.
    HarnessErrors,
    /// In the baseline, but passes.
    Fixed,
    /// A `should` or `may` that isn't met.
    Lenient,
    /// Fails as its baseline says.
    Known,
    /// Noted, not judged.
    Info,
    /// A capability is missing.
    Skipped,
    /// The subject doesn't do what the case asks.
    Unsupported,
}

impl Group {
    /// Every group, in the order of summaries.
    pub const ALL: [Group; 9] = [
        Group::Passed,
        Group::Failed,
        Group::HarnessErrors,
        Group::Fixed,
        Group::Lenient,
        Group::Known,
        Group::Info,
        Group::Skipped,
        Group::Unsupported,
    ];

    /// The group of a verdict.
    #[must_use]
    pub fn of(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Pass => Group::Passed,
            Verdict::Fail | Verdict::WrongData | Verdict::Crashed | Verdict::TimedOut => {
                Group::Failed
            }
            Verdict::HarnessError => Group::HarnessErrors,
            Verdict::Fixed => Group::Fixed,
            Verdict::Lenient => Group::Lenient,
            Verdict::Known => Group::Known,
            Verdict::Info => Group::Info,
            Verdict::Skipped => Group::Skipped,
            Verdict::Unsupported => Group::Unsupported,
        }
    }

    /// The word that follows the number.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Group::Passed => "passed",
            Group::Failed => "failed",
            Group::HarnessErrors => "harness errors",
            Group::Fixed => "fixed",
            Group::Lenient => "lenient",
            Group::Known => "known",
            Group::Info => "info",
            Group::Skipped => "skipped",
            Group::Unsupported => "unsupported",
        }
    }

    /// A number and its word.
    fn counted(self, count: u64) -> String {
        match (self, count) {
            (Group::HarnessErrors, 1) => "1 harness error".to_owned(),
            _ => format!("{count} {}", self.as_str()),
        }
    }

    /// Whether the subject does not do what is required, or not what its baseline says.
    #[must_use]
    pub fn deviates(self) -> bool {
        matches!(
            self,
            Group::Failed | Group::HarnessErrors | Group::Fixed | Group::Lenient | Group::Known
        )
    }

    /// Whether the group is shown even when nothing is in it.
    #[must_use]
    pub fn always_shown(self) -> bool {
        matches!(self, Group::Passed | Group::Failed)
    }
}

/// Whether a person must look at the verdict: a failure, a harness error, or a pass that
/// the baseline says cannot be.
#[must_use]
pub fn is_unexpected(verdict: Verdict) -> bool {
    verdict.is_failure() || matches!(verdict, Verdict::HarnessError | Verdict::Fixed)
}

/// The place of a verdict in reports, worst first.
#[must_use]
pub fn rank(verdict: Verdict) -> usize {
    Verdict::ALL
        .iter()
        .position(|other| *other == verdict)
        .unwrap_or(Verdict::ALL.len())
}

/// What the counts of a subject say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Conclusion {
    /// At least one unexpected failure.
    Fails,
    /// No failure, but the harness could not run every case.
    Unjudged,
    /// Not one case passed or failed: nothing was shown.
    Nothing,
    /// No failure, but the baseline holds deviations that are gone.
    Stale,
    /// No failure, but the run isn't whole: what is missing may hold one.
    Partial,
    /// Only the deviations that the baseline names.
    Deviates,
    /// No deviation at all.
    Conforms,
}

impl Conclusion {
    /// The predicate of a sentence whose subject is the implementation.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Conclusion::Fails => "does not conform",
            Conclusion::Unjudged => "could not be judged in full",
            Conclusion::Nothing => "was not tested",
            Conclusion::Stale => "does better than its baseline",
            Conclusion::Partial => "has not failed so far",
            Conclusion::Deviates => "deviates only as its baseline says",
            Conclusion::Conforms => "conforms",
        }
    }
}

/// How often each verdict was given.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts(BTreeMap<Verdict, u64>);

impl Counts {
    /// Counts one more.
    pub fn add(&mut self, verdict: Verdict) {
        *self.0.entry(verdict).or_default() += 1;
    }

    /// How often a verdict was given.
    #[must_use]
    pub fn get(&self, verdict: Verdict) -> u64 {
        self.0.get(&verdict).copied().unwrap_or_default()
    }

    /// The verdicts that were given, each with how often.
    pub fn iter(&self) -> impl Iterator<Item = (Verdict, u64)> {
        self.0.iter().map(|(verdict, count)| (*verdict, *count))
    }

    /// How many were in a group.
    #[must_use]
    pub fn group(&self, group: Group) -> u64 {
        self.0
            .iter()
            .filter(|(verdict, _)| Group::of(**verdict) == group)
            .map(|(_, count)| count)
            .sum()
    }

    /// How many there were in all.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.values().sum()
    }

    /// The worst verdict that was given, in the order of [`Verdict::ALL`].
    #[must_use]
    pub fn worst(&self) -> Option<Verdict> {
        self.0.keys().copied().min_by_key(|verdict| rank(*verdict))
    }

    /// The group that stands for all: the worst deviation, else the passes, else why there are none.
    #[must_use]
    pub fn telling(&self) -> Option<Group> {
        let worst = Group::of(self.worst()?);
        let neutral = matches!(worst, Group::Info | Group::Skipped | Group::Unsupported);
        match neutral && self.group(Group::Passed) > 0 {
            true => Some(Group::Passed),
            false => Some(worst),
        }
    }

    /// Every kind of deviation among all of them: `1 of 5 failed`, `3 lenient, 155 known of 258`.
    #[must_use]
    pub fn deviations(&self) -> String {
        let deviating = Group::ALL.into_iter().filter(|group| group.deviates());
        let counted = deviating.map(|group| (group, self.group(group)));
        let counted: Vec<_> = counted.filter(|(_, count)| *count > 0).collect();
        let total = self.total();
        if let [(group, count)] = counted[..] {
            return match count == total {
                true => group.counted(count),
                false => format!("{count} of {total} {}", group.as_str()),
            };
        }
        let words = counted.iter().map(|(group, count)| group.counted(*count));
        format!("{} of {total}", words.collect::<Vec<_>>().join(", "))
    }

    /// What they say of the subject; `whole` is whether they are of a whole run.
    #[must_use]
    pub fn conclusion(&self, whole: bool) -> Conclusion {
        let has = |group| self.group(group) > 0;
        if has(Group::Failed) {
            Conclusion::Fails
        } else if has(Group::HarnessErrors) {
            Conclusion::Unjudged
        } else if has(Group::Fixed) {
            Conclusion::Stale
        } else if !has(Group::Known) && !has(Group::Passed) && !has(Group::Lenient) {
            Conclusion::Nothing
        } else if !whole {
            Conclusion::Partial
        } else if has(Group::Known) {
            Conclusion::Deviates
        } else {
            Conclusion::Conforms
        }
    }

    /// The counts as a person writes them: `143 passed, 0 failed, 2 skipped`.
    #[must_use]
    pub fn words(&self) -> String {
        let words: Vec<_> = Group::ALL
            .into_iter()
            .map(|group| (group, self.group(group)))
            .filter(|(group, count)| *count > 0 || group.always_shown())
            .map(|(group, count)| group.counted(count))
            .collect();
        words.join(", ")
    }
}

impl From<&BTreeMap<Verdict, u64>> for Counts {
    /// The counts of a footer, in which zeros may stand.
    fn from(footer: &BTreeMap<Verdict, u64>) -> Self {
        let mut counts = footer.clone();
        counts.retain(|_, count| *count > 0);
        Counts(counts)
    }
}

impl FromIterator<Verdict> for Counts {
    fn from_iter<I: IntoIterator<Item = Verdict>>(verdicts: I) -> Self {
        let mut counts = Counts::default();
        verdicts.into_iter().for_each(|verdict| counts.add(verdict));
        counts
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(&[], "0 passed, 0 failed", Conclusion::Nothing)]
    #[case(&[Verdict::Skipped], "0 passed, 0 failed, 1 skipped", Conclusion::Nothing)]
    #[case(&[Verdict::Pass], "1 passed, 0 failed", Conclusion::Conforms)]
    #[case(
        &[Verdict::Pass, Verdict::Known, Verdict::Pass],
        "2 passed, 0 failed, 1 known",
        Conclusion::Deviates
    )]
    #[case(
        &[Verdict::Fixed, Verdict::Known],
        "0 passed, 0 failed, 1 fixed, 1 known",
        Conclusion::Stale
    )]
    #[case(
        &[Verdict::HarnessError, Verdict::Fixed, Verdict::Pass],
        "1 passed, 0 failed, 1 harness error, 1 fixed",
        Conclusion::Unjudged
    )]
    #[case(
        &[Verdict::WrongData, Verdict::Crashed, Verdict::TimedOut, Verdict::Fail, Verdict::HarnessError],
        "0 passed, 4 failed, 1 harness error",
        Conclusion::Fails
    )]
    fn counts_are_put_in_words_and_lead_to_a_conclusion(
        #[case] verdicts: &[Verdict],
        #[case] words: &str,
        #[case] conclusion: Conclusion,
    ) {
        let counts: Counts = verdicts.iter().copied().collect();
        assert_eq!(counts.words(), words);
        assert_eq!(counts.conclusion(true), conclusion);
    }

    #[rstest]
    #[case(&[Verdict::Pass], Conclusion::Partial)]
    #[case(&[Verdict::Known], Conclusion::Partial)]
    #[case(&[Verdict::Pass, Verdict::Fail], Conclusion::Fails)]
    #[case(&[], Conclusion::Nothing)]
    fn an_incomplete_run_never_shows_that_a_subject_conforms(
        #[case] verdicts: &[Verdict],
        #[case] conclusion: Conclusion,
    ) {
        let counts: Counts = verdicts.iter().copied().collect();
        assert_eq!(counts.conclusion(false), conclusion);
    }

    #[rstest]
    #[case(&[Verdict::Fail], "1 failed")]
    #[case(&[Verdict::Fail, Verdict::Pass], "1 of 2 failed")]
    #[case(&[Verdict::Fail, Verdict::Crashed, Verdict::Known, Verdict::Info], "2 failed, 1 known of 4")]
    #[case(&[Verdict::Known, Verdict::Lenient], "1 lenient, 1 known of 2")]
    fn every_kind_of_deviation_is_told(#[case] verdicts: &[Verdict], #[case] words: &str) {
        let counts: Counts = verdicts.iter().copied().collect();
        assert_eq!(counts.deviations(), words);
    }

    #[test]
    fn every_verdict_is_in_exactly_one_group_that_summaries_show() {
        let counts: Counts = Verdict::ALL.into_iter().collect();
        let sum: u64 = Group::ALL.into_iter().map(|g| counts.group(g)).sum();
        assert_eq!(sum, 12);
        assert_eq!(counts.total(), 12);
    }

    #[test]
    fn the_worst_verdict_is_the_first_in_the_order_of_reports() {
        let counts: Counts = [Verdict::Pass, Verdict::Fail, Verdict::Skipped]
            .into_iter()
            .collect();
        assert_eq!(counts.worst(), Some(Verdict::Fail));
        assert_eq!(Counts::default().worst(), None);
    }
}
