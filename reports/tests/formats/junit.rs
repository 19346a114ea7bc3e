//! JUnit: what is written is read again by the same library, whatever the text.

use proptest::prelude::*;
use qconform_reports::junit;
use qconform_reports::stream::Run;
use qconform_scenarios::verdict::Verdict;
use quick_junit::Report;

use crate::runs::{run_saying, stored};

fn xml(run: &Run) -> String {
    let mut out = Vec::new();
    junit::write(run, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn the_junit_report_of_the_stored_run() {
    insta::assert_snapshot!(xml(&stored()));
}

#[test]
fn the_stored_run_keeps_its_counts() {
    let report = Report::deserialize_from_str(&xml(&stored())).unwrap();
    // 18 verdicts and one stale baseline entry.
    assert_eq!(report.tests, 19);
    // Four kinds of failure, of which `fail` twice, one unexpected pass, one stale entry.
    assert_eq!(report.failures, 7);
    assert_eq!(report.errors, 1);
    // Two missing capabilities, another reason, one unsupported, one known.
    let skipped: usize = report.test_suites.iter().map(|s| s.skipped).sum();
    assert_eq!(skipped, 5);
}

#[test]
fn an_incomplete_run_is_an_error() {
    let mut run = run_saying("x", &[Verdict::Pass]);
    run.footer = None;
    let report = Report::deserialize_from_str(&xml(&run)).unwrap();
    assert_eq!((report.tests, report.errors), (2, 1));
}

proptest! {
    #[test]
    fn the_report_is_read_again_with_as_many_test_cases_as_events(
        text in any::<String>(),
        verdicts in prop::collection::vec(prop::sample::select(Verdict::ALL.to_vec()), 0..20),
    ) {
        let xml = xml(&run_saying(&text, &verdicts));
        let report = Report::deserialize_from_str(&xml).unwrap();
        let cases: usize = report.test_suites.iter().map(|s| s.test_cases.len()).sum();
        prop_assert_eq!(cases, verdicts.len());
        prop_assert_eq!(report.tests, verdicts.len());
    }
}
