//! Graphs of block nodes.

use rstest::rstest;

use super::*;
use crate::subject::{DataFileNode, LayerFact};

const BLOCKDEV: &str = r#"
title = "a graph"
level = "blockdev"
requirements = ["blockdev.data-file-node"]
files = { "top" = { raw = {} }, "data" = { raw = {} } }
domain = { disks = [{ source = "top", format = "raw" }] }
[[expect]]
accept = [{ file = "top", driver = "qcow2", read-only = true, data-file = "data" }]
"#;

const WANTED: &str = "top: expected qcow2, read-only, data file data, backing none, got not found";

fn as_required() -> LayerFact {
    LayerFact {
        file: "/fixture/top".to_owned(),
        driver: "qcow2".to_owned(),
        read_only: true,
        data_file: Some(DataFileNode {
            file: "/fixture/data".to_owned(),
            read_only: true,
        }),
        backing: None,
    }
}

type Change = fn(&mut Vec<LayerFact>);

#[rstest]
#[case::nothing(|_: &mut Vec<LayerFact>| {}, &[])]
#[case::a_layer_less(Vec::clear, &[WANTED])]
#[case::a_layer_more(|it: &mut Vec<LayerFact>| it.push(LayerFact {
    file: "/fixture/base".to_owned(),
    driver: "raw".to_owned(),
    data_file: None,
    ..as_required()
}), &["base: expected no such layer, got raw, read-only, data file none, backing none"])]
#[case::left_to_the_header(|it: &mut Vec<LayerFact>| it[0].data_file = None,
    &[WANTED, "top: expected no such layer, got qcow2, read-only, data file none, backing none"])]
#[case::another_driver(|it: &mut Vec<LayerFact>| it[0].driver = "raw".to_owned(),
    &[WANTED, "top: expected no such layer, got raw, read-only, data file data, backing none"])]
#[case::a_layer_below(|it: &mut Vec<LayerFact>| it[0].backing = Some("/fixture/base".to_owned()),
    &[WANTED, "top: expected no such layer, got qcow2, read-only, data file data, backing base"])]
#[case::writable(|it: &mut Vec<LayerFact>| it[0].read_only = false,
    &[WANTED, "top: expected no such layer, got qcow2, writable, data file data, backing none",
        "data: expected writable, got read-only"])]
#[case::a_writable_data_file(|it: &mut Vec<LayerFact>| it[0].data_file.as_mut().unwrap().read_only = false,
    &["data: expected read-only, got writable"])]
fn layers_are_compared(#[case] change: Change, #[case] found: &[&str]) {
    let mut layers = vec![as_required()];
    change(&mut layers);
    let seen = answered(Answer::Accepted(Facts::Blockdev { layers }));
    assert_eq!(lines(&judge(&case(BLOCKDEV), &seen, 0)), found);
}
