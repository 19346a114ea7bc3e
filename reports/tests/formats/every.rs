//! What holds for every format.

use proptest::prelude::*;
use qconform_reports::event::{CellSeen, Head, Link, Setup, SetupFile, State, Wanted};
use qconform_reports::format::Format;
use qconform_reports::stream::Run;
use qconform_reports::terminal::Options;
use qconform_scenarios::baseline::Severity;
use qconform_scenarios::verdict::Verdict;
use rstest::rstest;

use crate::runs::{empty, run_saying, stored};

const OPTIONS: Options = Options {
    color: false,
    verbose: true,
    width: 100,
};

pub(crate) fn written(format: Format, run: &Run) -> String {
    let mut out = Vec::new();
    format.write(run, OPTIONS, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[rstest]
#[case(Format::Tap)]
#[case(Format::Json)]
#[case(Format::Markdown)]
#[case(Format::Github)]
#[case(Format::Badge)]
#[case(Format::Sarif)]
#[case(Format::Findings)]
#[case(Format::Passes)]
fn the_stored_run_in_every_format(#[case] format: Format) {
    insta::assert_snapshot!(format.as_str(), written(format, &stored()));
}

/// A run in which one text stands wherever text that is not ours can stand.
pub(crate) fn hostile(text: &str) -> Run {
    let mut run = run_saying(text, &Verdict::ALL);
    let owned = || text.to_owned();
    run.header.command.push(owned());
    run.header.started = owned();
    run.header.tool = owned();
    run.header.suite = owned();
    run.header.suite_digest = owned();
    run.header.subjects[0].version = owned();
    run.footer.as_mut().unwrap().stale.push(owned());
    run.header.requirements = stored().header.requirements;
    for requirement in &mut run.header.requirements {
        requirement.text = owned();
        requirement.source = owned();
    }
    run.header.requirements[0].id = owned();
    run.header.requirements[0].security = true;
    let state = || State {
        owner: owned(),
        label: Some(owned()),
    };
    let file = SetupFile {
        name: owned(),
        kind: owned(),
        roles: vec![owned(), "top".to_owned()],
        owner: owned(),
        mode: owned(),
        label: Some(owned()),
        decoy: true,
    };
    let link = |kind: &str| Link {
        from: owned(),
        to: owned(),
        kind: kind.to_owned(),
        by: owned(),
    };
    for case in &mut run.cases {
        case.steps = 1;
        case.cells.push(CellSeen {
            step: owned(),
            file: owned(),
            expected: state(),
            observed: state(),
            allowed: false,
        });
        let setup = Setup {
            case: case.case.clone(),
            files: vec![file.clone()],
            links: vec![link(text), link("backing"), link("data-file")],
            recipe: owned(),
            domain: Some(owned()),
            ask: vec![owned()],
            steps: vec![owned()],
            matrix: vec![Wanted {
                step: owned(),
                file: owned(),
                words: owned(),
                state: state(),
            }],
            expected: vec![owned()],
            head: Some(Head {
                file: owned(),
                bytes: owned(),
            }),
        };
        run.setups.insert(case.case.clone(), setup);
    }
    run
}

/// The control characters of a text, new lines excepted.
fn controls(text: &str) -> Vec<char> {
    let controls = text.chars().filter(|c| c.is_control() && *c != '\n');
    controls.collect()
}

#[rstest]
#[case::escapes("\u{1b}[31mred\u{1b}[0m\u{1b}]0;title\u{7}")]
#[case::controls("a\u{0}b\u{8}c\rd\u{7f}e\u{9b}31m")]
#[case::direction("evil\u{202e}gnp.exe\u{2066}")]
#[case::markup("</script><img src=x onerror=alert(1)><!-- ]]> -->")]
#[case::workflow_commands("::error::x\n::set-env name=A::b\n##[add-matcher]x")]
#[case::invalid_utf8_as_read("a\u{fffd}b")]
fn hostile_text_is_shown_and_does_nothing(#[case] text: &str) {
    let run = hostile(text);
    for format in Format::ALL {
        let written = written(format, &run);
        let left = controls(&written);
        let tabs_only = matches!(format, Format::Failures | Format::Passes);
        assert!(
            left.iter().all(|c| tabs_only && *c == '\t'),
            "{}: {left:?}",
            format.as_str()
        );
        assert!(!written.contains('\u{202e}'), "{}", format.as_str());
        if !matches!(format, Format::Json | Format::Sarif | Format::Html) {
            // What is not JSON has no line that a step of GitHub Actions would obey.
            let lines = written.lines().map(str::trim_start);
            let obeyed = lines.filter(|line| line.starts_with("::"));
            let ours = |line: &&str| {
                line.starts_with("::error title=") || line.starts_with("::warning title=")
            };
            let strange: Vec<_> = obeyed
                .filter(|line| format != Format::Github || !ours(line))
                .collect();
            assert_eq!(strange, Vec::<&str>::new(), "{}", format.as_str());
        }
        if format == Format::Markdown {
            let fenced = |index: &usize| index % 2 == 1;
            let pieces = written.split("```").enumerate();
            for (_, piece) in pieces.filter(|(index, _)| !fenced(index)) {
                assert!(!piece.contains("<img"), "markup in Markdown");
            }
        }
    }
}

#[test]
fn bytes_that_are_not_utf8_are_shown_as_far_as_they_can_be() {
    let path =
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/every-verdict.jsonl");
    let mut bytes = std::fs::read(path).unwrap();
    let at = bytes
        .windows(11)
        .position(|it| it == b"no answer a")
        .unwrap();
    bytes[at + 2] = 0xff;
    let run = Run::read(std::path::Path::new("run.jsonl"), bytes.as_slice()).unwrap();
    for format in [
        Format::Failures,
        Format::Tap,
        Format::Html,
        Format::Junit,
        Format::Markdown,
    ] {
        let written = written(format, &run);
        assert!(written.contains("no\u{fffd}answer"), "{}", format.as_str());
    }
}

#[test]
fn annotations_stay_below_githubs_limit_and_say_what_is_left_out() {
    let mut verdicts = vec![Verdict::Fail; 40];
    verdicts.extend([Verdict::Fixed; 12]);
    let written = written(Format::Github, &run_saying("x", &verdicts));
    let count = |kind: &str| {
        written
            .lines()
            .filter(|line| line.starts_with(kind))
            .count()
    };
    assert_eq!((count("::error "), count("::warning ")), (10, 10));
    assert!(
        written.contains("::error title=qconform::and 31 more"),
        "{written}"
    );
}

#[test]
fn a_step_summary_stays_below_githubs_limit_with_failures_first() {
    let text = "x".repeat(3000);
    let mut run = run_saying(&text, &vec![Verdict::Fail; 3000]);
    run.cases[2000].verdict = Verdict::WrongData;
    let written = written(Format::Markdown, &run);
    assert!(written.len() < 1 << 20, "{} bytes", written.len());
    assert!(written.contains("more: `failures.txt`"));
    let first = written.find("wrong-data: ").unwrap();
    assert!(first < written.find("fail: ").unwrap());
}

#[rstest]
#[case(&[Verdict::Pass, Verdict::Pass], "2 passed", false)]
#[case(&[Verdict::Pass, Verdict::Fail], "1 failed", true)]
#[case(&[Verdict::Pass, Verdict::Known], "1 passed, 1 known", false)]
#[case(&[Verdict::Skipped], "not tested", true)]
fn a_badge_says_the_worst(
    #[case] verdicts: &[Verdict],
    #[case] message: &str,
    #[case] error: bool,
) {
    let badge: serde_json::Value =
        serde_json::from_str(&written(Format::Badge, &run_saying("x", verdicts))).unwrap();
    assert_eq!(badge["message"], message);
    assert_eq!(badge["isError"], error);
    assert_eq!(badge["schemaVersion"], 1);
    assert_eq!(badge["label"], "qconform: s");
}

#[test]
fn a_finding_of_an_image_has_its_files_and_the_question() {
    let mut run = run_saying("x", &[Verdict::Fail]);
    let setup = Setup {
        case: run.cases[0].case.clone(),
        recipe: "[files]\n\"disk.qcow2\" = { name = \"```\" }".to_owned(),
        ask: vec!["image: disk".to_owned()],
        ..Setup::default()
    };
    run.setups.insert(setup.case.clone(), setup);
    let page = written(Format::Findings, &run);
    assert!(page.contains("Asked: image&#58; disk. The files"), "{page}");
    let files = "````toml\n[files]\n\"disk.qcow2\" = { name = \"```\" }\n````\n";
    assert!(page.contains(files), "{page}");
}

#[test]
fn the_example_of_a_finding_is_one_of_its_worst_cases() {
    let mut run = run_saying("x", &[Verdict::Known, Verdict::Known]);
    run.cases[0].deviation.as_mut().unwrap().severity = Severity::Lenient;
    let page = written(Format::Findings, &run);
    assert!(page.contains("<code>header/x/1</code>"), "{page}");
    assert!(!page.contains("<code>header/x/0</code>"), "{page}");
}

#[test]
fn the_badge_of_an_incomplete_run_is_an_error() {
    let mut run = run_saying("x", &[Verdict::Pass]);
    run.footer = None;
    assert!(written(Format::Badge, &run).contains("\"incomplete\""));
}

#[test]
fn sarif_holds_security_relevant_findings_only() {
    let log: serde_json::Value = serde_json::from_str(&written(Format::Sarif, &stored())).unwrap();
    let run = &log["runs"][0];
    let results = run["results"].as_array().unwrap();
    // Of six failures, three break the one requirement that is marked as security.
    assert_eq!(results.len(), 3);
    assert!(
        results
            .iter()
            .all(|it| it["ruleId"] == "label.data-file-follows-image")
    );
    assert_eq!(run["tool"]["driver"]["rules"].as_array().unwrap().len(), 1);
}

#[test]
fn a_run_without_a_case_is_written_in_every_format() {
    for format in Format::ALL {
        written(format, &empty());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn no_text_breaks_a_format(text in any::<String>()) {
        let run = hostile(&text);
        for format in [Format::Json, Format::Sarif, Format::Badge] {
            let written = written(format, &run);
            let parsed: Result<serde_json::Value, _> = serde_json::from_str(&written);
            prop_assert!(parsed.is_ok(), "{}", format.as_str());
        }
        // Each event has one line in TAP that begins a test.
        let tap = written(Format::Tap, &run);
        let tests = tap.lines().filter(|line| line.starts_with("ok ") || line.starts_with("not ok "));
        prop_assert_eq!(tests.count(), run.cases.len() + 1);
        let html = written(Format::Html, &run);
        prop_assert_eq!(html.matches("<script").count(), written(Format::Html, &hostile("x")).matches("<script").count());
    }
}
