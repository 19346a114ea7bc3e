//! The stream itself: what is written is read, what is wrong is named.

use std::path::Path;

use proptest::prelude::*;
use qconform_reports::event::Event;
use qconform_reports::stream::{MAX_LINE, Run, StreamError, Writer};
use qconform_reports::tally::Tally;
use qconform_scenarios::verdict::Verdict;
use rstest::rstest;

use crate::runs::{empty, run_saying, stored};

fn written(run: &Run) -> String {
    let mut bytes = Vec::new();
    let mut writer = Writer::new(&mut bytes);
    writer
        .write(&Event::Header(Box::new(run.header.clone())))
        .unwrap();
    for case in &run.cases {
        writer.write(&Event::Case(Box::new(case.clone()))).unwrap();
    }
    if let Some(footer) = &run.footer {
        writer.write(&Event::Footer(footer.clone())).unwrap();
    }
    String::from_utf8(bytes).unwrap()
}

fn read(text: &str) -> Result<Run, StreamError> {
    Run::read(Path::new("run.jsonl"), text.as_bytes())
}

#[test]
fn the_stored_run_holds_every_verdict_and_is_whole() {
    let run = stored();
    for verdict in Verdict::ALL {
        assert!(
            run.cases.iter().any(|c| c.verdict == verdict),
            "{verdict:?}"
        );
    }
    assert_eq!(run.gap(), None);
}

#[test]
fn a_key_that_a_later_version_added_is_ignored() {
    let text = written(&empty()).replacen('{', "{\"later\":[1],", 1);
    assert_eq!(read(&text).unwrap(), empty());
}

#[rstest]
#[case::empty("", "run.jsonl:1: the first line must be the header")]
#[case::footer_first("FOOTER", "run.jsonl:1: the first line must be the header")]
#[case::case_first("CASE", "run.jsonl:1: the first line must be the header")]
#[case::two_headers("HEADER HEADER", "run.jsonl:2: a second header")]
#[case::case_after_footer(
    "HEADER CASE FOOTER CASE",
    "run.jsonl:4: nothing may follow the footer"
)]
#[case::blank_after_footer("HEADER FOOTER \n", "run.jsonl:3: nothing may follow the footer")]
#[case::not_json("HEADER nonsense\n", "run.jsonl:2: column 2: expected ident")]
#[case::blank_line("HEADER \n FOOTER", "run.jsonl:2: EOF while parsing a value")]
#[case::unknown_event(
    "HEADER {\"event\":\"later\"}\n",
    "run.jsonl:2: column 16: unknown variant `later`, expected one of `header`, `setup`, `case`, `footer`"
)]
#[case::missing_key(
    "HEADER {\"event\":\"footer\"}\n",
    "run.jsonl:2: missing field `complete`"
)]
fn what_does_not_belong_in_a_stream_is_named_with_its_line(
    #[case] shape: &str,
    #[case] message: &str,
) {
    let run = run_saying("x", &[Verdict::Pass]);
    let text = written(&run);
    let lines: Vec<_> = text.split_inclusive('\n').collect();
    let text = shape
        .replace("HEADER", lines[0])
        .replace("CASE", lines[1])
        .replace("FOOTER", lines[2])
        .replace("\n ", "\n");
    // A word that is no placeholder keeps the blank before it away from the line above.
    let text = text.strip_prefix(' ').unwrap_or(&text);
    assert_eq!(read(text).unwrap_err().to_string(), message);
}

#[test]
fn a_format_of_another_number_is_refused() {
    let text = written(&empty()).replacen("\"format\":1", "\"format\":2", 1);
    let message = "run.jsonl:1: format 2 is not known, only 1";
    assert_eq!(read(&text).unwrap_err().to_string(), message);
}

#[rstest]
#[case(MAX_LINE, "run.jsonl:1: column 1: expected value")]
#[case(MAX_LINE + 1, "run.jsonl:1: line is longer than 4194304 bytes")]
fn a_line_may_have_four_mebibytes_and_no_more(#[case] length: usize, #[case] message: &str) {
    let text = format!("{}\n", "x".repeat(length));
    assert_eq!(read(&text).unwrap_err().to_string(), message);
}

#[test]
fn an_endless_line_is_refused_without_reading_it_all() {
    let endless = std::io::BufReader::new(std::io::repeat(b' '));
    let error = Run::read(Path::new("run.jsonl"), endless).unwrap_err();
    let message = "run.jsonl:1: line is longer than 4194304 bytes";
    assert_eq!(error.to_string(), message);
}

#[test]
fn an_event_that_no_reader_takes_is_not_written() {
    let mut run = run_saying("x", &[Verdict::Fail]);
    run.cases[0].message = "m".repeat(MAX_LINE);
    let mut bytes = Vec::new();
    let event = Event::Case(Box::new(run.cases.remove(0)));
    let error = Writer::new(&mut bytes).write(&event).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::InvalidData);
    assert_eq!(bytes, b"");
}

/// Each piece that is written, by itself.
#[derive(Default)]
struct Pieces(Vec<String>);

impl std::io::Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.push(String::from_utf8(bytes.to_vec()).unwrap());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_setup_goes_out_with_its_case_and_a_line_that_is_too_long_takes_nothing_with_it() {
    let run = stored();
    let case = Event::Case(Box::new(run.cases[0].clone()));
    let mut long = run.cases[0].clone();
    long.message = "m".repeat(MAX_LINE);
    let setup = Event::Setup(Box::new(run.setups.values().next().unwrap().clone()));
    let mut pieces = Pieces::default();
    let mut writer = Writer::new(&mut pieces);
    writer.write(&setup).unwrap();
    writer.write(&Event::Case(Box::new(long))).unwrap_err();
    writer.write(&case).unwrap();
    writer.write(&case).unwrap();
    let events: Vec<Vec<&str>> = pieces
        .0
        .iter()
        .map(|piece| piece.lines().map(|line| &line[..14]).collect())
        .collect();
    let (setup, case) = (r#"{"event":"setu"#, r#"{"event":"case"#);
    assert_eq!(events, [vec![setup, case], vec![case]]);
}

#[test]
fn a_file_that_is_not_there_is_an_error_with_its_path() {
    let error = Run::open(Path::new("/nonexistent/run.jsonl")).unwrap_err();
    let start = "/nonexistent/run.jsonl:1: cannot be read: No such file";
    assert!(error.to_string().starts_with(start), "{error}");
}

#[test]
fn a_last_line_that_was_cut_short_leaves_an_incomplete_run() {
    let run = run_saying("x", &[Verdict::Pass, Verdict::Fail]);
    let text = written(&run);
    let header = text.find('\n').unwrap() + 1;
    for cut in header..text.len() - 1 {
        let read = read(&text[..cut]).unwrap();
        assert_eq!(read.footer, None, "cut at byte {cut}");
        assert!(run.cases.starts_with(&read.cases), "cut at byte {cut}");
    }
    assert_eq!(read(text.trim_end()).unwrap(), run);
}

#[test]
fn a_run_says_why_it_is_not_whole() {
    let whole = run_saying("x", &[Verdict::Pass, Verdict::Fail]);
    assert_eq!(whole.gap(), None);

    let mut killed = whole.clone();
    killed.footer = None;
    assert!(killed.gap().unwrap().contains("no footer"));

    let mut interrupted = whole.clone();
    interrupted.footer.as_mut().unwrap().complete = false;
    assert!(interrupted.gap().unwrap().contains("interrupted"));

    let mut shortened = whole;
    shortened.cases.pop();
    assert!(shortened.gap().unwrap().contains("lines are missing"));
}

#[rstest]
#[case::zeros_for_a_subject_without_cases("other", 0, true)]
#[case::cases_of_a_subject_that_has_none("other", 1, false)]
#[case::more_cases_than_there_are("s", 9, false)]
fn a_footer_that_counts_what_is_not_there_shows_a_gap(
    #[case] subject: &str,
    #[case] passes: u64,
    #[case] whole: bool,
) {
    let mut run = run_saying("x", &[Verdict::Pass]);
    let footer = run.footer.as_mut().unwrap();
    footer
        .counts
        .insert(subject.to_owned(), [(Verdict::Pass, passes)].into());
    assert_eq!(run.gap().is_none(), whole);
}

#[test]
fn a_subject_that_only_cases_name_is_counted_after_those_of_the_header() {
    let mut run = run_saying("x", &[Verdict::Fail, Verdict::Pass]);
    run.cases[0].subject = "a".into();
    let tally = Tally::of(&run);
    let counted: Vec<_> = tally
        .subjects
        .iter()
        .map(|subject| (subject.label(), subject.counts.words()))
        .collect();
    let expected = [("s 1", "1 passed, 0 failed"), ("a", "0 passed, 1 failed")];
    assert_eq!(
        counted,
        expected.map(|(label, words)| (label.to_owned(), words.to_owned()))
    );
}

proptest! {
    #[test]
    fn what_is_written_is_read(
        text in any::<String>(),
        verdicts in prop::collection::vec(prop::sample::select(Verdict::ALL.to_vec()), 0..6),
        killed in any::<bool>(),
    ) {
        let mut run = run_saying(&text, &verdicts);
        if killed {
            run.footer = None;
        }
        let written = written(&run);
        prop_assert!(!written.chars().any(|c| c.is_control() && c != '\n'));
        prop_assert_eq!(written.lines().count(), verdicts.len() + 1 + usize::from(!killed));
        prop_assert_eq!(read(&written).unwrap(), run);
    }

    #[test]
    fn no_bytes_make_the_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut text = written(&empty()).into_bytes();
        text.extend(bytes);
        drop(Run::read(Path::new("run.jsonl"), text.as_slice()));
    }
}
