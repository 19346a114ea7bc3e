//! The ledger of a run: baselines applied, verdicts counted.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use qconform_reports::event::{CaseEvent, RunFooter};
use qconform_scenarios::baseline::Baseline;
use qconform_scenarios::error::DataError;
use qconform_scenarios::suite::Suite;
use qconform_scenarios::verdict::Verdict;

/// What has happened so far.
pub(super) struct Ledger {
    accounts: BTreeMap<String, Account>,
}

/// One subject's part of the ledger. Deviations are known by their number.
struct Account {
    baseline: Baseline,
    counts: BTreeMap<Verdict, u64>,
    /// Deviations some of whose cases were judged.
    tried: BTreeSet<usize>,
    /// Deviations that were seen.
    seen: BTreeSet<usize>,
}

impl Ledger {
    /// An empty ledger with the baseline that ships for each subject.
    pub(super) fn new<'a>(subjects: impl Iterator<Item = &'a str>) -> Result<Self, DataError> {
        let mut accounts = BTreeMap::new();
        for subject in subjects {
            let account = Account {
                baseline: Suite::baseline(subject)?,
                counts: BTreeMap::new(),
                tried: BTreeSet::new(),
                seen: BTreeSet::new(),
            };
            accounts.insert(subject.to_owned(), account);
        }
        Ok(Ledger { accounts })
    }

    /// Enters a case, which gives it its final verdict.
    pub(super) fn enter(&mut self, mut event: CaseEvent) -> CaseEvent {
        let Some(account) = self.accounts.get_mut(&event.subject) else {
            return event;
        };
        let (verdict, deviation) =
            account
                .baseline
                .apply(&event.case, event.verdict, &event.message);
        if !matches!(event.verdict, Verdict::Skipped | Verdict::HarnessError) {
            account.try_all(&event.case);
        }
        if let Some(number) = deviation {
            let deviation = &account.baseline.deviations()[number];
            event.known_reason = Some(deviation.reason.clone());
            if verdict == Verdict::Known {
                account.seen.insert(number);
            } else {
                event.message = format!("passes, but {} says it fails", deviation.place);
            }
        }
        event.verdict = verdict;
        *account.counts.entry(verdict).or_default() += 1;
        event
    }

    /// The footer.
    pub(super) fn close(self, complete: bool, elapsed: Duration) -> RunFooter {
        let mut counts = BTreeMap::new();
        let mut stale = Vec::new();
        for (subject, account) in self.accounts {
            stale.extend(account.stale());
            counts.insert(subject, account.counts);
        }
        let millis = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
        RunFooter {
            complete,
            counts,
            stale,
            millis,
        }
    }
}

impl Account {
    fn try_all(&mut self, id: &str) {
        let deviations = self.baseline.deviations().iter().enumerate();
        self.tried.extend(
            deviations
                .filter(|(_, d)| d.covers(id))
                .map(|(number, _)| number),
        );
    }

    /// Deviations whose cases ran without showing them.
    fn stale(&self) -> Vec<String> {
        let stale = self.tried.difference(&self.seen);
        stale
            .map(|number| {
                let deviation = &self.baseline.deviations()[*number];
                format!(
                    "{}: `{}` no longer fails as it says",
                    deviation.place, deviation.cases
                )
            })
            .collect()
    }
}
