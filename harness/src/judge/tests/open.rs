//! What was opened.

use rstest::rstest;

use super::*;
use crate::observe::Touch;

const OPEN: &str = r#"
title = "an image"
level = "open"
requirements = ["open.whole-chain"]
image = "disk.raw"
as = "raw"
files = { "disk.raw" = { raw = {} }, "other" = { raw = {}, decoy = true } }
[[expect]]
accept = { opened = ["disk.raw"] }
"#;

#[rstest]
#[case::as_required(&[("disk.raw", "opened")], Verdict::Pass, "")]
#[case::not_opened(&[], Verdict::Fail, "disk.raw: expected opened, got not opened")]
#[case::opened_for_writing(&[("disk.raw", "opened"), ("disk.raw", "opened for writing")],
    Verdict::Fail, "disk.raw: expected opened for reading only, got opened for writing")]
#[case::a_decoy_opened(&[("disk.raw", "opened"), ("other", "opened")],
    Verdict::Fail, "other: expected never opened or touched, got opened")]
fn what_was_opened_is_judged(
    #[case] touches: &[(&str, &str)],
    #[case] verdict: Verdict,
    #[case] message: &str,
) {
    let touches = touches.iter().map(|(file, what)| Touch {
        file: (*file).to_owned(),
        what: (*what).to_owned(),
    });
    let mut seen = answered(Answer::Accepted(Facts::Done));
    seen.stages[0].touches = touches.collect();
    assert_eq!(said(&judge(&case(OPEN), &seen, 0)), (verdict, message));
}
