//! Why cases were skipped, so that lost coverage is seen.

use std::collections::BTreeMap;

use qconform_scenarios::verdict::Verdict;

use crate::stream::Run;

/// A reason for skipping.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason<'run> {
    /// The missing capability's name; the message of cases that name none.
    pub name: &'run str,
    /// What was found when the capability was tried; empty for a message.
    pub detail: &'run str,
    /// How many cases were skipped for it.
    pub cases: u64,
}

/// The reasons for which cases were skipped, the dearest first, then by name. A case
/// belongs to the first missing capability that its message names.
#[must_use]
pub fn reasons(run: &Run) -> Vec<Reason<'_>> {
    let mut reasons: BTreeMap<&str, Reason<'_>> = BTreeMap::new();
    for case in &run.cases {
        if case.verdict == Verdict::Skipped {
            let (name, detail) = reason(run, &case.message);
            let reason = reasons.entry(name).or_insert(Reason {
                name,
                detail,
                cases: 0,
            });
            reason.cases += 1;
        }
    }
    let mut reasons: Vec<_> = reasons.into_values().collect();
    // Stable, so that names stay in order.
    reasons.sort_by_key(|reason| std::cmp::Reverse(reason.cases));
    reasons
}

fn reason<'run>(run: &'run Run, message: &'run str) -> (&'run str, &'run str) {
    let mut capabilities = run.header.capabilities.iter();
    capabilities
        .find(|capability| !capability.present && names(message, &capability.name))
        .map_or((message, ""), |capability| {
            (&capability.name, &capability.detail)
        })
}

/// Whether the message holds the name as a word of its own: `xattr` is not named by
/// `user-xattr`.
fn names(message: &str, name: &str) -> bool {
    message
        .split(|c: char| !c.is_alphanumeric() && !"-_.".contains(c))
        .any(|word| word.trim_matches('.') == name)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("needs xattr", true)]
    #[case("missing capability `xattr`: not permitted", true)]
    #[case("this machine has no xattr.", true)]
    #[case("needs user-xattr", false)]
    #[case("needs xattrs", false)]
    #[case("", false)]
    fn a_capability_is_named_by_a_whole_word(#[case] message: &str, #[case] named: bool) {
        assert_eq!(names(message, "xattr"), named);
    }
}
