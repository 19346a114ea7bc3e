//! The formats for a terminal and for `grep`.

use proptest::prelude::*;
use qconform_reports::flat;
use qconform_reports::stream::Run;
use qconform_reports::terminal::{self, Options};
use qconform_scenarios::verdict::Verdict;
use rstest::rstest;

use crate::runs::{empty, run_saying, stored};

const PLAIN: Options = Options {
    color: false,
    verbose: false,
    width: 100,
};

fn summary(run: &Run, options: Options) -> String {
    let mut out = Vec::new();
    terminal::summary(run, options, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

fn failures(run: &Run) -> String {
    let mut out = Vec::new();
    flat::failures(run, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn the_summary_of_the_stored_run() {
    insta::assert_snapshot!(summary(&stored(), PLAIN));
}

#[test]
fn the_verbose_summary_on_a_narrow_terminal() {
    let options = Options {
        verbose: true,
        width: 60,
        ..PLAIN
    };
    insta::assert_snapshot!(summary(&stored(), options));
}

#[test]
fn the_flat_failures_of_the_stored_run() {
    insta::assert_snapshot!(failures(&stored()));
}

#[test]
fn a_conforming_run_is_short() {
    let run = run_saying("x", &[Verdict::Pass]);
    insta::assert_snapshot!(summary(&run, PLAIN), @r"
    suite 0.1.0 (sha256 000000000000), seed 0, 0.0 s
    subjects: s 1

    subject  level   passed  failed
    s        header       1       0

    s 1 conforms: 1 passed, 0 failed
    ");
}

#[test]
fn a_run_without_a_case_is_not_taken_for_success() {
    let text = summary(&empty(), PLAIN);
    assert!(
        text.ends_with("s 1 was not tested: 0 passed, 0 failed\n"),
        "{text}"
    );
}

#[test]
fn a_run_without_a_footer_is_called_incomplete() {
    let mut run = run_saying("x", &[Verdict::Pass]);
    run.footer = None;
    let text = summary(&run, PLAIN);
    let last = "s 1 has not failed so far (incomplete run): 1 passed, 0 failed\n";
    assert!(text.ends_with(last), "{text}");
    assert!(text.contains("it has no footer"), "{text}");
}

#[rstest]
#[case(20, None)]
#[case(21, Some("and 1 more: failures.txt"))]
#[case(50, Some("and 30 more: failures.txt"))]
fn twenty_failures_are_printed_and_the_rest_counted(
    #[case] failed: usize,
    #[case] more: Option<&str>,
) {
    let text = summary(&run_saying("x", &vec![Verdict::Fail; failed]), PLAIN);
    let printed = text.lines().filter(|line| *line == "FAIL").count();
    assert_eq!(printed, 20);
    assert_eq!(text.lines().find(|line| line.starts_with("and ")), more);
}

#[test]
fn colour_adds_nothing_but_escapes() {
    let options = Options {
        color: true,
        ..PLAIN
    };
    let coloured = summary(&stored(), options);
    assert!(coloured.contains("\u{1b}[31m"));
    let mut plain = String::new();
    for piece in coloured.split('\u{1b}') {
        // Each style is `ESC [ ... m`; the first piece has none before it.
        plain += match plain.is_empty() {
            true => piece,
            false => piece.split_once('m').unwrap().1,
        };
    }
    assert_eq!(plain, summary(&stored(), PLAIN));
}

proptest! {
    #[test]
    fn a_failure_is_one_line_of_four_fields(text in any::<String>()) {
        let run = run_saying(&text, &[Verdict::Fail, Verdict::Fixed, Verdict::Known]);
        let failures = failures(&run);
        prop_assert_eq!(failures.lines().count(), 2);
        for line in failures.lines() {
            prop_assert_eq!(line.split('\t').count(), 4);
        }
    }

    #[test]
    fn hostile_text_moves_no_cursor(text in any::<String>(), verbose in any::<bool>()) {
        let run = run_saying(&text, &Verdict::ALL);
        let options = Options { verbose, ..PLAIN };
        let printed = summary(&run, options);
        prop_assert!(!printed.chars().any(|c| c.is_control() && c != '\n'));
    }
}
