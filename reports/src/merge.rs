//! One run out of the shards that together hold it.

use std::collections::{BTreeMap, HashSet};
use std::path::PathBuf;

use crate::event::{RunFooter, RunHeader, Shard};
use crate::stream::Run;
use crate::tally::Tally;
use crate::text;

/// Why runs can't be merged.
#[derive(Debug, thiserror::Error)]
#[error("{}: {fault}", text::printable(&path.to_string_lossy()))]
pub struct MergeError {
    /// The run that doesn't fit.
    pub path: PathBuf,
    /// Why.
    pub fault: Fault,
}

/// What keeps a run from being merged with those before it.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// There is no run at all.
    #[error("there is nothing to merge")]
    Nothing,
    /// It was not run with `--shard`.
    #[error("it is not a shard")]
    NoShard,
    /// It is not whole.
    #[error("{0}")]
    Gap(&'static str),
    /// It was run with something else.
    #[error(
        "it has another {what}: {} instead of {}",
        text::printable(other),
        text::printable(first)
    )]
    Other {
        /// What differs.
        what: &'static str,
        /// The first run's.
        first: String,
        /// This one's.
        other: String,
    },
    /// Its shard was there before.
    #[error("shard {0} is there twice")]
    ShardTwice(Shard),
    /// A case was there before.
    #[error(
        "{} was put to {} before",
        text::printable(case),
        text::printable(subject)
    )]
    CaseTwice {
        /// The case.
        case: String,
        /// Whom it was put to.
        subject: String,
    },
    /// A shard is not there.
    #[error("of {total} shards, these are missing: {missing}")]
    Missing {
        /// Their numbers.
        missing: String,
        /// How many there should be.
        total: u32,
    },
}

/// Merges shards of one run, whatever their order.
///
/// # Errors
/// [`MergeError`] with the path of the first run that doesn't fit; what comes out is a
/// whole run or nothing.
pub fn merge(mut runs: Vec<(PathBuf, Run)>) -> Result<Run, MergeError> {
    let fail = |path: &PathBuf, fault| MergeError {
        path: path.clone(),
        fault,
    };
    runs.sort_by_key(|(_, run)| run.header.shard);
    let Some((first_path, first)) = runs.first() else {
        return Err(fail(&PathBuf::from("merge"), Fault::Nothing));
    };
    let first_path = first_path.clone();
    let first = first.header.clone();
    let mut shards = HashSet::new();
    let mut merged = Merged::new(&first);
    for (path, run) in runs {
        let shard = check(&first, &run).map_err(|fault| fail(&path, fault))?;
        if !shards.insert(shard.index) {
            return Err(fail(&path, Fault::ShardTwice(shard)));
        }
        merged.add(run).map_err(|fault| fail(&path, fault))?;
    }
    let total = first.shard.map_or(0, |shard| shard.total);
    let missing = missing(&shards, total);
    match missing.is_empty() {
        true => Ok(merged.finish()),
        false => Err(fail(&first_path, Fault::Missing { missing, total })),
    }
}

/// Numbers of shards that aren't there; the first few are enough to tell.
fn missing(shards: &HashSet<u32>, total: u32) -> String {
    let missing = (1..=total).filter(|index| !shards.contains(index));
    let mut words: Vec<_> = missing.take(11).map(|index| index.to_string()).collect();
    if words.len() > 10 {
        words[10] = "...".to_owned();
    }
    words.join(", ")
}

/// That a run is a whole shard of the same run as the first.
fn check(first: &RunHeader, run: &Run) -> Result<Shard, Fault> {
    let header = &run.header;
    let shard = header.shard.ok_or(Fault::NoShard)?;
    if let Some(gap) = run.gap() {
        return Err(Fault::Gap(gap));
    }
    let subjects = |header: &RunHeader| {
        let names = header.subjects.iter();
        let names: Vec<_> = names.map(|s| format!("{} {}", s.name, s.version)).collect();
        names.join(", ")
    };
    let total = |header: &RunHeader| header.shard.map_or(0, |it| it.total).to_string();
    let same = [
        (
            "version of the tool",
            first.tool.clone(),
            header.tool.clone(),
        ),
        ("suite", first.suite.clone(), header.suite.clone()),
        (
            "suite digest",
            first.suite_digest.clone(),
            header.suite_digest.clone(),
        ),
        ("seed", first.seed.to_string(), header.seed.to_string()),
        ("set of subjects", subjects(first), subjects(header)),
        ("number of shards", total(first), total(header)),
    ];
    for (what, first, other) in same {
        if first != other {
            return Err(Fault::Other { what, first, other });
        }
    }
    Ok(shard)
}

/// What was merged so far.
struct Merged {
    run: Run,
    seen: HashSet<(std::sync::Arc<str>, std::sync::Arc<str>)>,
    /// Whether some shard saw a baseline entry's deviation, by what to say if none did.
    baseline: BTreeMap<String, bool>,
    stale: Vec<String>,
    millis: u64,
}

impl Merged {
    fn new(first: &RunHeader) -> Self {
        let mut header = first.clone();
        header.shard = None;
        header.selected = 0;
        header.requirements.clear();
        Merged {
            run: Run {
                header,
                cases: Vec::new(),
                setups: BTreeMap::new(),
                footer: None,
            },
            seen: HashSet::new(),
            baseline: BTreeMap::new(),
            stale: Vec::new(),
            millis: 0,
        }
    }

    fn add(&mut self, run: Run) -> Result<(), Fault> {
        for case in &run.cases {
            if !self.seen.insert((case.case.clone(), case.subject.clone())) {
                return Err(Fault::CaseTwice {
                    case: case.case.to_string(),
                    subject: case.subject.to_string(),
                });
            }
        }
        let header = &mut self.run.header;
        header.selected += run.header.selected;
        if run.header.started < header.started {
            header.started = run.header.started;
        }
        for requirement in run.header.requirements {
            if !header.requirements.contains(&requirement) {
                header.requirements.push(requirement);
            }
        }
        self.run.cases.extend(run.cases);
        self.run.setups.extend(run.setups);
        if let Some(footer) = run.footer {
            self.stale.extend(footer.stale);
            for entry in footer.baseline {
                *self.baseline.entry(entry.stale).or_default() |= entry.seen;
            }
            // Shards run side by side.
            self.millis = self.millis.max(footer.millis);
        }
        Ok(())
    }

    fn finish(mut self) -> Run {
        let unseen = self.baseline.into_iter().filter(|(_, seen)| !seen);
        self.stale.extend(unseen.map(|(stale, _)| stale));
        self.run.header.requirements.sort_by(|a, b| a.id.cmp(&b.id));
        let tally = Tally::of(&self.run);
        let counts = tally.subjects.iter().map(|subject| {
            let counts = subject.counts.iter().collect();
            (subject.name.to_owned(), counts)
        });
        let counts = counts.collect();
        self.run.footer = Some(RunFooter {
            complete: true,
            counts,
            stale: self.stale,
            baseline: Vec::new(),
            millis: self.millis,
        });
        self.run
    }
}
