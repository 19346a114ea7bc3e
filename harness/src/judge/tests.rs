//! The judge on observations made by hand.

use qconform_generators::marker::Marker;
use qconform_scenarios::case::{Case, Step};
use qconform_scenarios::file::Owner;
use qconform_scenarios::suite::Suite;
use qconform_scenarios::verdict::Verdict;
use rstest::rstest;

use super::{excuse, judge};
use crate::observe::{FileState, Snapshot, Touch, hex};
use crate::subject::protocol::Role;
use crate::subject::{Answer, Facts, HeaderFacts, ReadFact, Refusals};
use crate::worker::{Observation, Stage};

const LABEL: &str = r#"
title = "a read-only disk"
level = "label"
requirements = ["label.readonly"]
files = { "disk.raw" = { raw = {} }, "other" = { raw = {} } }
domain = { disks = [{ source = "disk.raw", format = "raw", kind = "readonly" }] }
[[expect]]
matrix = [{ file = "disk.raw", start = "vm, ro", stop = "kept | info: original" }]
"#;

const RO: &str = "system_u:object_r:virt_content_t:s0";

fn case(text: &str) -> Case {
    let suite = Suite::of_files(&[("t.toml".to_owned(), text.to_owned())]).unwrap();
    suite.scenarios[0].case(0).unwrap()
}

fn file(uid: u32, label: &str) -> FileState {
    FileState {
        kind: "file".to_owned(),
        owner: Owner { uid, gid: uid },
        mode: 0o600,
        size: 1,
        label: Some(label.to_owned()),
        xattrs: [].into(),
        records: Vec::new(),
        sha256: "aa".to_owned(),
    }
}

fn snapshot(disk: FileState) -> Snapshot {
    [
        ("disk.raw".to_owned(), disk),
        ("other".to_owned(), file(2, "b")),
    ]
    .into()
}

fn stage(step: Step, after: Snapshot) -> Stage {
    Stage {
        step: Some(step),
        answer: Answer::Accepted(Facts::Done),
        after,
        state: Vec::new(),
        touches: Vec::new(),
    }
}

/// A start and a stop that are right; the label stays.
fn right() -> Observation {
    Observation {
        before: snapshot(file(1, "a")),
        stages: vec![
            stage(Step::Start, snapshot(file(64055, RO))),
            stage(Step::Stop, snapshot(file(64055, RO))),
        ],
        head: None,
    }
}

/// The state of a file after a stage.
fn after<'a>(seen: &'a mut Observation, stage: usize, name: &str) -> &'a mut FileState {
    seen.stages[stage].after.get_mut(name).unwrap()
}

type Change = fn(&mut Observation);

#[rstest]
#[case::as_required(|_: &mut Observation| {}, Verdict::Pass, "")]
#[case::original_is_a_may(|seen: &mut Observation| seen.stages[1].after = seen.before.clone(), Verdict::Info, "")]
#[case::another_owner(|seen: &mut Observation| after(seen, 0, "disk.raw").owner.uid = 64054,
    Verdict::Fail, "start: disk.raw owner: expected 64055:64055 (vm), got 64054:64055")]
#[case::another_group(|seen: &mut Observation| after(seen, 0, "disk.raw").owner.gid = 1,
    Verdict::Fail, "start: disk.raw owner: expected 64055:64055 (vm), got 64055:1")]
#[case::another_label(|seen: &mut Observation| after(seen, 0, "disk.raw").label = Some("x".to_owned()),
    Verdict::Fail, "start: disk.raw label: expected system_u:object_r:virt_content_t:s0, got x")]
#[case::no_label(|seen: &mut Observation| after(seen, 0, "disk.raw").label = None,
    Verdict::Fail, "start: disk.raw label: expected system_u:object_r:virt_content_t:s0, got no label")]
#[case::half_restored(|seen: &mut Observation| after(seen, 1, "disk.raw").owner = Owner { uid: 1, gid: 1 },
    Verdict::Fail, "stop: disk.raw owner: expected 64055:64055 (kept), got 1:1 (original)")]
#[case::a_bystander_labelled(|seen: &mut Observation| after(seen, 0, "other").label = Some(RO.to_owned()),
    Verdict::Fail, "start: other label: expected b, got system_u:object_r:virt_content_t:s0")]
#[case::a_byte_changed(|seen: &mut Observation| after(seen, 1, "other").sha256 = "bb".to_owned(),
    Verdict::Fail, "stop: other bytes: expected aa, got bb")]
#[case::a_mode_changed(|seen: &mut Observation| after(seen, 0, "disk.raw").mode = 0o660,
    Verdict::Fail, "start: disk.raw mode: expected 0600, got 0660")]
#[case::a_foreign_attribute(|seen: &mut Observation| {
        after(seen, 0, "disk.raw").xattrs.insert("user.x".to_owned(), "00".to_owned());
    }, Verdict::Fail, "start: disk.raw attributes: expected none, got user.x=00")]
#[case::a_record_while_running(|seen: &mut Observation| after(seen, 0, "disk.raw").records.push("r".to_owned()),
    Verdict::Pass, "")]
#[case::a_record_left(|seen: &mut Observation| after(seen, 1, "disk.raw").records.push("r".to_owned()),
    Verdict::Fail, "stop: disk.raw records: expected none, got r")]
#[case::a_file_gone(|seen: &mut Observation| { seen.stages[0].after.remove("other"); },
    Verdict::Fail, "start: other file: expected there, got gone")]
#[case::a_file_that_appeared(|seen: &mut Observation| { seen.stages[1].after.insert("new".to_owned(), file(1, "a")); },
    Verdict::Fail, "stop: new file: expected no such file, got there")]
#[case::a_refused_start(|seen: &mut Observation| {
        seen.stages.truncate(1);
        seen.stages[0].answer = Answer::Rejected { class: "c".to_owned(), message: "m".to_owned() };
    }, Verdict::Fail, "start: expected accepted, got rejected (c: m)")]
#[case::a_refused_stop(|seen: &mut Observation| {
        seen.stages[1].answer = Answer::Rejected { class: "c".to_owned(), message: "m".to_owned() };
    }, Verdict::Fail, "stop: expected accepted, got rejected (c: m)")]
#[case::a_crash(|seen: &mut Observation| seen.stages[1].answer = Answer::Crashed { how: "signal 11".to_owned() },
    Verdict::Crashed, "signal 11")]
#[case::no_answer(|seen: &mut Observation| seen.stages[1].answer = Answer::TimedOut,
    Verdict::TimedOut, "no answer in time")]
#[case::a_decoy_opened(|seen: &mut Observation| seen.stages[0].touches.push(
        Touch { file: "other".to_owned(), what: "opened".to_owned() }),
    Verdict::Fail, "start: other: expected never opened or touched, got opened")]
#[case::a_step_that_was_never_seen(|seen: &mut Observation| seen.stages.truncate(1),
    Verdict::HarnessError, "stop was not observed")]
fn a_label_case_is_judged(#[case] change: Change, #[case] verdict: Verdict, #[case] message: &str) {
    let mut seen = right();
    change(&mut seen);
    let judgement = judge(&case(LABEL), &seen, 0);
    assert_eq!(
        (judgement.verdict, judgement.message.as_str()),
        (verdict, message)
    );
}

#[rstest]
#[case::refused_and_untouched(true, false, Verdict::Pass)]
#[case::refused_after_a_change(true, true, Verdict::Fail)]
#[case::not_refused(false, false, Verdict::Fail)]
fn a_start_that_must_be_refused_changes_nothing(
    #[case] refused: bool,
    #[case] changed: bool,
    #[case] verdict: Verdict,
) {
    let (head, _) = LABEL.split_once("matrix").unwrap();
    let mut seen = Observation {
        before: snapshot(file(1, "a")),
        stages: vec![stage(Step::Start, snapshot(file(1, "a")))],
        head: None,
    };
    if refused {
        seen.stages[0].answer = Answer::Rejected {
            class: "c".to_owned(),
            message: "m".to_owned(),
        };
    }
    if changed {
        after(&mut seen, 0, "disk.raw").owner.uid = 64055;
    }
    assert_eq!(
        judge(&case(&format!("{head}refuse = \"must\"\n")), &seen, 0).verdict,
        verdict
    );
}

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
    let before = snapshot(file(0, "a"));
    let answer = Answer::Accepted(Facts::Read { reads });
    let stages = vec![Stage {
        state: Vec::new(),
        step: None,
        answer,
        after: before.clone(),
        touches: Vec::new(),
    }];
    let judgement = judge(
        &case(READ),
        &Observation {
            before,
            stages,
            head: None,
        },
        9,
    );
    assert_eq!(
        (judgement.verdict, judgement.message.as_str()),
        (verdict, message)
    );
}

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
        None => Answer::Rejected {
            class: "c".to_owned(),
            message: "m".to_owned(),
        },
    };
    let before: Snapshot = [("disk.raw".to_owned(), file(0, "a"))].into();
    let stages = vec![Stage {
        state: Vec::new(),
        step: None,
        answer,
        after: before.clone(),
        touches: Vec::new(),
    }];
    let judgement = judge(
        &case(HEADER),
        &Observation {
            before,
            stages,
            head: None,
        },
        0,
    );
    assert_eq!(
        (judgement.verdict, judgement.message.as_str()),
        (verdict, message)
    );
}

const OPEN: &str = r#"
title = "an image"
level = "open"
requirements = ["open.whole-chain"]
image = "disk.raw"
as = "raw"
files = { "disk.raw" = { raw = {} }, "other" = { raw = {}, decoy = true } }
[[expect]]
accept = { opened = ["disk.raw"] }
"#;

#[rstest]
#[case::as_required(&[("disk.raw", "opened")], Verdict::Pass, "")]
#[case::not_opened(&[], Verdict::Fail, "disk.raw: expected opened, got not opened")]
#[case::opened_for_writing(&[("disk.raw", "opened"), ("disk.raw", "opened for writing")],
    Verdict::Fail, "disk.raw: expected opened for reading only, got opened for writing")]
#[case::a_decoy_opened(&[("disk.raw", "opened"), ("other", "opened")],
    Verdict::Fail, "other: expected never opened or touched, got opened")]
fn what_was_opened_is_judged(
    #[case] touches: &[(&str, &str)],
    #[case] verdict: Verdict,
    #[case] message: &str,
) {
    let touches = touches.iter().map(|(file, what)| Touch {
        file: (*file).to_owned(),
        what: (*what).to_owned(),
    });
    let before = snapshot(file(0, "a"));
    let seen = Observation {
        stages: vec![Stage {
            step: None,
            touches: touches.collect(),
            ..stage(Step::Start, before.clone())
        }],
        before,
        head: None,
    };
    let judgement = judge(&case(OPEN), &seen, 0);
    assert_eq!(
        (judgement.verdict, judgement.message.as_str()),
        (verdict, message)
    );
}

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
    let before = snapshot(file(0, "a"));
    let seen = Observation {
        stages: vec![Stage {
            step: None,
            answer: Answer::Rejected {
                class: "c".to_owned(),
                message: "m".to_owned(),
            },
            ..stage(Step::Start, before.clone())
        }],
        before,
        head: None,
    };
    let refusals = Refusals {
        role,
        refuses: refuses.iter().map(ToString::to_string).collect(),
    };
    let judgement = excuse(&case, &seen, &refusals, judge(&case, &seen, 0));
    assert_eq!(judgement.verdict, verdict, "{}", judgement.message);
}

const TRANSIENT: &str = r#"
title = "a transient disk"
level = "label"
requirements = ["label.readonly"]
files = { "disk.raw" = { raw = {} }, "other" = { raw = {} } }
domain = { disks = [{ source = "disk.raw", format = "raw", kind = "transient" }, { source = "other", format = "raw" }] }
[[expect]]
matrix = [{ file = "disk.raw", start = "vm, ro", stop = "original" }]
"#;

#[rstest]
#[case::beside_its_image("disk.raw.TRANSIENT-case", 0, Verdict::Pass)]
#[case::that_stays("disk.raw.TRANSIENT-case", 1, Verdict::Fail)]
#[case::of_another_disk("other.TRANSIENT-case", 0, Verdict::Fail)]
#[case::of_another_name("disk.raw.overlay", 0, Verdict::Fail)]
fn an_overlay_may_appear_while_its_transient_disk_runs(
    #[case] name: &str,
    #[case] stages: usize,
    #[case] verdict: Verdict,
) {
    let mut seen = right();
    seen.stages[1].after = seen.before.clone();
    for stage in 0..=stages {
        let after = &mut seen.stages[stage].after;
        after.insert(name.to_owned(), file(64055, RO));
    }
    assert_eq!(judge(&case(TRANSIENT), &seen, 0).verdict, verdict);
}
