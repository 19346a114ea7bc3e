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

fn grid(run: &Run, options: Options) -> String {
    let mut out = Vec::new();
    terminal::grid(run, options, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn the_grid_of_the_stored_run_has_what_somebody_deviates_from() {
    insta::assert_snapshot!(grid(&stored(), PLAIN));
}

#[test]
fn the_grid_of_everything_that_was_tested() {
    let options = Options {
        verbose: true,
        ..PLAIN
    };
    insta::assert_snapshot!(grid(&stored(), options));
}

#[rstest]
#[case::the_worst_deviation(&Verdict::ALL, 'F')]
#[case::a_known_one(&[Verdict::Pass, Verdict::Known, Verdict::Info], 'k')]
#[case::a_pass_beside_what_was_not_asked(&[Verdict::Pass, Verdict::Unsupported], '.')]
#[case::nothing_asked(&[Verdict::Unsupported], '-')]
fn a_mark_stands_for_all_that_a_subject_made_of_a_requirement(
    #[case] verdicts: &[Verdict],
    #[case] mark: char,
) {
    let mut run = run_saying("x", verdicts);
    run.header.requirements = stored().header.requirements;
    run.header.requirements.truncate(1);
    run.header.requirements[0].id = "x".to_owned();
    let everything = Options {
        verbose: true,
        ..PLAIN
    };
    let printed = grid(&run, everything);
    assert!(
        printed.ends_with(&format!(" 1  requirement\n {mark}  x\n")),
        "{printed}"
    );
}

#[test]
fn the_grid_of_an_incomplete_run_says_so() {
    let mut run = run_saying("x", &[Verdict::Pass]);
    run.footer = None;
    let printed = grid(&run, PLAIN);
    assert!(
        printed.contains("incomplete run: it has no footer"),
        "{printed}"
    );
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
