//! Runs told again, put together and compared.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use qconform_reports::event::Event;
use qconform_reports::stream::{Run, Writer};
use qconform_scenarios::verdict::Verdict;
use rstest::rstest;

use crate::{binary, has, names, qconform};

/// A quick part of the suite that needs nothing of the machine.
const PART: [&str; 5] = ["run", "header/data-file", "read", "--subject", "reference"];

/// Runs the part into a folder, with further arguments.
fn run_part(dir: &Path, output: &str, more: &[&str]) -> Run {
    let mut args = PART.to_vec();
    args.extend(["--output", output]);
    args.extend(more);
    let ran = qconform(dir, &args);
    assert_eq!(ran.code, Some(0), "{}{}", ran.stdout, ran.stderr);
    Run::open(&dir.join(output).join("run.jsonl")).unwrap()
}

/// Writes a run's stream anew.
fn store(run: Run, path: &Path) {
    let mut writer = Writer::new(fs::File::create(path).unwrap());
    for event in run.into_events() {
        writer.write(&event).unwrap();
    }
}

fn ids(run: &Run) -> BTreeSet<String> {
    run.cases.iter().map(|case| case.case.to_string()).collect()
}

#[test]
fn every_case_has_a_setup_once() {
    let dir = tempfile::tempdir().unwrap();
    let run = run_part(dir.path(), "out", &[]);
    let text = fs::read_to_string(dir.path().join("out/run.jsonl")).unwrap();
    assert_eq!(
        text.matches("{\"event\":\"setup\"").count(),
        run.cases.len()
    );
    assert!(
        run.cases
            .iter()
            .all(|case| run.setups.contains_key(&case.case))
    );
    let headers = run.setups.values().filter(|it| it.head.is_some()).count();
    assert!(headers > 10, "{headers} setups show a header");
    let recipe = dir.path().join("recipe.toml");
    for setup in run.setups.values().take(5) {
        fs::write(&recipe, &setup.recipe).unwrap();
        let folder = format!("fixture-{}", setup.case.replace('/', "-"));
        let ran = qconform(dir.path(), &["generate", "recipe.toml", "-o", &folder]);
        assert_eq!(ran.code, Some(0), "{}: {}", setup.case, ran.stderr);
    }
}

#[test]
fn reports_go_where_they_are_asked_to() {
    let dir = tempfile::tempdir().unwrap();
    let report = |text: &str| format!("--report={text}");
    let (markdown, tap) = (report("markdown=sum.md"), report("tap=all.tap"));
    let mut args = PART.to_vec();
    args.extend([
        "--format",
        "badge",
        &markdown,
        &tap,
        "--report=json=/dev/null",
    ]);
    let ran = qconform(dir.path(), &args);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert!(
        ran.stdout.starts_with("{\"schemaVersion\":1,"),
        "{}",
        ran.stdout
    );
    assert_eq!(ran.stdout.lines().count(), 1);
    assert_eq!(names(dir.path()), ["all.tap", "conformance.out", "sum.md"]);
    let again = ["report", "render", "conformance.out", "--format", "tap"];
    let rendered = qconform(dir.path(), &again).stdout;
    assert_eq!(
        fs::read_to_string(dir.path().join("all.tap")).unwrap(),
        rendered
    );
}

#[test]
fn a_run_and_its_stream_make_the_same_reports() {
    let dir = tempfile::tempdir().unwrap();
    let ran = qconform(dir.path(), &PART);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let reports = [
        ("report.html", "html"),
        ("junit.xml", "junit"),
        ("passes.txt", "passes"),
    ];
    for (file, format) in reports {
        let again = ["report", "render", "conformance.out", "--format", format];
        let written = fs::read_to_string(dir.path().join("conformance.out").join(file)).unwrap();
        assert!(written == qconform(dir.path(), &again).stdout, "{file}");
    }
}

#[rstest]
#[case(&["--format", "pdf"], "the formats are terminal, grid, html, junit")]
#[case(&["--report", "html"], "is not of the form FORMAT=PATH")]
#[case(&["--report", "html="], "is not of the form FORMAT=PATH")]
fn an_unknown_format_is_a_usage_error(#[case] args: &[&str], #[case] message: &str) {
    let mut all = vec!["report", "render", "x"];
    all.extend(args);
    let ran = qconform(Path::new("/"), &all);
    assert_eq!(ran.code, Some(2));
    assert!(ran.stderr.contains(message), "{}", ran.stderr);
}

#[test]
fn one_subject_can_be_told_alone() {
    let dir = tempfile::tempdir().unwrap();
    run_part(dir.path(), "out", &[]);
    let render = |name| qconform(dir.path(), &["report", "render", "out", "--subject", name]);
    assert_eq!(render("reference").code, Some(0));
    let other = render("nobody");
    assert_eq!(other.code, Some(4));
    assert!(
        other.stderr.contains("no subject `nobody`"),
        "{}",
        other.stderr
    );
}

#[test]
fn shards_together_are_the_run() {
    let dir = tempfile::tempdir().unwrap();
    let whole = run_part(dir.path(), "whole", &[]);
    let mut together = BTreeSet::new();
    for index in 1..=3 {
        let (name, shard) = (format!("shard-{index}"), format!("{index}/3"));
        let part = run_part(dir.path(), &name, &["--shard", &shard]);
        assert_eq!(part.header.selected, part.cases.len() as u64);
        for id in ids(&part) {
            assert!(together.insert(id.clone()), "{id} is in two shards");
        }
    }
    assert_eq!(together, ids(&whole));
    let merge = ["report", "merge", "shard-2", "shard-1/run.jsonl", "shard-3"];
    let ran = qconform(dir.path(), &merge);
    assert_eq!(ran.code, Some(0), "{}{}", ran.stdout, ran.stderr);
    let merged = Run::open(&dir.path().join("conformance.out/run.jsonl")).unwrap();
    assert_eq!((ids(&merged), merged.gap()), (ids(&whole), None));
    assert_eq!(merged.setups.len(), whole.setups.len());
    assert_eq!(merged.header.requirements, whole.header.requirements);

    let missing = qconform(
        dir.path(),
        &["report", "merge", "shard-1", "shard-3", "-o", "x"],
    );
    assert_eq!(missing.code, Some(6));
    assert!(
        missing.stderr.contains("these are missing: 2"),
        "{}",
        missing.stderr
    );
    let strange = qconform(
        dir.path(),
        &["report", "merge", "shard-1", "whole", "-o", "x"],
    );
    assert_eq!(strange.code, Some(2));
    assert!(!dir.path().join("x").exists(), "nothing is written then");
}

#[test]
fn a_merged_run_that_fails_exits_as_a_run_does() {
    let dir = tempfile::tempdir().unwrap();
    let mut part = run_part(dir.path(), "shard", &["--shard", "1/1"]);
    part.cases[0].verdict = Verdict::Fail;
    let counts = part
        .footer
        .as_mut()
        .unwrap()
        .counts
        .get_mut("reference")
        .unwrap();
    *counts.get_mut(&Verdict::Pass).unwrap() -= 1;
    counts.insert(Verdict::Fail, 1);
    store(part, &dir.path().join("failed.jsonl"));
    let ran = qconform(dir.path(), &["report", "merge", "failed.jsonl"]);
    assert_eq!(ran.code, Some(1), "{}", ran.stderr);
}

#[test]
fn the_shard_comes_from_ci() {
    let dir = tempfile::tempdir().unwrap();
    let run = |variables: &[(&str, &str)]| {
        Command::new(binary())
            .args(PART)
            .args(["--shard", "ci"])
            .envs(variables.iter().copied())
            .current_dir(dir.path())
            .output()
            .unwrap()
    };
    let gitlab = run(&[("CI_NODE_INDEX", "2"), ("CI_NODE_TOTAL", "2")]);
    assert_eq!(gitlab.status.code(), Some(0));
    let said = String::from_utf8_lossy(&gitlab.stderr).into_owned();
    assert!(said.contains("shard 2/2, as GitLab says"), "{said}");
    let status = dir.path().join("status");
    let bazel = run(&[
        ("TEST_SHARD_INDEX", "0"),
        ("TEST_TOTAL_SHARDS", "2"),
        ("TEST_SHARD_STATUS_FILE", status.to_str().unwrap()),
    ]);
    assert_eq!(bazel.status.code(), Some(0));
    assert!(
        status.is_file(),
        "Bazel is told that sharding is understood"
    );
}

#[test]
fn an_empty_shard_is_no_failure_but_an_empty_selection_is() {
    let dir = tempfile::tempdir().unwrap();
    let shard = [
        "run",
        "header/plain/raw",
        "--subject",
        "reference",
        "--shard",
        "9/9",
    ];
    assert_eq!(qconform(dir.path(), &shard).code, Some(0));
    let nothing = ["run", "header/nowhere", "--shard", "1/9"];
    assert_eq!(qconform(dir.path(), &nothing).code, Some(4));
}

#[rstest]
#[case::nothing_changed(None, false, 0, "no verdict changed")]
#[case::something_got_worse(Some(Verdict::Fail), false, 1, "newly failing: 1")]
#[case::something_is_lost(Some(Verdict::Skipped), false, 1, "no longer judged: 1")]
#[case::the_new_run_is_not_whole(None, true, 6, "the new run is not whole")]
fn two_runs_are_compared(
    #[case] verdict: Option<Verdict>,
    #[case] cut: bool,
    #[case] code: i32,
    #[case] words: &str,
) {
    let dir = tempfile::tempdir().unwrap();
    let mut run = run_part(dir.path(), "old", &[]);
    if let Some(verdict) = verdict {
        run.cases[0].verdict = verdict;
    }
    if cut {
        run.footer = None;
    }
    store(run, &dir.path().join("new.jsonl"));
    let ran = qconform(dir.path(), &["report", "diff", "old", "new.jsonl"]);
    assert_eq!(ran.code, Some(code), "{}{}", ran.stdout, ran.stderr);
    assert!(ran.stdout.contains(words), "{}", ran.stdout);
}

#[test]
fn what_got_better_is_no_failure() {
    let dir = tempfile::tempdir().unwrap();
    let mut run = run_part(dir.path(), "new", &[]);
    run.cases[0].verdict = Verdict::Fail;
    store(run, &dir.path().join("old.jsonl"));
    let ran = qconform(dir.path(), &["report", "diff", "old.jsonl", "new"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stdout);
    assert!(
        ran.stdout.contains("fixed: 1\n  fail -> pass\treference\t"),
        "{}",
        ran.stdout
    );
}

#[test]
fn the_schema_that_is_printed_is_that_of_the_docs() {
    let ran = qconform(Path::new("/"), &["report", "schema"]);
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/run.schema.json");
    if let Ok(docs) = fs::read_to_string(docs) {
        assert_eq!(ran.stdout, docs);
    }
}

/// A file system of its own, too small for the stream. Only root can have one and run cases,
/// too; others merge a run into it.
#[test]
fn a_full_disk_fails_loudly() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("small")).unwrap();
    run_part(dir.path(), "shard", &["--shard", "1/1"]);
    let (options, command) = match rustix::process::geteuid().is_root() {
        true => ("-m", "run header --subject reference"),
        false => ("-Urm", "report merge shard"),
    };
    let script = format!(
        "mount -t tmpfs -o size=64k tmpfs small && \
        {{ \"$0\" {command} -o small/out; echo \"exit $?\"; }}"
    );
    let output = Command::new("unshare")
        .args([options, "sh", "-c", &script])
        .arg(binary())
        .current_dir(dir.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    if !has("user-namespace", !said.contains("unshare failed")) {
        return;
    }
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert!(stdout.ends_with("exit 3\n"), "{stdout}{said}");
    let message = "small/out/run.jsonl: No space left on device";
    assert!(said.contains(message), "{said}");
}

/// What the GitHub action runs, with the variables that GitHub sets.
#[test]
fn the_action_leaves_a_summary_annotations_and_a_badge() {
    let dir = tempfile::tempdir().unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../ci/github/run");
    if !has("source", script.is_file()) {
        return;
    }
    let wrong = crate::SCENARIO
        .replace("level = \"label\"", "level = \"access\"")
        .split("[[expect]]")
        .next()
        .unwrap()
        .to_owned()
        + "[[expect]]\nreject = true\n";
    fs::write(dir.path().join("::error::x.toml"), wrong).unwrap();
    let output = Command::new("bash")
        .arg(&script)
        .env("QCONFORM", binary())
        .env(
            "QCONFORM_ARGUMENTS",
            "::error::x.toml\n--subject\nreference\n",
        )
        .env("QCONFORM_SHARD", "")
        .env("GITHUB_STEP_SUMMARY", dir.path().join("summary.md"))
        .env("GITHUB_OUTPUT", dir.path().join("output"))
        .env("NO_COLOR", "1")
        .current_dir(dir.path())
        .output()
        .unwrap();
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(
        output.status.code(),
        Some(1),
        "{stdout}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let stopped = stdout
        .lines()
        .next()
        .unwrap()
        .strip_prefix("::stop-commands::")
        .unwrap();
    let (subject, commands) = stdout.split_once(&format!("\n::{stopped}::\n")).unwrap();
    assert!(subject.contains("FAIL"), "{stdout}");
    assert!(
        commands.starts_with("::error title=fail reference%3A"),
        "{commands}"
    );
    assert_eq!(commands.lines().count(), 1, "{commands}");
    let read = |name: &str| fs::read_to_string(dir.path().join(name)).unwrap();
    assert!(read("summary.md").contains("does not conform"));
    assert!(read("conformance.out/badge.json").contains("\"1 failed\""));
    assert_eq!(read("output"), "exit-code=1\n");
}

/// A stream is written event by event, so a reader may look while it grows.
#[test]
fn a_stream_of_one_event_is_an_incomplete_run() {
    let dir = tempfile::tempdir().unwrap();
    let run = run_part(dir.path(), "out", &[]);
    let header = run.into_events().next().unwrap();
    assert!(matches!(header, Event::Header(_)));
    let path = dir.path().join("begun.jsonl");
    Writer::new(fs::File::create(&path).unwrap())
        .write(&header)
        .unwrap();
    let ran = qconform(dir.path(), &["report", "render", "begun.jsonl"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert!(ran.stdout.contains("incomplete run"), "{}", ran.stdout);
}
