//! Shards put together, and runs compared.

use std::path::PathBuf;

use qconform_reports::diff::{self, Kind};
use qconform_reports::event::{BaselineUse, Shard};
use qconform_reports::merge::merge;
use qconform_reports::stream::Run;
use qconform_scenarios::verdict::Verdict;
use rstest::rstest;

use crate::runs::run_saying;

/// Shards of a run of six cases.
fn shards(total: u32) -> Vec<(PathBuf, Run)> {
    let whole = run_saying("x", &[Verdict::Pass; 6]);
    let shards = (1..=total).map(|index| {
        let mut run = run_saying("x", &[]);
        run.header.shard = Some(Shard { index, total });
        let part = whole.cases.iter().skip(index as usize - 1);
        run.cases = part.step_by(total as usize).cloned().collect();
        run.header.selected = run.cases.len() as u64;
        let passes = [(Verdict::Pass, run.cases.len() as u64)];
        let footer = run.footer.as_mut().unwrap();
        footer.counts = [("s".to_owned(), passes.into())].into();
        (PathBuf::from(format!("{index}.jsonl")), run)
    });
    shards.collect()
}

#[rstest]
#[case(1)]
#[case(4)]
#[case::with_empty_ones(9)]
fn shards_make_a_whole_run_in_any_order(#[case] total: u32) {
    let mut shards = shards(total);
    shards.reverse();
    let merged = merge(shards).unwrap();
    assert_eq!(merged.gap(), None);
    assert_eq!(merged.header.shard, None);
    assert_eq!((merged.cases.len(), merged.header.selected), (6, 6));
}

#[rstest]
#[case::a_missing_shard(|runs: &mut Vec<(PathBuf, Run)>| drop(runs.remove(1)), "1.jsonl: of 3 shards, these are missing: 2")]
#[case::a_shard_twice(|runs: &mut Vec<(PathBuf, Run)>| runs.push(runs[0].clone()), "1.jsonl: shard 1/3 is there twice")]
#[case::no_footer(|runs: &mut Vec<(PathBuf, Run)>| runs[2].1.footer = None, "3.jsonl: it has no footer")]
#[case::interrupted(|runs: &mut Vec<(PathBuf, Run)>| runs[2].1.footer.as_mut().unwrap().complete = false, "3.jsonl: it was interrupted")]
#[case::another_seed(|runs: &mut Vec<(PathBuf, Run)>| runs[1].1.header.seed = 9, "2.jsonl: it has another seed: 9 instead of 0")]
#[case::another_suite(|runs: &mut Vec<(PathBuf, Run)>| runs[1].1.header.suite_digest = "ff".to_owned(), "2.jsonl: it has another suite digest: ff instead of 00")]
#[case::another_subject(|runs: &mut Vec<(PathBuf, Run)>| runs[1].1.header.subjects[0].version = "2".to_owned(), "2.jsonl: it has another set of subjects: s 2 instead of s 1")]
#[case::another_number(|runs: &mut Vec<(PathBuf, Run)>| runs[1].1.header.shard = Some(Shard { index: 2, total: 4 }), "2.jsonl: it has another number of shards: 4 instead of 3")]
#[case::no_shard(|runs: &mut Vec<(PathBuf, Run)>| runs[1].1.header.shard = None, "2.jsonl: it is not a shard")]
#[case::a_case_twice(|runs: &mut Vec<(PathBuf, Run)>| {
    let case = runs[0].1.cases[0].clone();
    runs[1].1.cases[0] = case;
}, "2.jsonl: header/x/0 was put to s before")]
fn what_does_not_fit_is_refused(
    #[case] spoil: fn(&mut Vec<(PathBuf, Run)>),
    #[case] message: &str,
) {
    let mut runs = shards(3);
    spoil(&mut runs);
    let error = merge(runs).unwrap_err().to_string();
    assert!(error.starts_with(message), "{error}");
}

#[test]
fn nothing_is_no_run() {
    merge(Vec::new()).unwrap_err();
}

#[rstest]
#[case(&[false, false], 1)]
#[case::one_shard_saw_it(&[false, true], 0)]
fn a_baseline_entry_is_stale_if_no_shard_saw_it(#[case] seen: &[bool], #[case] stale: usize) {
    let mut runs = shards(2);
    for ((_, run), seen) in runs.iter_mut().zip(seen) {
        run.footer.as_mut().unwrap().baseline.push(BaselineUse {
            stale: "entry".to_owned(),
            seen: *seen,
        });
    }
    assert_eq!(merge(runs).unwrap().footer.unwrap().stale.len(), stale);
}

#[rstest]
#[case(Verdict::Pass, Verdict::Pass, None)]
#[case(Verdict::Pass, Verdict::Fail, Some(Kind::NewlyFailing))]
#[case(Verdict::Known, Verdict::Fail, Some(Kind::NewlyFailing))]
#[case::worse_than_before(Verdict::Fail, Verdict::WrongData, Some(Kind::NewlyFailing))]
#[case::better_than_before(Verdict::Crashed, Verdict::Fail, Some(Kind::Other))]
#[case(Verdict::Fail, Verdict::Pass, Some(Kind::Fixed))]
#[case(Verdict::Fail, Verdict::Known, Some(Kind::Fixed))]
#[case(Verdict::Pass, Verdict::Skipped, Some(Kind::NoLongerJudged))]
#[case(Verdict::Fail, Verdict::HarnessError, Some(Kind::NoLongerJudged))]
#[case(Verdict::Skipped, Verdict::Pass, Some(Kind::Other))]
#[case(Verdict::Pass, Verdict::Lenient, Some(Kind::Other))]
fn a_change_of_verdict_has_a_kind(
    #[case] old: Verdict,
    #[case] new: Verdict,
    #[case] kind: Option<Kind>,
) {
    let (old, new) = (run_saying("x", &[old]), run_saying("x", &[new]));
    let changes = diff::changes(&old, &new);
    assert_eq!(changes.first().map(|change| change.kind), kind);
}

#[test]
fn a_difference_between_runs_is_told_for_a_person() {
    let mut old = run_saying("x", &[Verdict::Pass, Verdict::Fail, Verdict::Pass]);
    let mut new = run_saying(
        "x",
        &[Verdict::Fail, Verdict::Pass, Verdict::Pass, Verdict::Pass],
    );
    new.header.subjects[0].version = "2\u{1b}[1m".to_owned();
    new.header.seed = 3;
    old.cases[2].case = "header/gone".into();
    let changes = diff::changes(&old, &new);
    let mut out = Vec::new();
    diff::write(&old, &new, &changes, &mut out).unwrap();
    insta::assert_snapshot!(String::from_utf8(out).unwrap());
}

#[test]
fn a_subject_that_one_run_lacks_changes_nothing() {
    let old = run_saying("x", &[Verdict::Pass]);
    let mut new = run_saying("x", &[Verdict::Fail]);
    new.header.subjects[0].name = "t".to_owned();
    new.cases[0].subject = "t".into();
    assert_eq!(diff::changes(&old, &new), []);
}
