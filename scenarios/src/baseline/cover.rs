//! Patterns for a set of cases of one scenario: as few as cover these and no others.

use std::collections::BTreeSet;

/// The axes of a case's id, `a=x`, in their order; empty for a case without axes.
fn axes<'a>(scenario: &str, id: &'a str) -> Vec<&'a str> {
    let rest = id.strip_prefix(scenario).unwrap_or_default();
    let rest = rest.strip_prefix('/').unwrap_or_default();
    rest.split(',').filter(|axis| !axis.is_empty()).collect()
}

/// Patterns that match every case of `wanted` and none of `others`, all of them of one scenario.
///
/// Greedy: whole scenario first, then the choice of one axis, then of two, whichever covers
/// most of what is left; a case that no such pattern covers stands by itself.
pub(super) fn patterns(scenario: &str, wanted: &[&str], others: &[&str]) -> Vec<String> {
    let parsed = |ids: &[&'_ str]| -> Vec<Vec<String>> {
        let axes = ids.iter().map(|id| axes(scenario, id));
        axes.map(|axes| axes.into_iter().map(str::to_owned).collect())
            .collect()
    };
    let (wanted, others) = (parsed(wanted), parsed(others));
    let mut left: BTreeSet<usize> = (0..wanted.len()).collect();
    let mut found = Vec::new();
    let candidates = candidates(&wanted);
    while let Some(first) = left.first().copied() {
        let fits = |choices: &&Vec<(usize, String)>| !others.iter().any(|it| matches(it, choices));
        let covers = |choices: &Vec<(usize, String)>| {
            let left = left
                .iter()
                .filter(|index| matches(&wanted[**index], choices));
            left.count()
        };
        let best = candidates.iter().filter(fits);
        // Of equals the last is taken, so the one with the fewest choices comes last.
        let best = best.rev().max_by_key(|choices| covers(choices));
        let count = wanted[first].len();
        match best.filter(|choices| covers(choices) > 0) {
            Some(choices) => {
                found.push(glob(scenario, count, choices));
                left.retain(|index| !matches(&wanted[*index], choices));
            }
            None => {
                let all: Vec<_> = wanted[first].iter().cloned().enumerate().collect();
                found.push(glob(scenario, count, &all));
                left.remove(&first);
            }
        }
    }
    found
}

/// No choice, each choice of one axis, each pair of choices that occurs.
fn candidates(wanted: &[Vec<String>]) -> Vec<Vec<(usize, String)>> {
    let mut all = BTreeSet::new();
    for axes in wanted {
        for (i, one) in axes.iter().enumerate() {
            all.insert(vec![(i, one.clone())]);
            for (j, two) in axes.iter().enumerate().skip(i + 1) {
                all.insert(vec![(i, one.clone()), (j, two.clone())]);
            }
        }
    }
    all.insert(Vec::new());
    let mut all: Vec<_> = all.into_iter().collect();
    all.sort_by_key(Vec::len);
    all
}

fn matches(axes: &[String], choices: &[(usize, String)]) -> bool {
    choices
        .iter()
        .all(|(place, choice)| axes.get(*place) == Some(choice))
}

/// The pattern for some choices out of `count` axes.
fn glob(scenario: &str, count: usize, choices: &[(usize, String)]) -> String {
    let mut parts: Vec<String> = Vec::new();
    for place in 0..count {
        let choice = choices.iter().find(|(chosen, _)| *chosen == place);
        match choice {
            Some((_, choice)) => parts.push(globset::escape(choice)),
            None if parts.last().is_none_or(|part| part != "*") => parts.push("*".to_owned()),
            None => {}
        }
    }
    let scenario = globset::escape(scenario);
    match parts.is_empty() {
        true => scenario,
        false => format!("{scenario}/{}", parts.join(",")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::select::Patterns;
    use proptest::prelude::*;
    use rstest::rstest;

    #[rstest]
    #[case::all_of_them(&["s/a=1,b=1", "s/a=2,b=1"], &[], &["s/*"])]
    #[case::one_axis(&["s/a=1,b=1", "s/a=1,b=2"], &["s/a=2,b=1"], &["s/a=1,*"])]
    #[case::the_other_axis(&["s/a=1,b=1", "s/a=2,b=1"], &["s/a=2,b=2"], &["s/*,b=1"])]
    #[case::no_axes(&["s"], &[], &["s"])]
    #[case::a_diagonal(
        &["s/a=1,b=1", "s/a=2,b=2"],
        &["s/a=1,b=2", "s/a=2,b=1"],
        &["s/a=1,b=1", "s/a=2,b=2"]
    )]
    #[case::a_value_with_a_star(&["s/a=x*"], &["s/a=xy"], &["s/a=x[*]"])]
    fn few_patterns_cover(
        #[case] wanted: &[&str],
        #[case] others: &[&str],
        #[case] expected: &[&str],
    ) {
        assert_eq!(patterns("s", wanted, others), expected);
    }

    proptest! {
        #[test]
        fn patterns_match_what_is_wanted_and_nothing_else(
            chosen in prop::collection::vec(any::<bool>(), 27),
        ) {
            let id = |n: usize| format!("s/a={},b={},c={}", n / 9, n / 3 % 3, n % 3);
            let ids: Vec<String> = (0..27).map(id).collect();
            let of = |kind: bool| -> Vec<&str> {
                let ids = ids.iter().zip(&chosen).filter(|(_, chosen)| **chosen == kind);
                ids.map(|(id, _)| id.as_str()).collect()
            };
            let found = patterns("s", &of(true), &of(false));
            let set = Patterns::parse(&found, false).unwrap();
            for (id, chosen) in ids.iter().zip(&chosen) {
                prop_assert_eq!(set.matches(id), *chosen, "{} in {:?}", id, found);
            }
        }
    }
}
