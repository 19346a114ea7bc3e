//! The adapters of the guide work as they stand there.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use qconform_scenarios::verdict::Verdict;
use rstest::rstest;

use crate::needs;
use crate::run::{check, run};

const GUIDE: &str = include_str!("../../../docs/adapters.md");
/// What "under 100 lines" means.
const LINES: usize = 100;

/// The block of the guide that begins with this line.
fn block(first: &str) -> &'static str {
    let start = GUIDE.find(first).unwrap() + first.len();
    let rest = &GUIDE[start..];
    &rest[..rest.find("\n```\n").unwrap() + 1]
}

/// Compiles with the machine's own compiler, which need not be there.
fn compile(text: &str, to: &Path) -> Result<(), String> {
    let source = to.with_extension("rs");
    std::fs::write(&source, text).unwrap();
    let mut rustc = Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
    rustc.args(["--edition", "2024", "-O", "-D", "warnings", "-o"]);
    let output = rustc.arg(to).arg(&source).output();
    let output = output.map_err(|error| format!("rustc: {error}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    // A compiler that is there takes what the guide has.
    assert!(output.status.success() || !said.contains("error"), "{said}");
    match output.status.success() {
        true => Ok(()),
        false => Err(format!("rustc: {said}")),
    }
}

#[rstest]
#[case::shell("```bash\n", &[])]
#[case::python("```python\n", &["header/data-file/**", "header/backing/**"])]
#[case::rust("```rust\n", &["header/data-file/**"])]
fn an_adapter_of_the_guide_answers_without_breaking_the_protocol(
    #[case] first: &str,
    #[case] right: &[&str],
) {
    let text = block(first);
    assert!(text.lines().count() < LINES);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("adapter");
    if first.contains("rust") {
        let missing = compile(text, &path).err();
        if let Some(reason) = needs::or_skip("rustc", missing) {
            println!("skipped: {reason}");
            return;
        }
    } else {
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
    }
    let path = path.to_str().unwrap();
    let checked = check(path);
    assert_eq!(
        checked.count("FAIL") + checked.count("warn"),
        0,
        "{}",
        checked.text
    );
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
