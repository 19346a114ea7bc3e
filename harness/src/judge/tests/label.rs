//! A domain's life, step by step.

use rstest::rstest;

use super::*;
use crate::observe::Touch;

type Change = fn(&mut Observation);

#[rstest]
#[case::as_required(|_: &mut Observation| {}, Verdict::Pass, "")]
#[case::original_is_a_may(|seen: &mut Observation| seen.stages[1].after = seen.before.clone(), Verdict::Info, "")]
#[case::another_owner(|seen: &mut Observation| after(seen, 0, "disk.raw").owner.uid = 64054,
    Verdict::Fail, "start: disk.raw owner: expected 64055:64055 (vm), got 64054:64055")]
#[case::another_group(|seen: &mut Observation| after(seen, 0, "disk.raw").owner.gid = 1,
    Verdict::Fail, "start: disk.raw owner: expected 64055:64055 (vm), got 64055:1")]
#[case::another_label(|seen: &mut Observation| after(seen, 0, "disk.raw").label = Some("x".to_owned()),
    Verdict::Fail, "start: disk.raw label: expected system_u:object_r:virt_content_t:s0, got x")]
#[case::no_label(|seen: &mut Observation| after(seen, 0, "disk.raw").label = None,
    Verdict::Fail, "start: disk.raw label: expected system_u:object_r:virt_content_t:s0, got no label")]
#[case::half_restored(|seen: &mut Observation| after(seen, 1, "disk.raw").owner = Owner { uid: 1, gid: 1 },
    Verdict::Fail, "stop: disk.raw owner: expected 64055:64055 (kept), got 1:1 (original)")]
#[case::a_bystander_labelled(|seen: &mut Observation| after(seen, 0, "other").label = Some(RO.to_owned()),
    Verdict::Fail, "start: other label: expected b, got system_u:object_r:virt_content_t:s0")]
#[case::a_byte_changed(|seen: &mut Observation| after(seen, 1, "other").sha256 = "bb".to_owned(),
    Verdict::Fail, "stop: other bytes: expected aa, got bb")]
#[case::a_mode_changed(|seen: &mut Observation| after(seen, 0, "disk.raw").mode = 0o660,
    Verdict::Fail, "start: disk.raw mode: expected 0600, got 0660")]
#[case::a_foreign_attribute(|seen: &mut Observation| {
        after(seen, 0, "disk.raw").xattrs.insert("user.x".to_owned(), "00".to_owned());
    }, Verdict::Fail, "start: disk.raw attributes: expected none, got user.x=00")]
#[case::a_record_while_running(|seen: &mut Observation| after(seen, 0, "disk.raw").records.push("r".to_owned()),
    Verdict::Pass, "")]
#[case::a_record_left(|seen: &mut Observation| after(seen, 1, "disk.raw").records.push("r".to_owned()),
    Verdict::Fail, "stop: disk.raw records: expected none, got r")]
#[case::a_file_gone(|seen: &mut Observation| { seen.stages[0].after.remove("other"); },
    Verdict::Fail, "start: other file: expected there, got gone")]
#[case::a_file_that_appeared(|seen: &mut Observation| { seen.stages[1].after.insert("new".into(), file(1, "a").into()); },
    Verdict::Fail, "stop: new file: expected no such file, got there")]
#[case::a_refused_start(|seen: &mut Observation| {
        seen.stages.truncate(1);
        seen.stages[0].answer = rejected();
    }, Verdict::Fail, "start: expected accepted, got rejected (c: m)")]
#[case::a_refused_stop(|seen: &mut Observation| {
        seen.stages[1].answer = rejected();
    }, Verdict::Fail, "stop: expected accepted, got rejected (c: m)")]
#[case::a_crash(|seen: &mut Observation| seen.stages[1].answer = Answer::Crashed { how: "signal 11".to_owned() },
    Verdict::Crashed, "signal 11")]
#[case::no_answer(|seen: &mut Observation| seen.stages[1].answer = Answer::TimedOut,
    Verdict::TimedOut, "no answer in time")]
#[case::a_decoy_opened(|seen: &mut Observation| seen.stages[0].touches.push(
        Touch { file: "other".to_owned(), what: "opened".to_owned() }),
    Verdict::Fail, "start: other: expected never opened or touched, got opened")]
#[case::a_step_that_was_never_seen(|seen: &mut Observation| seen.stages.truncate(1),
    Verdict::HarnessError, "stop was not observed")]
fn a_label_case_is_judged(#[case] change: Change, #[case] verdict: Verdict, #[case] message: &str) {
    let mut seen = right();
    change(&mut seen);
    assert_eq!(said(&judge(&case(LABEL), &seen, 0)), (verdict, message));
}

const GRADED: &str = r#"
title = "a disk whose states have grades"
level = "label"
requirements = ["label.readonly"]
files = { "disk.raw" = { raw = {}, owner = "1:1" }, "other" = { raw = {} } }
domain = { disks = [{ source = "disk.raw", format = "raw" }] }
[[expect]]
matrix = [{ file = "disk.raw", start = "vm, ro | lenient: kept", stop = "original | info: kept" }]
"#;

#[rstest]
#[case::as_required(file(64055, RO), file(1, "a"), Verdict::Pass, "")]
#[case::a_may(file(64055, RO), file(64055, RO), Verdict::Info, "")]
#[case::a_should(file(1, "a"), file(1, "a"), Verdict::Lenient, "")]
#[case::the_owner_of_a_grade_with_another_label(
    file(64055, RO),
    file(1, RO),
    Verdict::Fail,
    "stop: disk.raw label: expected a, got system_u:object_r:virt_content_t:s0"
)]
#[case::the_domains_owner(
    file(1, RO),
    file(1, "a"),
    Verdict::Fail,
    "start: disk.raw owner: expected 64055:64055 (vm), got 1:1 (original)"
)]
#[case::nobodys_owner(
    file(64055, RO),
    file(7, "a"),
    Verdict::Fail,
    "stop: disk.raw owner: expected 1:1 (original), got 7:7"
)]
#[case::an_owner_that_stays(
    file(64055, RO),
    file(64055, "a"),
    Verdict::Fail,
    "stop: disk.raw owner: expected 1:1 (original), got 64055:64055 (vm)"
)]
fn a_life_is_worth_its_worst_state(
    #[case] running: FileState,
    #[case] stopped: FileState,
    #[case] verdict: Verdict,
    #[case] message: &str,
) {
    let seen = life([snapshot(running), snapshot(stopped)]);
    assert_eq!(said(&judge(&case(GRADED), &seen, 0)), (verdict, message));
}

/// A `should` isn't made up for by a later `may`.
#[test]
fn the_lower_of_two_grades_counts_in_either_order() {
    let swapped = GRADED
        .replace("lenient: kept", "info: kept")
        .replace("info: kept\" }", "lenient: kept\" }");
    assert_ne!(swapped, GRADED);
    let mut seen = life([snapshot(file(1, "a")), snapshot(file(1, "a"))]);
    let verdict = |text: &str, seen: &Observation| judge(&case(text), seen, 0).verdict;
    assert_eq!(verdict(GRADED, &seen), Verdict::Lenient);
    assert_eq!(verdict(&swapped, &seen), Verdict::Info);
    let both = GRADED.replace("original | info", "vm, rw | info");
    assert_eq!(verdict(&both, &seen), Verdict::Lenient);
    let both = swapped.replace("original | lenient", "vm, rw | lenient");
    assert_eq!(verdict(&both, &seen), Verdict::Lenient);
    seen.stages[1].after = snapshot(file(7, "a"));
    assert_eq!(verdict(&both, &seen), Verdict::Fail);
}

#[test]
fn every_difference_is_told_and_the_first_is_the_message() {
    let seen = life([snapshot(file(7, "x")), snapshot(file(8, "y"))]);
    let judgement = judge(&case(GRADED), &seen, 0);
    let all = [
        "start: disk.raw owner",
        "start: disk.raw label",
        "stop: disk.raw owner",
        "stop: disk.raw label",
    ];
    assert_eq!(places(&judgement), all);
    assert!(judgement.message.starts_with("start: disk.raw owner: "));
}
