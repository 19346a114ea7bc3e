//! Refusals by design.

use rstest::rstest;

use super::super::excuse;
use super::*;
use crate::subject::Refusals;
use crate::subject::protocol::Role;

const PLAIN: &str = r#"
title = "an image with a data file, or a raw disk"
level = "header"
requirements = ["header.magic"]
image = "{image}"
axes = { image = ["disk.qcow2", "disk.raw"] }
files = { "disk.qcow2" = { qcow2 = { data-file = "disk.raw" } }, "disk.raw" = { raw = {} } }
[[expect]]
accept = { uses-data-file = true }
"#;

#[rstest]
#[case::by_a_reader(0, Role::Reader, &["zstd", "data-file"], Verdict::Unsupported)]
#[case::by_a_gatekeeper(0, Role::Gatekeeper, &["data-file"], Verdict::Pass)]
#[case::of_something_else(0, Role::Gatekeeper, &["backing"], Verdict::Fail)]
#[case::of_a_raw_disk(1, Role::Reader, &["raw"], Verdict::Unsupported)]
#[case::of_raw_where_only_the_data_file_is(0, Role::Reader, &["raw"], Verdict::Fail)]
fn a_refusal_by_design_is_excused_where_the_image_has_the_feature(
    #[case] index: usize,
    #[case] role: Role,
    #[case] refuses: &[&str],
    #[case] verdict: Verdict,
) {
    let suite = Suite::of_files(&[("t.toml".to_owned(), PLAIN.to_owned())]).unwrap();
    let case = suite.scenarios[0].case(index).unwrap();
    let seen = answered(rejected());
    let refusals = Refusals {
        role,
        refuses: refuses.iter().map(ToString::to_string).collect(),
    };
    let judgement = excuse(&case, &seen, &refusals, judge(&case, &seen, 0));
    assert_eq!(judgement.verdict, verdict, "{}", judgement.message);
}

/// A judgement of a refused image with a data file, after somebody who refuses those is excused.
fn excused(case: &Case, seen: &Observation) -> Judgement {
    let refusals = Refusals {
        role: Role::Reader,
        refuses: ["backing", "data-file"].map(ToOwned::to_owned).to_vec(),
    };
    excuse(case, seen, &refusals, judge(case, seen, 0))
}

#[test]
fn an_excuse_names_the_feature_that_the_image_has() {
    let plain = PLAIN.replace(r#"axes = { image = ["disk.qcow2", "disk.raw"] }"#, "");
    let plain = plain.replace("{image}", "disk.qcow2");
    let judgement = excused(&case(&plain), &answered(rejected()));
    let message = "refuses by design: data-file";
    assert_eq!(said(&judgement), (Verdict::Unsupported, message));
}

#[rstest]
#[case::what_is_tolerated("also = [{ grade = 'lenient', reject = true }]", |_: &mut Observation| {}, Verdict::Lenient)]
#[case::what_is_accepted("", |seen: &mut Observation| {
    seen.stages[0].answer = Answer::Accepted(Facts::Done);
}, Verdict::Fail)]
#[case::a_change("", |seen: &mut Observation| {
    after(seen, 0, "other").mode = 0o777;
}, Verdict::Fail)]
#[case::what_was_never_asked("", |seen: &mut Observation| seen.stages.clear(), Verdict::HarnessError)]
fn only_a_clean_refusal_is_excused(
    #[case] more: &str,
    #[case] change: fn(&mut Observation),
    #[case] verdict: Verdict,
) {
    let plain = PLAIN.replace(r#"axes = { image = ["disk.qcow2", "disk.raw"] }"#, "");
    let plain = plain.replace("{image}", "disk.qcow2") + more;
    let mut seen = answered(rejected());
    change(&mut seen);
    assert_eq!(excused(&case(&plain), &seen).verdict, verdict);
}

#[test]
fn a_domain_that_is_refused_is_never_excused() {
    const DOMAIN: &str = r#"
title = "an image with a data file"
level = "access"
requirements = ["header.magic"]
files = { "disk.qcow2" = { qcow2 = { data-file = "disk.raw" } }, "disk.raw" = { raw = {} } }
domain = { disks = [{ source = "disk.qcow2" }] }
[[expect]]
accept = []
"#;
    let judgement = excused(&case(DOMAIN), &answered(rejected()));
    let message = "answer: expected accepted, got rejected (c: m)";
    assert_eq!(said(&judgement), (Verdict::Fail, message));
}
