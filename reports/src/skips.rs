//! What was not tested, and which missing capability cost it.

use qconform_scenarios::verdict::Verdict;

use crate::stream::Run;

/// A capability that this machine does not have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing<'run> {
    /// Its name.
    pub name: &'run str,
    /// What was found when it was tried.
    pub detail: &'run str,
    /// How many cases were skipped for it.
    pub cases: u64,
}

/// The missing capabilities that cost cases, the dearest first. A skipped case belongs
/// to the first missing capability that its message names.
#[must_use]
pub fn missing(run: &Run) -> Vec<Missing<'_>> {
    let mut missing: Vec<_> = run
        .header
        .capabilities
        .iter()
        .filter(|capability| !capability.present)
        .map(|capability| Missing {
            name: &capability.name,
            detail: &capability.detail,
            cases: 0,
        })
        .collect();
    let skipped = run.cases.iter().filter(|c| c.verdict == Verdict::Skipped);
    for case in skipped {
        let cause = missing
            .iter_mut()
            .find(|capability| names(&case.message, capability.name));
        if let Some(capability) = cause {
            capability.cases += 1;
        }
    }
    missing.retain(|capability| capability.cases > 0);
    missing.sort_by(|a, b| b.cases.cmp(&a.cases).then(a.name.cmp(b.name)));
    missing
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
