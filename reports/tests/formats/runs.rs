//! The runs that the formats are tested with.

use std::path::Path;

use qconform_reports::event::{
    CaseEvent, Deviation, Difference, FORMAT, RunFooter, RunHeader, SubjectInfo,
};
use qconform_reports::stream::Run;
use qconform_scenarios::baseline::Severity;
use qconform_scenarios::verdict::{Level, Verdict};

/// The stored run.
pub(crate) fn stored() -> Run {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/every-verdict.jsonl");
    Run::open(&path).unwrap()
}

/// A whole run without a case.
pub(crate) fn empty() -> Run {
    Run {
        header: RunHeader {
            format: FORMAT,
            tool: "0.1.0".to_owned(),
            suite: "0.1.0".to_owned(),
            suite_digest: "00".repeat(32),
            started: "2026-11-23T08:00:00Z".to_owned(),
            command: Vec::new(),
            seed: 0,
            selected: 0,
            shard: None,
            subjects: vec![SubjectInfo {
                name: "s".to_owned(),
                version: "1".to_owned(),
                levels: vec![Level::Header],
            }],
            capabilities: Vec::new(),
            requirements: Vec::new(),
        },
        cases: Vec::new(),
        setups: [].into(),
        footer: Some(RunFooter {
            complete: true,
            counts: [("s".to_owned(), [].into())].into(),
            stale: Vec::new(),
            baseline: Vec::new(),
            millis: 0,
        }),
    }
}

/// A run of cases with one text everywhere.
pub(crate) fn run_saying(text: &str, verdicts: &[Verdict]) -> Run {
    let mut run = empty();
    for (index, verdict) in verdicts.iter().enumerate() {
        run.cases.push(CaseEvent {
            case: format!("header/{text}/{index}").into(),
            subject: "s".into(),
            title: text.into(),
            level: Level::ALL[index % 4],
            requirements: [text.into()].into(),
            verdict: *verdict,
            message: text.to_owned(),
            differences: vec![Difference {
                place: text.to_owned(),
                expected: text.to_owned(),
                observed: text.to_owned(),
            }],
            cells: Vec::new(),
            steps: 0,
            known_reason: Some(text.to_owned()),
            deviation: Some(Deviation {
                verdict: Verdict::WrongData,
                severity: Severity::WrongData,
                requirement: text.to_owned(),
                link: Some(text.to_owned()),
            }),
            repeat: text.to_owned(),
            micros: 1,
        });
        let footer = run.footer.as_mut().unwrap();
        let counts = footer.counts.get_mut("s").unwrap();
        *counts.entry(*verdict).or_default() += 1;
    }
    run
}
