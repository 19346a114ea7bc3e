//! Facts of headers.

use rstest::rstest;

use super::*;
use crate::subject::{BackingFacts, DataFileFacts, HeaderFact, HeaderFacts};

const HEADER: &str = r#"
title = "facts"
level = "header"
requirements = ["header.magic"]
image = "disk.raw"
files = { "disk.raw" = { raw = {} } }
[[expect]]
accept = { version = 3, uses-data-file = false }
[[expect.also]]
grade = "lenient"
reject = true
"#;

#[rstest]
#[case::the_facts(Some(3), Verdict::Pass, "")]
#[case::another_fact(Some(2), Verdict::Fail, "version: expected 3, got 2")]
#[case::a_tolerated_refusal(None, Verdict::Lenient, "rejected (c: m)")]
fn header_facts_are_compared(
    #[case] version: Option<u32>,
    #[case] verdict: Verdict,
    #[case] message: &str,
) {
    let answer = match version {
        Some(_) => Answer::Accepted(Facts::Header(HeaderFacts {
            version,
            ..HeaderFacts::default()
        })),
        None => rejected(),
    };
    let judgement = judge(&case(HEADER), &answered(answer), 0);
    assert_eq!(said(&judgement), (verdict, message));
}

const ALL: &str = r#"
title = "every fact"
level = "header"
requirements = ["header.magic"]
image = "disk.raw"
files = { "disk.raw" = { raw = {} }, "other" = { raw = {} } }
[[expect]]
[expect.accept]
format = "qcow2"
version = 3
virtual-size = 512
has-backing = true
backing = "base"
backing-format = "raw"
uses-data-file = true
data-file = "data"
data-file-raw = true
"#;

const PLACES: [(HeaderFact, &str); 9] = [
    (HeaderFact::Format, "format"),
    (HeaderFact::Version, "version"),
    (HeaderFact::VirtualSize, "virtual size"),
    (HeaderFact::Backing, "has a backing file"),
    (HeaderFact::BackingName, "backing file"),
    (HeaderFact::BackingFormat, "backing format"),
    (HeaderFact::DataFile, "uses a data file"),
    (HeaderFact::DataFileName, "data file"),
    (HeaderFact::RawFlag, "raw flag"),
];

fn as_required() -> HeaderFacts {
    let text = |text: &str| Some(text.to_owned());
    HeaderFacts {
        format: text("qcow2"),
        version: Some(3),
        virtual_size: Some(512),
        backing: Some(BackingFacts {
            name: "base".to_owned(),
            format: text("raw"),
        }),
        data_file: Some(DataFileFacts {
            name: text("data"),
            raw: true,
        }),
        untold: Vec::new(),
    }
}

fn judged(facts: HeaderFacts) -> Judgement {
    let answer = Answer::Accepted(Facts::Header(facts));
    judge(&case(ALL), &answered(answer), 0)
}

type Change = fn(&mut HeaderFacts);

#[rstest]
#[case::nothing(|_: &mut HeaderFacts| {}, &[], "")]
#[case::the_format(|it: &mut HeaderFacts| it.format = Some("raw".to_owned()), &["format"], "format: expected qcow2, got raw")]
#[case::the_version(|it: &mut HeaderFacts| it.version = None, &["version"], "version: expected 3, got none")]
#[case::the_size(|it: &mut HeaderFacts| it.virtual_size = Some(0), &["virtual size"], "virtual size: expected 512, got 0")]
#[case::the_backing_file(|it: &mut HeaderFacts| it.backing = None,
    &["has a backing file", "backing file", "backing format"], "has a backing file: expected true, got false")]
#[case::its_name(|it: &mut HeaderFacts| it.backing.as_mut().unwrap().name.clear(), &["backing file"], "backing file: expected base, got ")]
#[case::its_format(|it: &mut HeaderFacts| it.backing.as_mut().unwrap().format = None,
    &["backing format"], "backing format: expected raw, got none")]
#[case::the_data_file(|it: &mut HeaderFacts| it.data_file = None,
    &["uses a data file", "data file", "raw flag"], "uses a data file: expected true, got false")]
#[case::the_data_files_name(|it: &mut HeaderFacts| it.data_file.as_mut().unwrap().name = None,
    &["data file"], "data file: expected data, got none")]
#[case::the_raw_flag(|it: &mut HeaderFacts| it.data_file.as_mut().unwrap().raw = false,
    &["raw flag"], "raw flag: expected true, got false")]
fn each_fact_is_compared(
    #[case] change: Change,
    #[case] differing: &[&str],
    #[case] message: &str,
) {
    let mut facts = as_required();
    change(&mut facts);
    let judgement = judged(facts);
    assert_eq!(places(&judgement), differing);
    assert_eq!(judgement.message, message);
}

#[test]
fn a_fact_that_is_not_told_is_neither_right_nor_wrong() {
    let others = |told: Option<HeaderFact>| {
        let all = PLACES.iter().map(|(fact, _)| *fact);
        all.filter(|fact| Some(*fact) != told).collect()
    };
    let knowing = |untold| HeaderFacts {
        untold,
        ..HeaderFacts::default()
    };
    assert_eq!(judged(knowing(others(None))).verdict, Verdict::Pass);
    for (told, place) in PLACES {
        let judgement = judged(knowing(others(Some(told))));
        assert_eq!(places(&judgement), [place]);
    }
}
