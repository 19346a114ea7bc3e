//! `docs/format.md` against the code: whoever writes a parser from it gets this one.

use std::collections::BTreeSet;
use std::path::Path;

use qconform::reference::layout;
use qconform::reference::probe::{LISTED_MAX, RejectClass, features};
use rstest::rstest;

const PAGE: &str = include_str!("../../../docs/format.md");
const REQUIREMENTS: &str = include_str!("../../../scenarios/requirements.toml");

/// The section that starts with this number.
fn section(number: u32) -> &'static str {
    let start = PAGE.find(&format!("\n## {number}. ")).unwrap() + 1;
    let rest = &PAGE[start..];
    rest.find("\n## ").map_or(rest, |end| &rest[..end])
}

/// What stands first in each row of the tables that have this heading, without its quotes.
fn first_column(section: &'static str, heading: &str) -> Vec<&'static str> {
    let mut found = Vec::new();
    let mut inside = false;
    for line in section.lines() {
        let Some(row) = line.strip_prefix("| ") else {
            inside = inside && line.starts_with('|');
            continue;
        };
        let first = row.split(" | ").next().unwrap();
        if first == heading {
            inside = true;
        } else if inside {
            found.push(first.trim_matches('`'));
        }
    }
    found
}

#[test]
fn every_class_of_rejection_stands_there_in_order() {
    let code: Vec<&str> = RejectClass::ALL
        .iter()
        .map(|class| class.as_str())
        .collect();
    assert_eq!(first_column(section(4), "class"), code);
}

#[test]
fn every_class_of_a_refused_chain_stands_there() {
    let code = include_str!("../../src/reference/chain/error.rs");
    let named = code.lines().filter_map(|line| {
        let name = line.trim().strip_prefix("Self::")?.split_once(" => \"")?.1;
        name.strip_suffix("\",")
    });
    let named: BTreeSet<&str> = named.collect();
    let page: BTreeSet<&str> = first_column(section(8), "class").into_iter().collect();
    assert_eq!(page, named);
}

/// Requirements that the sources of a part of the reference name.
fn named_in(part: &str) -> BTreeSet<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("src/reference")
        .join(part);
    let mut found = BTreeSet::new();
    for file in std::fs::read_dir(folder).unwrap() {
        let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
        for area in ["header.", "access.", "domain."] {
            let start = format!("\"{area}");
            let parts = text.split(&start).skip(1);
            found.extend(parts.map(|rest| {
                let name = rest.split('"').next().unwrap();
                format!("{area}{name}")
            }));
        }
    }
    found
}

#[test]
fn every_requirement_that_a_violation_names_stands_there_and_exists() {
    let code: BTreeSet<String> = [named_in("probe"), named_in("chain")]
        .into_iter()
        .flatten()
        .collect();
    let page = [section(7), section(8)].map(|section| first_column(section, "requirement"));
    let page: BTreeSet<String> = page.concat().into_iter().map(str::to_owned).collect();
    assert_eq!(page, code);
    for id in &code {
        assert!(REQUIREMENTS.contains(&format!("id = \"{id}\"")), "{id}");
    }
}

#[test]
fn every_requirement_that_is_mentioned_exists() {
    let quoted = PAGE.split('`').skip(1).step_by(2);
    let ids = quoted.filter(|text| {
        ["header.", "access.", "domain.", "read."]
            .iter()
            .any(|area| text.starts_with(area))
    });
    for id in ids {
        assert!(REQUIREMENTS.contains(&format!("id = \"{id}\"")), "{id}");
    }
}

#[test]
fn every_feature_bit_has_its_name() {
    let rows: Vec<String> = section(2)
        .lines()
        .filter(|line| {
            ["incompatible", "compatible", "autoclear"]
                .iter()
                .any(|kind| line.starts_with(&format!("| {kind} |")))
        })
        .map(str::to_owned)
        .collect();
    let all = [
        ("incompatible", features::incompatible_names(0x1f)),
        ("compatible", features::compatible_names(0x1)),
        ("autoclear", features::autoclear_names(0x3)),
    ];
    let code = all.iter().flat_map(|(kind, names)| {
        let row = move |(bit, name)| format!("| {kind} | {bit} | `{name}` |");
        names.iter().enumerate().map(row)
    });
    let code: Vec<String> = code.collect();
    assert_eq!(rows.len(), code.len());
    for (row, code) in rows.iter().zip(&code) {
        assert!(row.starts_with(code.as_str()), "{row} is not {code}");
    }
}

#[rstest]
#[case::bitmap_directory(layout::MAX_BITMAP_DIRECTORY)]
#[case::bitmaps(u64::from(layout::MAX_BITMAPS))]
#[case::snapshots(layout::MAX_SNAPSHOTS)]
#[case::snapshot_extra_data(layout::MAX_SNAPSHOT_EXTRA)]
#[case::backing_name(layout::MAX_BACKING_NAME)]
#[case::backing_format(layout::MAX_BACKING_FORMAT)]
#[case::listed(LISTED_MAX as u64)]
#[case::header(u64::from(layout::V3_MIN_HEADER_LENGTH))]
#[case::layers(u64::from(qconform::reference::chain::MAX_LAYERS))]
fn every_limit_is_told(#[case] limit: u64) {
    let numbers = PAGE.split(|character: char| !character.is_ascii_digit());
    assert!(
        numbers
            .into_iter()
            .any(|number| number == limit.to_string()),
        "{limit}"
    );
}
