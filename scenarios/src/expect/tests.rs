//! Expectations of questions that are answered once.

use serde_json::json;

use super::*;
use rstest::rstest;

fn read(level: Level, text: &str) -> Result<Expectation, Fault> {
    build(level, text.parse().unwrap(), &OwnLabels::default())
}

/// The level's name and what is allowed, as `suite copy` writes them.
fn written(level: Level, text: &str) -> serde_json::Value {
    serde_json::to_value(read(level, text).unwrap()).unwrap()
}

#[rstest]
#[case::header(Level::Header, "reject = true")]
#[case::open(Level::Open, "accept = { opened = ['d'] }")]
#[case::read(Level::Read, "accept = [{ offset = 0 }]")]
#[case::access(Level::Access, "accept = []")]
#[case::label(Level::Label, "refuse = 'must'")]
#[case::blockdev(Level::Blockdev, "accept = []")]
#[case::xml(Level::Xml, "accept = [{ file = 'd' }]")]
fn each_level_has_an_expectation_of_its_own(#[case] level: Level, #[case] text: &str) {
    let written = written(level, text);
    let levels: Vec<&String> = written.as_object().unwrap().keys().collect();
    assert_eq!(levels, [level.as_str()]);
}

#[test]
fn what_is_required_comes_first_and_the_rest_has_its_grade() {
    let text = "accept = [{ offset = 512, file = 'd' }]\n\
        also = [{ grade = 'lenient', reject = true }, { grade = 'info', accept = [{ offset = 0 }] }]";
    let wanted = json!({ "read": [
        { "grade": "pass", "wanted": { "accept": [{ "offset": 512, "file": "d" }] } },
        { "grade": "lenient", "wanted": "reject" },
        { "grade": "info", "wanted": { "accept": [{ "offset": 0, "file": null }] } },
    ] });
    assert_eq!(written(Level::Read, text), wanted);
}

#[rstest]
#[case::neither("", "", "expect either `accept` or `reject = true`")]
#[case::both(
    "accept = []\nreject = true",
    "",
    "expect either `accept` or `reject = true`"
)]
#[case::neither_in_what_is_also_right(
    "accept = []\nalso = [{ reject = true, grade = 'info' }, { grade = 'info' }]",
    "also 1",
    "expect either `accept` or `reject = true`"
)]
#[case::no_grade(
    "accept = []\nalso = [{ reject = true }]",
    "also 0",
    "say which grade this outcome gets"
)]
fn an_outcome_is_one_thing_and_has_a_grade(
    #[case] text: &str,
    #[case] place: &str,
    #[case] message: &str,
) {
    let fault = read(Level::Access, text).unwrap_err();
    let place: Vec<&str> = place.split_whitespace().collect();
    let expected = match place[..] {
        [key, index] => Fault::at([key, index], message),
        _ => Fault::at([], message),
    };
    assert_eq!(fault, expected);
}

#[test]
fn a_layer_speaks_of_its_image_its_data_file_and_the_layer_below() {
    let name = |name: &str| Some(name.to_owned());
    let mut layer = LayerWanted {
        file: "top".to_owned(),
        driver: "qcow2".to_owned(),
        read_only: false,
        data_file: name("data"),
        backing: name("base"),
    };
    let files = |layer: &LayerWanted| layer.files().map(ToOwned::to_owned).collect::<Vec<_>>();
    assert_eq!(files(&layer), ["top", "data", "base"]);
    layer.data_file = None;
    layer.backing = None;
    assert_eq!(files(&layer), ["top"]);
}

#[rstest]
#[case::below("base", &["top", "data", "base"])]
#[case::the_end("end", &["top", "data"])]
fn a_layer_of_the_xml_speaks_of_files_and_of_the_end(
    #[case] backing: &str,
    #[case] files: &[&str],
) {
    let layer = XmlLayer {
        file: "top".to_owned(),
        data_store: Some("data".to_owned()),
        backing: Some(backing.to_owned()),
        ..XmlLayer::default()
    };
    assert_eq!(layer.files().collect::<Vec<_>>(), files);
}
