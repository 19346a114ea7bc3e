//! `subject check`: what a broken adapter is told.

use std::os::unix::fs::PermissionsExt;

use rstest::rstest;

use crate::run::{check, staged};

/// An adapter in the hands of a `check`, broken in one way.
fn broken(how: &str) -> crate::run::Checked {
    let scratch = tempfile::tempdir().unwrap();
    let folder = scratch.path().join("broken");
    let manifest = format!(
        "description = \"broken\"\nhomepage = \"none\"\nlicence = \"MIT\"\nversion = \"1\"\n\
         [run]\ncommand = [\"/usr/bin/python3\", \"{{adapter}}/broken.py\", \"{how}\"]\n\
         [limits]\nseconds = 3\nprocesses = 20\noutput = 64\n"
    );
    let program = include_str!("broken.py");
    staged(
        &folder,
        &[("broken.py", program), ("adapter.toml", &manifest)],
    );
    check(&folder.to_string_lossy())
}

#[test]
fn an_adapter_that_keeps_the_protocol_is_all_right() {
    let checked = broken("not");
    assert_eq!(checked.code, 0, "{}", checked.text);
    assert!(checked.count("ok  ") > 20, "{}", checked.text);
    assert_eq!(checked.count("warn"), 0, "{}", checked.text);
}

#[rstest]
#[case::no_greeting(
    "no_greeting",
    "handshake",
    "there is no answer: it ended without an answer (exit status 7): no luck"
)]
#[case::another_protocol("another_protocol", "handshake", "it speaks protocol 2")]
#[case::no_known_level(
    "no_known_level",
    "handshake",
    "`levels` has none of header, open, read"
)]
#[case::no_such_feature(
    "no_such_feature",
    "handshake",
    "`refuses` has `everything`, which is no feature"
)]
#[case::a_good_image_refused("refuse", "header: a plain image", "it is refused: never")]
#[case::a_bad_image_accepted("accept", "header: a file that is no image", "it answers `result`")]
#[case::a_crash_of_its_own("error", "header: no file", "it answers `error`: cannot open")]
#[case::no_facts(
    "no_facts",
    "header: a plain image",
    "a `result` of this level has `header`, which is absent"
)]
#[case::a_wrong_fact(
    "wrong_size",
    "header: a plain image",
    "`virtual_size` is 512, not 32768"
)]
#[case::facts_of_a_wrong_kind(
    "wrong_kind",
    "header: a plain image",
    "this is no reply of the protocol: invalid type: string \"3\", expected u32"
)]
#[case::no_hex(
    "no_hex",
    "header: an image with a data file",
    "this is no reply of the protocol: not pairs of hex digits"
)]
#[case::too_few_bytes(
    "few_bytes",
    "read: a plain image",
    "at offset 0 there are 511 bytes, not 512"
)]
#[case::other_bytes(
    "other_bytes",
    "read: a plain image",
    "at offset 0 there are other bytes"
)]
#[case::another_number(
    "another_number",
    "header: a plain image",
    "it answers question 77, not 1"
)]
#[case::garbage(
    "garbage",
    "header: a plain image",
    "this is no reply of the protocol: expected value"
)]
#[case::two_lines(
    "two_lines",
    "header: a plain image",
    "there is no answer: more than one line for one question"
)]
#[case::death(
    "die",
    "header: a plain image",
    "there is no answer: it ended without an answer (signal 6)"
)]
#[case::silence("hang", "header: a plain image", "there is no answer: no answer in 3s")]
#[case::much_output(
    "flood",
    "header: a plain image",
    "there is no answer: too much output"
)]
#[case::closed_output(
    "close",
    "header: a plain image",
    "there is no answer: it closed its standard output"
)]
#[case::a_level_it_lacks(
    "any_level",
    "level `no-such-level`, which it doesn't claim",
    "it answers `result`"
)]
#[case::a_crash_over_a_good_image("crash", "header: a plain image", "it answers `crashed`: always")]
#[case::a_new_key(
    "strict",
    "header: a question with a key that is new",
    "it answers `error`: a key"
)]
fn what_is_wrong_is_told_with_what_is_expected(
    #[case] how: &str,
    #[case] line: &str,
    #[case] problem: &str,
) {
    let checked = broken(how);
    assert_eq!(checked.code, 1, "{}", checked.text);
    let failed = format!("FAIL  {line}  (");
    let found = checked.text.split_once(&failed);
    let (_, told) = found.unwrap_or_else(|| panic!("no {failed:?} in {}", checked.text));
    let told = told.split("\nok  ").next().unwrap();
    for part in ["came ", "expected ", "see       docs/adapters.md: "] {
        assert!(told.contains(part), "{part} is missing: {told}");
    }
    assert!(told.contains(&format!("problem   {problem}")), "{told}");
}

#[rstest]
#[case::an_unknown_type("deaf", "a type that is unknown", "silence")]
#[case::a_line_of_garbage("deaf", "a line that is no JSON", "silence")]
#[case::no_end("deaf", "`bye`", "no answer in 3s")]
#[case::a_data_file_refused(
    "no_data_files",
    "header: an image with a data file",
    "it is refused (no); if that is by design, `refuses` has `data-file`"
)]
#[case::a_panic_over_a_file_that_is_not_there(
    "panic",
    "header: no file",
    "it answers `crashed`: no such file"
)]
fn what_loses_no_case_is_a_warning(#[case] how: &str, #[case] line: &str, #[case] problem: &str) {
    let checked = broken(how);
    let warned = format!("warn  {line}  (");
    let (_, told) = checked.text.split_once(&warned).unwrap();
    let told = told.split("\nok  ").next().unwrap();
    assert!(told.contains(&format!("problem   {problem}")), "{told}");
}

/// Whether its end is seen before or after the next question is sent depends on who is faster.
#[test]
fn a_process_that_answers_one_question_only_is_told_so() {
    let checked = broken("one_question");
    assert_eq!(checked.code, 1, "{}", checked.text);
    let told = "one process for one question after the other";
    let ended = "it ended without an answer (exit status 0)";
    assert!(
        checked.text.contains(told) || checked.text.contains(ended),
        "{}",
        checked.text
    );
}

#[test]
fn refusals_by_design_are_right() {
    let checked = broken("no_data_files_by_design");
    assert_eq!(
        (checked.code, checked.count("warn")),
        (0, 0),
        "{}",
        checked.text
    );
}

#[test]
fn a_check_of_an_adapter_that_hangs_ends_before_everything_is_asked() {
    let checked = broken("hang");
    assert!(
        checked.text.contains("nothing further was asked"),
        "{}",
        checked.text
    );
    assert_eq!(checked.count("FAIL"), 4, "{}", checked.text);
}

#[test]
fn a_program_that_does_not_start_is_told_with_what_it_can_see() {
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("adapter");
    std::fs::write(&path, "#!/no/such/interpreter\n").unwrap();
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
    let checked = check(path.to_str().unwrap());
    assert_eq!(checked.code, 1, "{}", checked.text);
    assert!(checked.text.contains("FAIL  start  ("), "{}", checked.text);
    assert!(
        checked.text.contains("can't be started"),
        "{}",
        checked.text
    );
}

#[test]
fn json_has_an_object_for_each_line() {
    let (mut command, scratch) =
        crate::run::qconform(&["subject", "check", "--json", "adapter:./it"]);
    let program = include_str!("broken.py").replace("sys.argv[1]", "'not'");
    let path = scratch.path().join("it");
    std::fs::write(&path, program).unwrap();
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
    let output = command.output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.lines().count() > 20, "{text}");
    for line in text.lines() {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(line["outcome"], "ok", "{line}");
        assert!(
            line["asked"].is_string() && line["came"].is_string(),
            "{line}"
        );
    }
}

#[test]
fn what_is_built_in_is_not_checked() {
    let checked = crate::run::check_subject("reference");
    assert_eq!(checked.code, 2);
    assert!(checked.text.contains("is built in"), "{}", checked.text);
}
