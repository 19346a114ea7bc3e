//! A run in one line, to be pasted into a bug report or a commit.

use crate::event::{RunFooter, RunHeader};
use crate::text::printable;

/// What ran, and how many cases of each subject ended how; a verdict that nothing got is left out.
#[must_use]
pub fn line(header: &RunHeader, footer: &RunFooter) -> String {
    let digest = header.suite_digest.get(..12);
    let digest = digest.unwrap_or(&header.suite_digest);
    let mut parts = Vec::new();
    for subject in &header.subjects {
        let counts = footer.counts.get(&subject.name);
        let mut counts: Vec<_> = counts.into_iter().flatten().collect();
        counts.sort_by_key(|(verdict, _)| **verdict);
        let given = counts.iter().filter(|(_, count)| **count > 0);
        let words: Vec<String> = given
            .map(|(verdict, count)| format!("{count} {}", verdict.as_str()))
            .collect();
        let words = if words.is_empty() {
            "nothing".to_owned()
        } else {
            words.join(", ")
        };
        parts.push(format!("{} {}: {words}", subject.name, subject.version));
    }
    let shard = header
        .shard
        .map_or_else(String::new, |shard| format!(", shard {shard}"));
    let incomplete = if footer.complete { "" } else { " (incomplete)" };
    let text = format!(
        "qconform {}, suite {} {digest}{shard}: {}{incomplete}",
        header.tool,
        header.suite,
        parts.join("; ")
    );
    printable(&text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    use crate::stream::Run;

    #[test]
    fn a_run_is_told_in_one_line() {
        let text = include_str!("../tests/data/every-verdict.jsonl");
        let run = Run::read(Path::new("run.jsonl"), text.as_bytes()).unwrap();
        let line = line(&run.header, run.footer.as_ref().unwrap());
        assert!(line.starts_with("qconform 0.1.0, suite "), "{line}");
        assert!(!line.contains('\n') && line.contains(" pass"), "{line}");
        assert!(line.contains("; "), "{line}");
    }
}
