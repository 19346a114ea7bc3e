//! Which cases to run: patterns over ids, levels, requirements.

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};

use crate::scenario::Scenario;
use crate::verdict::Level;

/// A pattern that can't be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{pattern}` is not a pattern: {reason}")]
pub struct PatternError {
    pattern: String,
    reason: String,
}

/// Characters that can mean something else than themselves.
const SPECIAL: [char; 6] = ['*', '?', '[', ']', '{', '\\'];

/// Ids in which `*` stands for anything within a component and `**` for any components.
/// A pattern without wildcards also selects everything below it.
#[derive(Debug, Clone)]
pub struct Patterns {
    set: GlobSet,
    /// What stands in each pattern before anything special.
    beginnings: Vec<String>,
}

impl Patterns {
    /// Reads patterns; with `exact`, only whole ids match and nothing is special.
    pub fn parse(patterns: &[String], exact: bool) -> Result<Self, PatternError> {
        let mut set = GlobSetBuilder::new();
        for pattern in patterns {
            let fail = |error: globset::Error| PatternError {
                pattern: pattern.clone(),
                reason: error.kind().to_string(),
            };
            let text = if exact {
                globset::escape(pattern)
            } else {
                pattern.clone()
            };
            let glob = |text: &str| GlobBuilder::new(text).literal_separator(true).build();
            set.add(glob(&text).map_err(fail)?);
            if !exact && !pattern.contains('*') {
                set.add(glob(&format!("{text}/**")).map_err(fail)?);
            }
        }
        let plain = |pattern: &String| match exact {
            true => pattern.clone(),
            false => pattern.split(SPECIAL).next().unwrap_or_default().to_owned(),
        };
        let beginnings = patterns.iter().map(plain).collect();
        set.build()
            .map(|set| Patterns { set, beginnings })
            .map_err(|error| PatternError {
                pattern: patterns.join(" "),
                reason: error.to_string(),
            })
    }

    /// Whether an id is selected.
    #[must_use]
    pub fn matches(&self, id: &str) -> bool {
        self.set.is_match(id)
    }

    /// Whether an id that begins with this can be selected.
    fn may_match_below(&self, beginning: &str) -> bool {
        let mut beginnings = self.beginnings.iter();
        beginnings.any(|it| it.starts_with(beginning) || beginning.starts_with(it.as_str()))
    }
}

/// A selection of cases. What is not restricted is selected.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    /// Ids.
    pub patterns: Option<Patterns>,
    /// Levels.
    pub levels: Vec<Level>,
    /// Requirement ids, as patterns; `.` separates nothing here.
    pub requirements: Option<Patterns>,
}

impl Selection {
    /// Whether everything is selected.
    #[must_use]
    pub fn is_everything(&self) -> bool {
        self.patterns.is_none() && self.levels.is_empty() && self.requirements.is_none()
    }

    /// Whether any case of the scenario with this id can be selected, by ids alone.
    #[must_use]
    pub fn may_want_below(&self, id: &str) -> bool {
        let patterns = self.patterns.as_ref();
        patterns.is_none_or(|patterns| patterns.may_match_below(id))
    }

    /// Whether any case of a scenario can be selected, by what its cases share.
    #[must_use]
    pub fn wants_scenario(&self, scenario: &Scenario) -> bool {
        let level = self.levels.is_empty() || self.levels.contains(&scenario.level);
        let requirement = self
            .requirements
            .as_ref()
            .is_none_or(|patterns| scenario.requirements.iter().any(|id| patterns.matches(id)));
        level && requirement
    }

    /// Whether a case of a wanted scenario is selected.
    #[must_use]
    pub fn wants_id(&self, id: &str) -> bool {
        self.patterns
            .as_ref()
            .is_none_or(|patterns| patterns.matches(id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    #[rstest]
    #[case::a_whole_id("header/raw/a=1", false, true)]
    #[case::a_folder("header", false, true)]
    #[case::half_a_component("header/ra", false, false)]
    #[case::a_star_stays_in_its_component("header/*", false, false)]
    #[case::two_stars_do_not("header/**", false, true)]
    #[case::a_star_inside_a_component("header/raw/a=*", false, true)]
    #[case::exact_wants_all_of_it("header/raw", true, false)]
    #[case::exact_takes_a_star_as_it_is("header/raw/a=*", true, false)]
    fn a_pattern_selects(#[case] pattern: &str, #[case] exact: bool, #[case] expected: bool) {
        let patterns = Patterns::parse(&[pattern.to_owned()], exact).unwrap();
        assert_eq!(patterns.matches("header/raw/a=1"), expected);
    }

    proptest! {
        #[test]
        fn a_scenario_with_a_selected_case_is_read(
            pattern in "[ab/=1*?\\[\\]{},\\\\]{0,8}",
            exact: bool,
            scenario in "[ab/]{1,3}",
            rest in "(/[ab1=*]{1,3})?",
        ) {
            if let Ok(patterns) = Patterns::parse(&[pattern], exact) {
                let id = scenario.clone() + &rest;
                prop_assert!(!patterns.matches(&id) || patterns.may_match_below(&scenario));
            }
        }
    }

    #[rstest]
    #[case::a_whole_id("header/raw/a=1", false, true)]
    #[case::everything_in_its_folder("header/**", false, true)]
    #[case::a_pattern_that_begins_with_a_wildcard("**/a=1", false, true)]
    #[case::a_longer_name("header/rawest", false, true)]
    #[case::another_name("header/qcow2", false, false)]
    #[case::exact_with_a_star_in_the_case("header/raw/a=*", true, true)]
    #[case::exact_with_a_star_in_the_scenario("header/*", true, false)]
    fn a_scenario_may_have_a_selected_case(
        #[case] pattern: &str,
        #[case] exact: bool,
        #[case] expected: bool,
    ) {
        let patterns = Patterns::parse(&[pattern.to_owned()], exact).unwrap();
        assert_eq!(patterns.may_match_below("header/raw"), expected);
    }

    #[test]
    fn an_unclosed_class_is_an_error() {
        let error = Patterns::parse(&["a[".to_owned()], false).unwrap_err();
        assert!(
            error.to_string().starts_with("`a[` is not a pattern: "),
            "{error}"
        );
    }
}
