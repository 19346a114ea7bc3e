//! The judge on observations made by hand.

mod access;
mod answers;
mod design;
mod header;
mod label;
mod layers;
mod open;
mod overlay;
mod read;
mod records;
mod refusal;

use std::sync::Arc;

use qconform_scenarios::case::{Case, Step};
use qconform_scenarios::file::Owner;
use qconform_scenarios::suite::Suite;
use qconform_scenarios::verdict::Verdict;

use super::{Judgement, judge};
use crate::observe::{FileState, Snapshot};
use crate::subject::{Answer, Facts};
use crate::worker::{Observation, Stage};

/// A label for reading only.
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

/// What was seen of a question that is answered once, and that changes nothing.
fn answered(answer: Answer) -> Observation {
    let before = snapshot(file(0, "a"));
    Observation {
        stages: vec![Stage {
            step: None,
            answer,
            ..stage(Step::Start, before.clone())
        }],
        before,
        head: None,
    }
}

fn rejected() -> Answer {
    Answer::Rejected {
        class: "c".to_owned(),
        message: "m".to_owned(),
    }
}

/// A judgement in two words.
fn said(judgement: &Judgement) -> (Verdict, &str) {
    (judgement.verdict, &judgement.message)
}

/// Places of the differences.
fn places(judgement: &Judgement) -> Vec<&str> {
    let differences = judgement.differences.iter();
    differences.map(|one| one.place.as_str()).collect()
}

/// The differences as messages.
fn lines(judgement: &Judgement) -> Vec<String> {
    judgement.differences.iter().map(super::one_line).collect()
}

fn snapshot(disk: FileState) -> Snapshot {
    [
        ("disk.raw".into(), disk.into()),
        ("other".into(), file(2, "b").into()),
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

/// A read-only disk that starts and stops, and a file that is nobody's business.
const LABEL: &str = r#"
title = "a read-only disk"
level = "label"
requirements = ["label.readonly"]
files = { "disk.raw" = { raw = {} }, "other" = { raw = {} } }
domain = { disks = [{ source = "disk.raw", format = "raw", kind = "readonly" }] }
[[expect]]
matrix = [{ file = "disk.raw", start = "vm, ro", stop = "kept | info: original" }]
"#;

/// A start and a stop that are right; the label stays.
fn right() -> Observation {
    life([snapshot(file(64055, RO)), snapshot(file(64055, RO))])
}

/// A start, and a stop if there is a second state.
fn life<const N: usize>(states: [Snapshot; N]) -> Observation {
    let steps = [Step::Start, Step::Stop].into_iter();
    let stages = steps.zip(states).map(|(step, after)| stage(step, after));
    Observation {
        before: snapshot(file(1, "a")),
        stages: stages.collect(),
        head: None,
    }
}

/// The state of a file after a stage.
fn after<'a>(seen: &'a mut Observation, stage: usize, name: &str) -> &'a mut FileState {
    Arc::make_mut(seen.stages[stage].after.get_mut(name).unwrap())
}
