//! Records that may be left, and those that may not.

use std::sync::Arc;

use rstest::rstest;

use super::*;

/// Records of the disk before the start and after the stop.
#[rstest]
#[case::none(&[], &[], Verdict::Pass, "")]
#[case::one_that_is_left(&[], &["trusted.x"], Verdict::Fail, "stop: disk.raw records: expected none, got trusted.x")]
#[case::one_of_the_owner_that_is_left(&[], &["user.x"], Verdict::Fail, "stop: disk.raw records: expected none, got user.x")]
#[case::an_older_one_of_the_owner(&["user.x"], &["user.x"], Verdict::Pass, "")]
#[case::an_older_one_of_the_owner_that_is_gone(&["user.x"], &[], Verdict::Fail, "stop: disk.raw records: expected user.x, got gone")]
#[case::an_older_one_of_the_owner_and_another(&["user.x"], &["user.x", "user.y"], Verdict::Fail,
    "stop: disk.raw records: expected none, got user.y")]
#[case::an_older_one_of_a_relabeller(&["trusted.x"], &["trusted.x"], Verdict::Fail, "stop: disk.raw records: expected none, got trusted.x")]
#[case::an_older_one_of_a_relabeller_that_is_gone(&["trusted.x"], &[], Verdict::Pass, "")]
fn no_record_is_left_but_what_the_owner_put_there(
    #[case] before: &[&str],
    #[case] left: &[&str],
    #[case] verdict: Verdict,
    #[case] message: &str,
) {
    let owned = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
    let mut seen = right();
    let disk = seen.before.get_mut("disk.raw").unwrap();
    Arc::make_mut(disk).records = owned(before);
    after(&mut seen, 1, "disk.raw").records = owned(left);
    assert_eq!(said(&judge(&case(LABEL), &seen, 0)), (verdict, message));
}

#[rstest]
#[case::while_it_runs(0, Verdict::Pass, "")]
#[case::afterwards(
    1,
    Verdict::Fail,
    "stop: state folder records: expected none, got domain journal"
)]
fn the_state_folder_is_empty_after_the_last_stop(
    #[case] stage: usize,
    #[case] verdict: Verdict,
    #[case] message: &str,
) {
    let mut seen = right();
    seen.stages[stage].state = vec!["domain".to_owned(), "journal".to_owned()];
    assert_eq!(said(&judge(&case(LABEL), &seen, 0)), (verdict, message));
}

#[test]
fn a_domain_that_still_runs_keeps_its_records() {
    let text = LABEL.replace("[[expect]]", "steps = [\"start\"]\n[[expect]]");
    let text = text.replace(", stop = \"kept | info: original\"", "");
    let mut seen = right();
    seen.stages.truncate(1);
    after(&mut seen, 0, "disk.raw").records = vec!["trusted.x".to_owned()];
    seen.stages[0].state = vec!["domain".to_owned()];
    assert_eq!(said(&judge(&case(&text), &seen, 0)), (Verdict::Pass, ""));
}
