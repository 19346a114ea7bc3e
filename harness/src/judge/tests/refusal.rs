//! Steps that must or may be refused.

use rstest::rstest;

use super::*;

const REFUSED: &str = "start: expected rejected, got accepted";
const ACCEPTED: &str = "start: expected accepted, got rejected (c: m)";
const CHANGED: &str = "start: disk.raw owner: expected 1:1, got 64055:1";

/// Whether the start was refused, and whether the disk has another owner all the same.
#[rstest]
#[case::must_and_is("must", true, false, Verdict::Pass, "")]
#[case::must_and_changes_something("must", true, true, Verdict::Fail, CHANGED)]
#[case::must_and_is_not("must", false, false, Verdict::Fail, REFUSED)]
#[case::may_and_is("may", true, false, Verdict::Pass, "")]
#[case::may_and_changes_something("may", true, true, Verdict::Fail, CHANGED)]
#[case::never_and_is("never", true, false, Verdict::Fail, ACCEPTED)]
fn a_start_that_is_refused_changes_nothing(
    #[case] refuse: &str,
    #[case] refused: bool,
    #[case] changed: bool,
    #[case] verdict: Verdict,
    #[case] message: &str,
) {
    let mut seen = life([snapshot(file(1, "a"))]);
    if refused {
        seen.stages[0].answer = rejected();
    }
    if changed {
        after(&mut seen, 0, "disk.raw").owner.uid = 64055;
    }
    let case = case(&format!("{LABEL}refuse = \"{refuse}\"\n"));
    assert_eq!(said(&judge(&case, &seen, 0)), (verdict, message));
}

#[test]
fn who_may_refuse_and_does_not_is_judged_by_the_matrix() {
    let case = case(&format!("{LABEL}refuse = \"may\"\n"));
    assert_eq!(judge(&case, &right(), 0).verdict, Verdict::Pass);
    let seen = life([snapshot(file(1, "a")), snapshot(file(1, "a"))]);
    assert_eq!(judge(&case, &seen, 0).verdict, Verdict::Fail);
}

#[rstest]
#[case::is_refused(true, Verdict::Pass, "")]
#[case::is_done(false, Verdict::Fail, "stop: expected rejected, got accepted")]
fn a_later_step_that_must_be_refused(
    #[case] refused: bool,
    #[case] verdict: Verdict,
    #[case] message: &str,
) {
    let case = case(&format!("{LABEL}refused = [\"stop\"]\n"));
    let mut seen = right();
    if refused {
        seen.stages[1].answer = rejected();
    }
    assert_eq!(said(&judge(&case, &seen, 0)), (verdict, message));
}
