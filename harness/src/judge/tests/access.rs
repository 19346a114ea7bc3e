//! Files of chains.

use rstest::rstest;

use super::*;
use crate::subject::AccessFact;

const ACCESS: &str = r#"
title = "a chain"
level = "access"
requirements = ["access.data-file-as-image"]
files = { "top" = { raw = {} }, "data" = { raw = {} } }
domain = { disks = [{ source = "top", format = "raw" }] }
[[expect]]
accept = [{ file = "top", role = "top", access = "rw" }, { file = "data", role = "data-file", access = "rw" }]
"#;

#[rstest]
#[case::as_required(&[("/fixture/top", "top", "rw"), ("/fixture/data", "data-file", "rw")], &[])]
#[case::in_another_order(&[("/fixture/data", "data-file", "rw"), ("/fixture/top", "top", "rw")], &[])]
#[case::one_less(&[("/fixture/top", "top", "rw")], &["data: expected data-file, rw, got not found"])]
#[case::one_more(&[("/fixture/top", "top", "rw"), ("/fixture/data", "data-file", "rw"), ("/fixture/x", "backing", "ro")],
    &["x: expected not part of the chain, got backing, ro"])]
#[case::used_otherwise(&[("/fixture/top", "top", "rw"), ("/fixture/data", "data-file", "ro")],
    &["data: expected data-file, rw, got not found", "data: expected not part of the chain, got data-file, ro"])]
#[case::of_another_role(&[("/fixture/top", "backing", "rw"), ("/fixture/data", "data-file", "rw")],
    &["top: expected top, rw, got not found", "top: expected not part of the chain, got backing, rw"])]
#[case::without_a_role(&[("/fixture/top", "", "rw"), ("/fixture/data", "data-file", "rw")], &[])]
#[case::without_a_role_and_used_otherwise(&[("/fixture/top", "", "rw"), ("/fixture/data", "data-file", "ro")],
    &["data: expected rw, got not found", "data: expected not part of the chain, got ro"])]
#[case::outside_of_the_fixture(&[("/fixture/top", "top", "rw"), ("/fixtures/data", "data-file", "rw")],
    &["data: expected data-file, rw, got not found", "/fixtures/data: expected not part of the chain, got data-file, rw"])]
fn files_are_compared_with_their_use(#[case] files: &[(&str, &str, &str)], #[case] found: &[&str]) {
    let files = files.iter().map(|(path, role, access)| AccessFact {
        path: (*path).to_owned(),
        role: (!role.is_empty()).then(|| (*role).to_owned()),
        access: (*access).to_owned(),
    });
    let files = files.collect();
    let judgement = judge(
        &case(ACCESS),
        &answered(Answer::Accepted(Facts::Access { files })),
        0,
    );
    assert_eq!(lines(&judgement), found);
}
