//! From what a daemon wrote to layers. `chain.jsonl` is what QEMU 10.0.2 wrote of an image with a
//! data file over another one with a data file, in `/mnt`; line ends are plain.

use std::fmt::Write;
use std::path::Path;

use proptest::prelude::*;
use rstest::rstest;
use serde_json::{Value, json};

use super::graph::{GraphError, Nodes};
use super::qmp::{QmpError, script, told};
use super::{declined, facts};
use crate::subject::{Answer, DataFileNode, Facts, LayerFact};

const CHAIN: &str = include_str!("chain.jsonl");

/// Lines of the recorded text.
const ADDED: usize = 2;
const NODES: usize = 3;
const GRAPH: usize = 4;

/// The recorded text with changes.
fn changed(change: impl FnOnce(&mut [Value])) -> String {
    let lines = CHAIN.lines().map(serde_json::from_str);
    let mut lines: Vec<Value> = lines.collect::<Result<_, _>>().unwrap();
    change(&mut lines);
    lines.iter().map(|line| format!("{line}\n")).collect()
}

/// The number of a node in the recorded graph.
fn number(lines: &[Value], name: &str) -> Value {
    let nodes = lines[GRAPH]["return"]["nodes"].as_array().unwrap();
    let node = nodes.iter().find(|node| node["name"] == name).unwrap();
    node["id"].clone()
}

fn without_edge(lines: &mut [Value], name: &str) {
    let parent = number(lines, "disk-0");
    let edges = lines[GRAPH]["return"]["edges"].as_array_mut().unwrap();
    edges.retain(|edge| edge["name"] != name || edge["parent"] != parent);
}

fn layers(output: &str) -> Result<Vec<LayerFact>, GraphError> {
    let told = told(output.as_bytes(), 1).unwrap();
    Nodes::of(&told, Path::new("/mnt")).layers("disk-0")
}

fn layer(name: &str, read_only: bool, backing: Option<&str>) -> LayerFact {
    LayerFact {
        file: format!("/mnt/{name}.qcow2"),
        driver: "qcow2".to_owned(),
        read_only,
        data_file: Some(DataFileNode {
            file: format!("/mnt/{name}.raw"),
            read_only,
        }),
        backing: backing.map(str::to_owned),
    }
}

fn chain() -> Vec<LayerFact> {
    vec![
        layer("top", false, Some("/mnt/base.qcow2")),
        layer("base", true, None),
    ]
}

#[test]
fn each_layer_has_its_files_and_its_access() {
    assert_eq!(layers(CHAIN), Ok(chain()));
}

#[test]
fn events_stand_between_answers_and_are_none() {
    let event = r#"{"event":"X","data":{},"timestamp":{"seconds":1,"microseconds":2}}"#;
    let output = CHAIN.replace('\n', &format!("\n{event}\n"));
    assert_eq!(layers(&output), Ok(chain()));
}

#[test]
fn access_is_what_each_node_says() {
    let output = changed(|lines| {
        for node in lines[NODES]["return"].as_array_mut().unwrap() {
            let flips = node["file"] == "top.raw" || node["node-name"] == "disk-0";
            node["ro"] = json!(node["ro"] == true || flips);
        }
    });
    assert_eq!(
        layers(&output).unwrap()[0],
        layer("top", true, Some("/mnt/base.qcow2"))
    );
}

#[test]
fn without_an_edge_to_a_data_file_there_is_none() {
    let output = changed(|lines| without_edge(lines, "data-file"));
    assert_eq!(layers(&output).unwrap()[0].data_file, None);
}

#[test]
fn without_an_edge_to_a_backing_image_the_chain_ends() {
    let output = changed(|lines| without_edge(lines, "backing"));
    assert_eq!(layers(&output).unwrap(), [layer("top", false, None)]);
}

#[test]
fn a_format_that_lies_in_no_file_is_not_taken_for_one() {
    let output = changed(|lines| without_edge(lines, "file"));
    let error = layers(&output).unwrap_err();
    assert_eq!(
        error.to_string(),
        "node disk-0 is of driver qcow2, which is no file"
    );
    assert!(matches!(facts(Err(error)), Ok(Answer::Unsupported { .. })));
}

#[test]
fn a_file_that_is_used_directly_is_raw() {
    let output = changed(|lines| {
        let top = lines[NODES]["return"].as_array_mut().unwrap().iter_mut();
        for node in top.filter(|node| node["node-name"] == "disk-0") {
            node["drv"] = json!("host_device");
            node["file"] = json!("/dev/x");
        }
        lines[GRAPH]["return"]["edges"] = json!([]);
    });
    let fact = &layers(&output).unwrap()[0];
    assert_eq!(
        (fact.file.as_str(), fact.driver.as_str()),
        ("/dev/x", "raw")
    );
}

#[rstest]
#[case::of_an_edge(|lines: &mut [Value]| lines[GRAPH]["return"]["edges"][0]["child"] = json!(99))]
#[case::of_a_number(|lines: &mut [Value]| lines[GRAPH]["return"]["nodes"] = json!([]))]
#[case::of_a_name(|lines: &mut [Value]| lines[NODES]["return"] = json!([]))]
fn a_node_that_nobody_tells_of_is_an_error(#[case] change: fn(&mut [Value])) {
    let error = layers(&changed(change)).unwrap_err();
    assert!(matches!(error, GraphError::NoNode(_)), "{error}");
    assert_eq!(facts(Err(error.clone())), Err(error.to_string()));
}

#[rstest]
#[case("backing")]
#[case("file")]
fn nodes_in_a_circle_are_an_error(#[case] role: &str) {
    let output = changed(|lines| {
        let top = number(lines, "disk-0");
        without_edge(lines, role);
        let edges = lines[GRAPH]["return"]["edges"].as_array_mut().unwrap();
        edges.push(json!({"parent": top, "child": top, "name": role}));
    });
    assert_eq!(
        layers(&output),
        Err(GraphError::Endless("disk-0".to_owned()))
    );
}

#[test]
fn a_name_that_is_not_utf_8_is_not_told() {
    let output = CHAIN.replace("top.raw", r"t\uFFFDp.raw");
    let error = layers(&output).unwrap_err();
    assert_eq!(error, GraphError::NotUtf8("t\u{fffd}p.raw".to_owned()));
    assert!(matches!(facts(Err(error)), Ok(Answer::Unsupported { .. })));
}

#[test]
fn an_image_that_qemu_refuses_is_rejected_in_its_words() {
    let output = changed(|lines| {
        lines[ADDED] = json!({"error": {"class": "GenericError", "desc": "Image is corrupt"}});
    });
    let answer = declined(told(output.as_bytes(), 1).unwrap_err());
    let rejected = Answer::Rejected {
        class: "refused".to_owned(),
        message: "Image is corrupt".to_owned(),
    };
    assert_eq!(answer, Ok(rejected));
}

#[rstest]
#[case(NODES, "query-named-block-nodes")]
#[case(GRAPH, "x-debug-query-block-graph")]
fn a_qemu_without_a_question_is_named_as_that(#[case] line: usize, #[case] command: &str) {
    let output = changed(|lines| {
        lines[line] = json!({"error": {"class": "CommandNotFound", "desc": "not found"}});
    });
    let answer = declined(told(output.as_bytes(), 1).unwrap_err());
    let message = format!("qemu-storage-daemon doesn't answer {command}: not found");
    assert_eq!(answer, Ok(Answer::Unsupported { message }));
}

#[rstest]
#[case::nothing("")]
#[case::words("qemu-storage-daemon: no\n")]
#[case::only_a_greeting("{\"QMP\": {}}\n")]
#[case::another_type("{\"return\": {}}\n{\"return\": {}}\n{\"return\": {\"nodes\": []}}\n")]
#[case::a_null("{\"return\": null}\n")]
#[case::deep(&"[".repeat(1 << 20))]
#[case::deep_inside(&format!("{{\"return\": {}", "{\"a\":".repeat(1 << 20)))]
fn what_is_no_answer_is_a_crash(#[case] output: &str) {
    let error = told(output.as_bytes(), 1).unwrap_err();
    assert!(matches!(error, QmpError::Unreadable { .. }), "{error}");
    let message = error.to_string();
    assert_eq!(declined(error), Err(message));
}

#[test]
fn an_answer_that_breaks_off_anywhere_is_a_crash() {
    // The last line answers `quit`, and nobody waits for it.
    let needed = CHAIN.trim_end().rfind('\n').unwrap();
    for end in 0..needed {
        let error = told(&CHAIN.as_bytes()[..end], 1).unwrap_err();
        assert!(
            matches!(error, QmpError::Unreadable { .. }),
            "{end}: {error}"
        );
    }
    assert_eq!(layers(&CHAIN[..needed]), Ok(chain()));
}

#[test]
fn a_chain_as_long_as_fits_is_read_to_its_end() {
    let (mut nodes, mut ids, mut edges) = (String::new(), String::new(), String::new());
    let length = 20_000;
    for number in 0..length {
        let comma = if number == 0 { "" } else { "," };
        write!(
            nodes,
            r#"{comma}{{"node-name":"disk-{number}","drv":"file","file":"{number}","ro":true}}"#
        )
        .unwrap();
        write!(ids, r#"{comma}{{"id":{number},"name":"disk-{number}"}}"#).unwrap();
        let child = number + 1;
        write!(
            edges,
            r#"{comma}{{"parent":{number},"child":{child},"name":"backing"}}"#
        )
        .unwrap();
    }
    let edges = &edges[..edges.rfind(",{").unwrap()];
    let output = format!(
        "{{\"return\":{{}}}}{{\"return\":{{}}}}{{\"return\":[{nodes}]}}\
         {{\"return\":{{\"nodes\":[{ids}],\"edges\":[{edges}]}}}}"
    );
    assert!(output.len() < 4 << 20);
    assert_eq!(layers(&output).unwrap().len(), length);
}

proptest! {
    #[test]
    fn whatever_a_daemon_writes_is_read_without_a_panic(
        at in 0..CHAIN.len(), bytes in prop::collection::vec(any::<u8>(), 0..8),
    ) {
        let mut output = CHAIN.as_bytes().to_vec();
        let end = (at + bytes.len()).min(output.len());
        output.splice(at..end, bytes);
        if let Ok(told) = told(&output, 1) {
            let nodes = Nodes::of(&told, Path::new("/mnt"));
            let _any = nodes.layers("disk-0");
        }
    }
}

#[test]
fn all_commands_are_given_at_once() {
    let xml = "<domain><devices><disk type='file'><driver type='qcow2'/><source file='/d/x'/>\
        <target dev='vda'/></disk></devices></domain>";
    let text = script(&super::given::disks(xml).unwrap()).unwrap();
    let text = String::from_utf8(text).unwrap();
    let lines = text.lines().map(serde_json::from_str);
    let lines: Vec<Value> = lines.collect::<Result<_, _>>().unwrap();
    let names: Vec<&str> = lines
        .iter()
        .map(|line| line["execute"].as_str().unwrap())
        .collect();
    let expected = [
        "qmp_capabilities",
        "blockdev-add",
        "query-named-block-nodes",
        "x-debug-query-block-graph",
        "quit",
    ];
    assert_eq!(names, expected);
    assert_eq!(lines[1]["arguments"]["file"]["filename"], "/d/x");
    assert_eq!(lines[2]["arguments"], json!({"flat": true}));
}

#[test]
fn layers_of_all_disks_are_one_answer() {
    let answer = facts(Ok(vec![chain(), chain()])).unwrap();
    let Answer::Accepted(Facts::Blockdev { layers }) = answer else {
        panic!("{answer:?}");
    };
    assert_eq!(layers, [chain(), chain()].concat());
}
