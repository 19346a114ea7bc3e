//! The adapters of the guide work as they stand there.

use std::os::unix::fs::PermissionsExt;

use qconform_scenarios::verdict::Verdict;
use rstest::rstest;

use crate::run::run;

const GUIDE: &str = include_str!("../../../docs/adapters.md");
/// What "under 100 lines" means.
const LINES: usize = 100;

/// The block of the guide that begins with this line.
fn block(first: &str) -> &'static str {
    let start = GUIDE.find(first).unwrap() + first.len();
    let rest = &GUIDE[start..];
    &rest[..rest.find("\n```\n").unwrap() + 1]
}

#[rstest]
#[case::shell("```bash\n", &[])]
#[case::python("```python\n", &["header/data-file/**", "header/backing/**"])]
fn an_adapter_of_the_guide_answers_without_breaking_the_protocol(
    #[case] first: &str,
    #[case] right: &[&str],
) {
    let text = block(first);
    assert!(text.lines().count() < LINES);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("adapter");
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
    let path = path.to_str().unwrap();
    let all = run(path, &["header/**"]);
    assert!(all.cases.len() > 500, "{}", all.text);
    let broken = [Verdict::Crashed, Verdict::TimedOut, Verdict::HarnessError];
    for case in &all.cases {
        assert!(!broken.contains(&case.verdict), "{case:?}");
    }
    let passed = all
        .cases
        .iter()
        .filter(|case| case.verdict == Verdict::Pass);
    assert!(passed.count() > all.cases.len() / 2, "{}", all.text);
    if !right.is_empty() {
        let finished = run(path, right);
        let failed = finished
            .cases
            .iter()
            .filter(|case| case.verdict.is_failure());
        let failed: Vec<_> = failed.map(|case| (&case.case, &case.message)).collect();
        assert!(failed.is_empty(), "{failed:?}");
    }
}
