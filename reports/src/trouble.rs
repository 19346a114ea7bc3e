//! What is wrong with a run as a whole, beside its verdicts.

use std::borrow::Cow;

use crate::stream::Run;
use crate::text;

/// Something that keeps a run from being taken for success.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble<'run> {
    /// `incomplete` or `stale-baseline`.
    pub kind: &'static str,
    /// A name of its own within the run.
    pub name: String,
    /// What is wrong, without hidden characters.
    pub message: Cow<'run, str>,
}

/// The gap in the run, then every baseline entry that no longer fits.
#[must_use]
pub fn of(run: &Run) -> Vec<Trouble<'_>> {
    let gap = run.gap().map(|gap| Trouble {
        kind: "incomplete",
        name: "complete".to_owned(),
        message: Cow::Borrowed(gap),
    });
    let stale = run.footer.iter().flat_map(|footer| &footer.stale);
    let stale = stale.enumerate().map(|(index, entry)| Trouble {
        kind: "stale-baseline",
        name: format!("baseline {}", index + 1),
        message: text::printable(entry),
    });
    gap.into_iter().chain(stale).collect()
}
