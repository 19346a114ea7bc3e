//! Guest bytes.

use qconform_generators::marker::Marker;
use rstest::rstest;

use super::*;
use crate::observe::hex;
use crate::subject::ReadFact;

const READ: &str = r#"
title = "bytes"
level = "read"
requirements = ["read.plain"]
image = "disk.raw"
as = "raw"
files = { "disk.raw" = { raw = {} }, "other" = { raw = {} } }
[[expect]]
accept = [{ offset = 512, file = "disk.raw" }]
"#;

#[rstest]
#[case::the_right_bytes("disk.raw", 512, Verdict::Pass, "")]
#[case::another_files(
    "other",
    512,
    Verdict::WrongData,
    "guest offset 512: expected disk.raw@512, got other@512"
)]
#[case::another_offsets(
    "disk.raw",
    1024,
    Verdict::WrongData,
    "guest offset 512: expected disk.raw@512, got disk.raw@1024"
)]
#[case::zeros(
    "",
    0,
    Verdict::WrongData,
    "guest offset 512: expected disk.raw@512, got zeros"
)]
fn wrong_bytes_are_told_by_where_they_come_from(
    #[case] from: &str,
    #[case] offset: u64,
    #[case] verdict: Verdict,
    #[case] message: &str,
) {
    let bytes = if from.is_empty() {
        vec![0; 512]
    } else {
        Marker::new(9, from).bytes(offset, 512)
    };
    let reads = vec![ReadFact {
        offset: 512,
        bytes: hex(&bytes),
    }];
    let seen = answered(Answer::Accepted(Facts::Read { reads }));
    assert_eq!(said(&judge(&case(READ), &seen, 9)), (verdict, message));
}

#[rstest]
#[case::zeros(vec![0; 512], Verdict::Pass, "")]
#[case::a_files(Marker::new(9, "other").bytes(512, 512), Verdict::WrongData,
    "guest offset 512: expected zeros, got other@512")]
#[case::of_no_file(vec![7; 512], Verdict::WrongData,
    "guest offset 512: expected zeros, got bytes of no file of the fixture (07070707070707070707070707070707...)")]
#[case::too_few(vec![7; 2], Verdict::WrongData,
    "guest offset 512: expected zeros, got bytes of no file of the fixture (0707...)")]
fn where_no_file_is_named_there_are_zeros(
    #[case] bytes: Vec<u8>,
    #[case] verdict: Verdict,
    #[case] message: &str,
) {
    let text = READ.replace("offset = 512, file = \"disk.raw\"", "offset = 512");
    assert_ne!(text, READ);
    let (offset, bytes) = (512, hex(&bytes));
    let reads = vec![ReadFact { offset, bytes }];
    let seen = answered(Answer::Accepted(Facts::Read { reads }));
    assert_eq!(said(&judge(&case(&text), &seen, 9)), (verdict, message));
}

#[test]
fn bytes_that_are_not_told_are_missed_and_no_wrong_data() {
    let (offset, bytes) = (0, "00".to_owned());
    let reads = vec![ReadFact { offset, bytes }];
    let seen = answered(Answer::Accepted(Facts::Read { reads }));
    let message = "guest offset 512: expected bytes, got none";
    let judgement = judge(&case(READ), &seen, 9);
    assert_eq!(said(&judgement), (Verdict::Fail, message));
}
