//! Answers that are none, answers to another question, and questions that change something.

use rstest::rstest;

use super::*;
use crate::observe::Touch;

/// A scenario of a level that refuses a raw file, or accepts it with facts.
fn question(level: &str, expect: &str) -> Case {
    let asked = match level {
        "header" | "open" | "read" => "image = \"disk.raw\"",
        "xml" => "form = \"runtime\"\ndomain = { disks = [{ source = \"disk.raw\" }] }",
        _ => "domain = { disks = [{ source = \"disk.raw\" }] }",
    };
    case(&format!(
        "title = \"t\"\nlevel = \"{level}\"\nrequirements = [\"header.magic\"]\n{asked}\n\
         files = {{ \"disk.raw\" = {{ raw = {{}} }}, \"other\" = {{ raw = {{}} }} }}\n\
         [[expect]]\n{expect}\n"
    ))
}

#[rstest]
#[case::header("header", "accept = {}", "header facts")]
#[case::read("read", "accept = []", "guest bytes")]
#[case::access("access", "accept = []", "the files of the chain")]
#[case::blockdev("blockdev", "accept = []", "a graph of block nodes")]
#[case::xml("xml", "accept = []", "XML of a domain")]
fn facts_of_another_question_are_a_failure(
    #[case] level: &str,
    #[case] expect: &str,
    #[case] wanted: &str,
) {
    let seen = answered(Answer::Accepted(Facts::Done));
    let judgement = judge(&question(level, expect), &seen, 0);
    let message = format!("answer: expected {wanted}, got something else");
    assert_eq!(said(&judgement), (Verdict::Fail, message.as_str()));
}

#[rstest]
#[case::accepted(
    Answer::Accepted(Facts::Done),
    Verdict::Fail,
    "answer: expected rejected, got accepted"
)]
#[case::rejected(rejected(), Verdict::Pass, "")]
#[case::unsupported(Answer::Unsupported { message: "m".to_owned() }, Verdict::Unsupported, "m")]
#[case::crashed(Answer::Crashed { how: "signal 11".to_owned() }, Verdict::Crashed, "signal 11")]
#[case::timed_out(Answer::TimedOut, Verdict::TimedOut, "no answer in time")]
#[case::failed(Answer::Failed { message: "m".to_owned() }, Verdict::HarnessError, "m")]
fn a_refusal_is_nothing_but_a_refusal(
    #[case] answer: Answer,
    #[case] verdict: Verdict,
    #[case] message: &str,
) {
    let judgement = judge(&question("header", "reject = true"), &answered(answer), 0);
    assert_eq!(said(&judgement), (verdict, message));
}

#[test]
fn what_was_required_is_told_of_several_outcomes_that_are_missed() {
    let also = "accept = { version = 2 }\nalso = [{ grade = \"info\", accept = { version = 3 } }]";
    let facts = crate::subject::HeaderFacts {
        version: Some(4),
        ..Default::default()
    };
    let seen = answered(Answer::Accepted(Facts::Header(facts)));
    let judgement = judge(&question("header", also), &seen, 0);
    let message = "version: expected 2, got 4";
    assert_eq!(said(&judgement), (Verdict::Fail, message));
    assert_eq!(places(&judgement), ["version"]);
}

#[test]
fn a_grade_below_a_pass_says_what_was_seen() {
    let also = "reject = true\nalso = [{ grade = \"info\", accept = {} }]";
    let facts = Facts::Header(Default::default());
    let seen = answered(Answer::Accepted(facts));
    let judgement = judge(&question("header", also), &seen, 0);
    assert_eq!(said(&judgement), (Verdict::Info, "accepted"));
}

#[rstest]
#[case::a_touch(|seen: &mut Observation| seen.stages[0].touches.push(Touch {
    file: "other".to_owned(), what: "opened".to_owned(),
}), "other: expected never opened or touched, got opened")]
#[case::a_new_file(|seen: &mut Observation| {
    seen.stages[0].after.insert("new".into(), file(0, "a").into());
}, "new file: expected no such file, got there")]
#[case::a_kind(|seen: &mut Observation| after(seen, 0, "disk.raw").kind = "socket".to_owned(),
    "disk.raw kind: expected file, got socket")]
#[case::a_length(|seen: &mut Observation| after(seen, 0, "disk.raw").size = 2, "disk.raw size: expected 1, got 2")]
#[case::an_owner(|seen: &mut Observation| after(seen, 0, "disk.raw").owner.uid = 3, "disk.raw owner: expected 0:0, got 3:0")]
#[case::a_label(|seen: &mut Observation| after(seen, 0, "disk.raw").label = None, "disk.raw label: expected a, got no label")]
fn a_question_changes_nothing(#[case] change: fn(&mut Observation), #[case] message: &str) {
    let mut seen = answered(rejected());
    change(&mut seen);
    let judgement = judge(&question("header", "reject = true"), &seen, 0);
    assert_eq!(said(&judgement), (Verdict::Fail, message));
}

#[rstest]
#[case::a_question("header", "reject = true")]
#[case::a_life("label", "refuse = \"must\"")]
fn nothing_observed_is_no_verdict(#[case] level: &str, #[case] expect: &str) {
    let mut seen = answered(rejected());
    seen.stages.clear();
    let judgement = judge(&question(level, expect), &seen, 0);
    let message = "nothing was observed";
    assert_eq!(said(&judgement), (Verdict::HarnessError, message));
}
