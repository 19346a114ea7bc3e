//! A faulty scenario is refused with the line of the fault.

use qconform_scenarios::suite::Suite;
use rstest::rstest;

const GOOD: &str = r#"title = "a data file"
level = "label"
requirements = ["label.data-file-follows-image"]

[axes]
disk = ["rw", "readonly"]

[files]
"disk.qcow2" = { qcow2 = { data-file = "disk.raw" } }
"disk.raw" = { raw = {} }

[domain]
disks = [{ source = "disk.qcow2", kind = "{disk}" }]

[[expect]]
when = { disk = "rw" }
matrix = [
  { file = "disk.qcow2", start = "vm, rw", stop = "original" },
  { file = "disk.raw", start = "vm, rw", stop = "original" },
]

[[expect]]
when = { disk = "readonly" }
refuse = "must"
"#;

fn load(text: &str) -> Result<Suite, String> {
    let files = [("dir/my-bug.toml".to_owned(), text.to_owned())];
    Suite::of_files(&files).map_err(|error| error.to_string())
}

#[test]
fn the_good_scenario_gives_its_cases() {
    let suite = load(GOOD).unwrap();
    let ids: Vec<String> = suite
        .select(&Default::default())
        .map(|selected| selected.id)
        .collect();
    assert_eq!(ids, ["my-bug/disk=rw", "my-bug/disk=readonly"]);
}

#[rstest]
#[case::an_unknown_key("data-file =", "data-fil =", "9:28: unknown field `data-fil`")]
#[case::an_unknown_root_key("title =", "titel =", "1:1: unknown field `titel`")]
#[case::a_file_that_does_not_exist(
    "file = \"disk.raw\",",
    "file = \"other.raw\",",
    "19:5: the fixture has no file `other.raw` (with disk=rw)"
)]
#[case::a_word_that_is_no_state(
    "start = \"vm, rw\", stop = \"original\" },\n]",
    "start = \"vm\", stop = \"original\" },\n]",
    "19:24: `vm` is not original, kept or `OWNER, LABEL`"
)]
#[case::a_missing_cell(
    ", stop = \"original\" },\n]",
    " },\n]",
    "19:3: `disk.raw` has no cell for stop"
)]
#[case::a_choice_that_does_not_exist(
    "when = { disk = \"rw\" }",
    "when = { disk = \"wr\" }",
    "16:10: axis `disk` has no choice `wr`"
)]
#[case::an_axis_that_does_not_exist(
    "kind = \"{disk}\"",
    "kind = \"{disc}\"",
    "13:35: there is no axis `disc`"
)]
#[case::a_combination_without_expectation(
    "when = { disk = \"readonly\" }",
    "when = { disk = \"rw\" }",
    "22:1: matches as well as [[expect]] number 1"
)]
#[case::an_unknown_requirement(
    "label.data-file-follows-image",
    "label.nope",
    "3:17: there is no requirement `label.nope`"
)]
#[case::a_bad_owner(
    "{ raw = {} }",
    "{ raw = {}, owner = \"root\" }",
    "10:26: `root` is not of the form uid:gid"
)]
#[case::a_file_that_holds_nothing(
    "{ raw = {} }",
    "{ mode = \"0600\" }",
    "10:1: say what the file holds"
)]
#[case::no_steps("[axes]", "steps = []\n[axes]", "5:1: a case has at least one step")]
#[case::a_step_twice(
    "[axes]",
    "steps = [\"start\", \"start\"]\n[axes]",
    "5:1: a case has at least one step"
)]
#[case::broken_toml("[files]", "[files", "8:7: ")]
fn a_fault_is_named_with_its_line(#[case] from: &str, #[case] to: &str, #[case] message: &str) {
    let text = GOOD.replacen(from, to, 1);
    assert_ne!(text, GOOD);
    let error = load(&text).err().unwrap();
    assert!(
        error.starts_with(&format!("dir/my-bug.toml:{message}")),
        "{error}"
    );
}
