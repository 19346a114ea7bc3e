//! The ledger of a run: baselines applied, verdicts counted.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use qconform_reports::event::{BaselineUse, CaseEvent, Deviation, RunFooter, SubjectInfo};
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
    /// An empty ledger with a baseline for each subject: one of `own`, or that which ships.
    pub(super) fn new(
        subjects: &[SubjectInfo],
        own: &BTreeMap<String, Baseline>,
    ) -> Result<Self, DataError> {
        let mut accounts = BTreeMap::new();
        for subject in subjects {
            let baseline = match own.get(&subject.name) {
                Some(own) => own.clone(),
                None => Suite::baseline(&subject.name)?,
            };
            let account = Account {
                baseline: baseline.of_version(&subject.version),
                counts: BTreeMap::new(),
                tried: BTreeSet::new(),
                seen: BTreeSet::new(),
            };
            accounts.insert(subject.name.clone(), account);
        }
        Ok(Ledger { accounts })
    }

    /// Enters a case, which gives it its final verdict.
    pub(super) fn enter(&mut self, mut event: CaseEvent) -> CaseEvent {
        let Some(account) = self.accounts.get_mut(&*event.subject) else {
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
                event.deviation = Some(Deviation {
                    verdict: event.verdict,
                    severity: deviation.severity,
                    requirement: deviation.requirement.clone(),
                    link: deviation.link.clone(),
                });
            } else {
                event.message = format!("passes, but {} says it fails", deviation.place);
            }
        }
        event.verdict = verdict;
        *account.counts.entry(verdict).or_default() += 1;
        event
    }

    /// The footer.
    /// What a shard says of its baselines is only true once all shards are there.
    pub(super) fn close(self, complete: bool, shard: bool, elapsed: Duration) -> RunFooter {
        let mut counts = BTreeMap::new();
        let mut baseline = Vec::new();
        for (subject, account) in self.accounts {
            baseline.extend(account.uses());
            counts.insert(subject, account.counts);
        }
        let mut stale = Vec::new();
        if !shard {
            let unseen = baseline.drain(..).filter(|entry| !entry.seen);
            stale.extend(unseen.map(|entry| entry.stale));
        }
        let millis = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
        RunFooter {
            complete,
            counts,
            stale,
            baseline,
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

    /// Deviations some of whose cases ran, and whether they were seen.
    fn uses(&self) -> Vec<BaselineUse> {
        let uses = self.tried.iter().map(|number| {
            let deviation = &self.baseline.deviations()[*number];
            let (place, cases) = (&deviation.place, &deviation.cases);
            BaselineUse {
                stale: format!("{place}: `{cases}` no longer fails as it says"),
                seen: self.seen.contains(number),
            }
        });
        uses.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use qconform_scenarios::verdict::Level;
    use rstest::rstest;

    /// A case of the one deviation that QEMU's baseline has.
    fn event(verdict: Verdict, message: &str) -> CaseEvent {
        CaseEvent {
            case: "read/data-file/other-folder/raw=on".into(),
            subject: "qemu".into(),
            title: "".into(),
            level: Level::Read,
            requirements: [].into(),
            verdict,
            message: message.to_owned(),
            differences: Vec::new(),
            cells: Vec::new(),
            steps: 0,
            known_reason: None,
            deviation: None,
            repeat: String::new(),
            micros: 0,
        }
    }

    const MESSAGE: &str = "guest offset 12288: expected base/base.raw@12288, got base.raw@12288";

    #[rstest]
    #[case::as_the_baseline_says(Verdict::WrongData, MESSAGE, Verdict::Known, 0)]
    #[case::with_another_message(Verdict::WrongData, "other", Verdict::WrongData, 1)]
    #[case::it_passes(Verdict::Pass, "", Verdict::Fixed, 1)]
    #[case::it_is_skipped(Verdict::Skipped, "needs x", Verdict::Skipped, 0)]
    fn a_deviation_that_is_gone_is_stale(
        #[case] verdict: Verdict,
        #[case] message: &str,
        #[case] entered: Verdict,
        #[case] stale: usize,
    ) {
        let qemu = SubjectInfo {
            name: "qemu".to_owned(),
            version: "10.0.2".to_owned(),
            levels: vec![Level::Read],
        };
        let mut ledger = Ledger::new(&[qemu], &BTreeMap::new()).unwrap();
        assert_eq!(ledger.enter(event(verdict, message)).verdict, entered);
        let footer = ledger.close(true, false, Duration::ZERO);
        assert_eq!(footer.stale.len(), stale, "{:?}", footer.stale);
        assert_eq!(footer.counts["qemu"], [(entered, 1)].into());
    }
}
