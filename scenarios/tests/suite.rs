//! The suite that ships holds together.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::path::Path;
use std::sync::Arc;

use qconform_scenarios::baseline::Baseline;
use qconform_scenarios::page;
use qconform_scenarios::scenario::Combination;
use qconform_scenarios::select::{Patterns, Selection};
use qconform_scenarios::suite::Suite;
use qconform_scenarios::verdict::Level;
use rstest::rstest;

#[test]
fn every_combination_is_expected_or_ruled_out_exactly_once() {
    for scenario in &Suite::embedded().unwrap().scenarios {
        scenario.check().unwrap();
    }
}

#[test]
fn ids_are_unique_and_begin_with_their_level() {
    let suite = Suite::embedded().unwrap();
    let mut seen = BTreeSet::new();
    for selected in suite.select(&Selection::default()) {
        let (level, _) = selected.id.split_once('/').unwrap();
        assert_eq!(level, selected.scenario.level.as_str(), "{}", selected.id);
        assert!(
            seen.insert(selected.id.clone()),
            "{} is there twice",
            selected.id
        );
    }
}

#[test]
fn cases_with_one_fixture_key_have_the_same_files() {
    let suite = Suite::embedded().unwrap();
    let everything = Selection::default();
    let mut keys = HashMap::new();
    let mut shared = 0;
    for selected in suite.select(&everything) {
        let case = selected.case().unwrap();
        let key = selected.scenario.fixture_key(selected.number);
        let found = (case.files, case.filesystem);
        match keys.entry((&selected.scenario.id, key)) {
            Entry::Vacant(place) => drop(place.insert(found)),
            Entry::Occupied(known) => {
                assert_eq!(*known.get(), found, "{}", selected.id);
                shared += 1;
            }
        }
    }
    // Otherwise the key would be of no use.
    assert!(shared * 2 > keys.len(), "{shared}");
}

#[test]
fn a_case_may_be_typed_with_files_that_are_typed_already() {
    let suite = Suite::embedded().unwrap();
    for selected in suite.select(&Selection::default()).step_by(17) {
        let case = selected.case().unwrap();
        let files = Some(Arc::clone(&case.files));
        let again = selected.scenario.case_with(selected.number, files).unwrap();
        let json = |case| serde_json::to_string(&case).unwrap();
        assert_eq!(json(case), json(again));
    }
}

#[test]
fn requirements_and_cases_cite_each_other() {
    let suite = Suite::embedded().unwrap();
    let cited: BTreeSet<&str> = suite
        .scenarios
        .iter()
        .flat_map(|scenario| scenario.requirements.iter().map(String::as_str))
        .collect();
    let defined: BTreeSet<&str> = suite.requirements.iter().map(|r| r.id.as_str()).collect();
    assert_eq!(cited, defined);
}

#[test]
fn the_suite_covers_each_level() {
    let suite = Suite::embedded().unwrap();
    let mut counts: BTreeMap<Level, usize> = BTreeMap::new();
    for selected in suite.select(&Selection::default()) {
        *counts.entry(selected.scenario.level).or_default() += 1;
    }
    assert!(counts[&Level::Label] >= 30, "{counts:?}");
    assert!(counts[&Level::Header] >= 30, "{counts:?}");
    assert_eq!(counts.len(), Level::ALL.len(), "{counts:?}");
}

#[test]
fn every_deviation_is_of_cases_that_cite_the_requirement_that_it_breaks() {
    let suite = Suite::embedded().unwrap();
    let selection = Selection::default();
    let cases: Vec<_> = suite.select(&selection).collect();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("baselines");
    let files = fs::read_dir(folder).unwrap();
    let baselines = files.map(|file| {
        let path = file.unwrap().path();
        let subject = path.file_stem().unwrap().to_str().unwrap();
        Suite::baseline(subject).unwrap()
    });
    let baselines: Vec<Baseline> = baselines.collect();
    assert!(baselines.len() > 15);
    for deviation in baselines.iter().flat_map(Baseline::deviations) {
        let covered = cases.iter().filter(|case| deviation.covers(&case.id));
        let covered: Vec<_> = covered.collect();
        assert!(!covered.is_empty(), "{}", deviation.place);
        for case in covered {
            let cited = &case.scenario.requirements;
            let (place, broken) = (&deviation.place, &deviation.requirement);
            assert!(
                cited.contains(broken),
                "{place}: {} cites {cited:?}",
                case.id
            );
        }
    }
}

#[rstest]
#[case::a_scenario("label/data-file/driver-off", false)]
#[case::a_folder("read", false)]
#[case::wildcards("**/grid/*cdrom*", false)]
#[case::a_whole_case("read/beyond-4-gib/cluster-bits=12,data=internal", true)]
fn what_is_read_for_a_selection_has_every_selected_case(
    #[case] pattern: &str,
    #[case] exact: bool,
) {
    let selection = Selection {
        patterns: Some(Patterns::parse(&[pattern.to_owned()], exact).unwrap()),
        ..Selection::default()
    };
    let whole = Suite::embedded().unwrap();
    let part = Suite::embedded_for(&selection).unwrap();
    let ids = |suite: &Suite| -> Vec<String> {
        let selected = suite.select(&selection);
        selected.map(|selected| selected.id).collect()
    };
    assert!(!ids(&part).is_empty());
    assert_eq!(ids(&part), ids(&whole));
    assert_eq!(part.digest(), whole.digest());
}

#[test]
fn an_impossible_combination_is_no_case() {
    let suite = Suite::embedded().unwrap();
    let ruled_out = suite.scenarios.iter().flat_map(|scenario| {
        (0..scenario.combinations()).map(|number| scenario.combination(number))
    });
    let reasons: Vec<Combination> = ruled_out
        .filter(|what| matches!(what, Combination::Impossible(_)))
        .collect();
    assert!(!reasons.is_empty());
}

#[test]
fn every_bug_names_cases_that_exist() {
    let suite = Suite::embedded().unwrap();
    let ids: Vec<String> = suite
        .select(&Selection::default())
        .map(|selected| selected.id)
        .collect();
    for bug in Suite::bugs().unwrap() {
        for (text, pattern) in bug.shown.patterns().iter().zip(bug.selects().unwrap()) {
            let found = ids.iter().any(|id| pattern.matches(id));
            assert!(found, "{}: no case is `{text}`", bug.id);
        }
    }
}

#[test]
fn every_bug_has_a_name_of_its_own() {
    let mut seen = BTreeSet::new();
    for bug in Suite::bugs().unwrap() {
        assert!(seen.insert(bug.id.clone()), "{} is there twice", bug.id);
    }
    assert!(seen.len() > 100, "{}", seen.len());
}

#[test]
fn there_are_enough_requirements_and_each_says_why() {
    let suite = Suite::embedded().unwrap();
    assert!(suite.requirements.iter().count() >= 120);
    for requirement in suite.requirements.iter() {
        let sentence = |text: &str| text.ends_with('.') && text.len() > 20;
        assert!(sentence(&requirement.text), "{}", requirement.id);
        assert!(sentence(&requirement.why), "{}", requirement.id);
        assert!(!requirement.source.is_empty(), "{}", requirement.id);
    }
}

/// The pages are what is checked in; with `QCONFORM_UPDATE` set, this test writes them.
#[test]
fn pages_of_the_documentation_are_up_to_date() {
    let suite = Suite::embedded().unwrap();
    let pages = [
        ("bugs.md", page::bugs(&Suite::bugs().unwrap())),
        ("requirements.md", page::requirements(&suite)),
    ];
    for (name, page) in pages {
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../docs")
            .join(name);
        if std::env::var_os("QCONFORM_UPDATE").is_some() {
            std::fs::write(&path, &page).unwrap();
        }
        let stored = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(stored == page, "{name} is old: QCONFORM_UPDATE=1 writes it");
    }
}
