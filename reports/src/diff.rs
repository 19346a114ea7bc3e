//! What changed from one run to another, and for whom.

use std::collections::BTreeMap;
use std::io::{self, Write};

use qconform_scenarios::verdict::Verdict;

use crate::counts::{Group, rank};
use crate::event::CaseEvent;
use crate::stream::Run;
use crate::text;

/// How a verdict changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// It fails, or fails worse than before.
    NewlyFailing,
    /// It was judged and isn't any more: skipped, unsupported or a harness error.
    NoLongerJudged,
    /// It failed and doesn't any more.
    Fixed,
    /// Another change, such as from a pass to a lenient one.
    Other,
    /// The case was not in the old run.
    New,
    /// The case is not in the new run.
    Gone,
}

impl Kind {
    /// Every kind, worst first.
    pub const ALL: [Kind; 6] = [
        Kind::NewlyFailing,
        Kind::NoLongerJudged,
        Kind::Fixed,
        Kind::Other,
        Kind::New,
        Kind::Gone,
    ];

    /// The heading of such changes.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::NewlyFailing => "newly failing",
            Kind::NoLongerJudged => "no longer judged",
            Kind::Fixed => "fixed",
            Kind::Other => "other verdict",
            Kind::New => "new case",
            Kind::Gone => "gone",
        }
    }

    /// Whether something got worse for a subject.
    #[must_use]
    pub fn is_worse(self) -> bool {
        matches!(self, Kind::NewlyFailing | Kind::NoLongerJudged)
    }
}

/// A case whose verdict changed for a subject.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change<'run> {
    /// How.
    pub kind: Kind,
    /// For whom.
    pub subject: &'run str,
    /// Which case.
    pub case: &'run str,
    /// The verdict of the old run.
    pub old: Option<Verdict>,
    /// The verdict of the new run.
    pub new: Option<Verdict>,
    /// What the new run says, else the old one.
    pub message: &'run str,
}

type Cases<'run> = BTreeMap<(&'run str, &'run str), &'run CaseEvent>;

fn cases(run: &Run) -> Cases<'_> {
    let keyed = run
        .cases
        .iter()
        .map(|case| ((&*case.subject, &*case.case), case));
    keyed.collect()
}

/// Every change, worst kind first, then by subject and id. Subjects that only one of the
/// runs has are left out.
#[must_use]
pub fn changes<'run>(old: &'run Run, new: &'run Run) -> Vec<Change<'run>> {
    let (old_cases, new_cases) = (cases(old), cases(new));
    let has = |run: &Run, name: &str| run.header.subjects.iter().any(|s| s.name == name);
    let shared = |name: &str| has(old, name) && has(new, name);
    let mut changes = Vec::new();
    for ((subject, case), event) in &new_cases {
        let before = old_cases.get(&(*subject, *case)).map(|it| it.verdict);
        let kind = before.map_or(Some(Kind::New), |before| kind(before, event.verdict));
        if let Some(kind) = kind.filter(|_| shared(subject)) {
            changes.push(Change {
                kind,
                subject,
                case,
                old: before,
                new: Some(event.verdict),
                message: &event.message,
            });
        }
    }
    for ((subject, case), event) in &old_cases {
        if shared(subject) && !new_cases.contains_key(&(*subject, *case)) {
            changes.push(Change {
                kind: Kind::Gone,
                subject,
                case,
                old: Some(event.verdict),
                new: None,
                message: &event.message,
            });
        }
    }
    changes.sort_by_key(|change| (change.kind, change.subject, change.case));
    changes
}

/// How a verdict changed; `None` if it didn't.
fn kind(old: Verdict, new: Verdict) -> Option<Kind> {
    let unjudged = |verdict| {
        matches!(
            Group::of(verdict),
            Group::HarnessErrors | Group::Skipped | Group::Unsupported
        )
    };
    if old == new {
        None
    } else if new.is_failure() && rank(new) < rank(old) {
        Some(Kind::NewlyFailing)
    } else if unjudged(new) && !unjudged(old) {
        Some(Kind::NoLongerJudged)
    } else if old.is_failure() && !new.is_failure() {
        Some(Kind::Fixed)
    } else {
        Some(Kind::Other)
    }
}

/// Prints the changes for a person: what differs between the runs themselves, then each
/// change on a line under its kind.
///
/// # Errors
/// What `out` returns.
pub fn write(old: &Run, new: &Run, changes: &[Change<'_>], out: &mut impl Write) -> io::Result<()> {
    headers(old, new, out)?;
    for kind in Kind::ALL {
        let of_kind: Vec<_> = changes.iter().filter(|it| it.kind == kind).collect();
        if of_kind.is_empty() {
            continue;
        }
        writeln!(out, "{}: {}", kind.as_str(), of_kind.len())?;
        for change in of_kind {
            line(change, out)?;
        }
    }
    if changes.is_empty() {
        writeln!(out, "no verdict changed")?;
    }
    Ok(())
}

fn headers(old: &Run, new: &Run, out: &mut impl Write) -> io::Result<()> {
    let digest = |run: &Run| run.header.suite_digest.chars().take(12).collect::<String>();
    let pairs = [
        ("suite", old.header.suite.clone(), new.header.suite.clone()),
        ("suite sha256", digest(old), digest(new)),
        ("tool", old.header.tool.clone(), new.header.tool.clone()),
        (
            "seed",
            old.header.seed.to_string(),
            new.header.seed.to_string(),
        ),
    ];
    for (what, old, new) in pairs.iter().filter(|(_, old, new)| old != new) {
        arrow(what, Some(old), Some(new), out)?;
    }
    let version = |run: &'_ Run, name: &str| {
        let found = run.header.subjects.iter().find(|s| s.name == name);
        found.map(|subject| subject.version.clone())
    };
    let all = old.header.subjects.iter().chain(&new.header.subjects);
    let names: std::collections::BTreeSet<_> = all.map(|subject| &subject.name).collect();
    for name in names {
        let (old, new) = (version(old, name), version(new, name));
        if old != new {
            arrow(&format!("subject {name}"), old.as_ref(), new.as_ref(), out)?;
        }
    }
    Ok(())
}

fn arrow(
    what: &str,
    old: Option<&String>,
    new: Option<&String>,
    out: &mut impl Write,
) -> io::Result<()> {
    let shown = |text: Option<&String>| {
        text.map_or_else(|| "absent".to_owned(), |text| text::clipped(text, 100))
    };
    writeln!(
        out,
        "{}: {} -> {}",
        text::clipped(what, 100),
        shown(old),
        shown(new)
    )
}

fn line(change: &Change<'_>, out: &mut impl Write) -> io::Result<()> {
    let name = |verdict: Option<Verdict>| verdict.map_or("absent", Verdict::as_str);
    write!(
        out,
        "  {} -> {}\t{}\t{}",
        name(change.old),
        name(change.new),
        text::field(change.subject),
        text::field(change.case)
    )?;
    match change.message {
        "" => writeln!(out),
        message => writeln!(out, "\t{}", text::clipped(message, 300)),
    }
}
