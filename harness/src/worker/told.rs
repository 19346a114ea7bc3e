//! An observation as a worker tells it: of each stage only the files that changed, and nothing of
//! the fixture if it is the last case's.
//!
//! Most files of a fixture are the same after every step, and the state of each is as long as a
//! step's whole answer.

use std::collections::BTreeMap;
use std::sync::Arc;

use qconform_scenarios::case::Step;
use serde::{Deserialize, Serialize};

use super::{Observation, Stage};
use crate::observe::{FileState, Snapshot, Touch};
use crate::subject::Answer;

/// An [`Observation`] on its way.
#[derive(Debug, Serialize, Deserialize)]
pub struct Told {
    /// `None` for what the case before had.
    before: Option<Snapshot>,
    stages: Vec<ToldStage>,
    head: Option<String>,
}

/// A [`Stage`], with changes in the place of all files.
#[derive(Debug, Serialize, Deserialize)]
struct ToldStage {
    step: Option<Step>,
    answer: Answer,
    changes: Changes,
    state: Vec<String>,
    touches: Vec<Touch>,
}

/// Files that are new or changed; `None` for those that are gone.
type Changes = BTreeMap<Arc<str>, Option<Arc<FileState>>>;

impl Told {
    /// What to tell to somebody who knows what was seen of the last case's fixture, if he does.
    pub(super) fn of(seen: Observation, known: Option<&Snapshot>) -> Self {
        let mut stages = Vec::with_capacity(seen.stages.len());
        let mut last = &seen.before;
        for stage in &seen.stages {
            stages.push(changes(last, &stage.after));
            last = &stage.after;
        }
        let stages = stages.into_iter().zip(seen.stages);
        let stages = stages.map(|(changes, stage)| ToldStage {
            step: stage.step,
            answer: stage.answer,
            changes,
            state: stage.state,
            touches: stage.touches,
        });
        Told {
            stages: stages.collect(),
            before: Some(seen.before).filter(|before| known != Some(before)),
            head: seen.head,
        }
    }

    /// What was seen; `None` if that takes the last case's fixture and `known` isn't given.
    #[must_use]
    pub fn observation(self, known: Option<Snapshot>) -> Option<Observation> {
        let before = self.before.or(known)?;
        let mut last = before.clone();
        let stages = self.stages.into_iter().map(|stage| {
            apply(&mut last, stage.changes);
            Stage {
                step: stage.step,
                answer: stage.answer,
                after: last.clone(),
                state: stage.state,
                touches: stage.touches,
            }
        });
        Some(Observation {
            stages: stages.collect(),
            before,
            head: self.head,
        })
    }
}

fn changes(before: &Snapshot, after: &Snapshot) -> Changes {
    let gone = before.keys().filter(|name| !after.contains_key(*name));
    let other = after
        .iter()
        .filter(|(name, state)| before.get(*name) != Some(state));
    let other = other.map(|(name, state)| (Arc::clone(name), Some(Arc::clone(state))));
    gone.map(|name| (Arc::clone(name), None))
        .chain(other)
        .collect()
}

fn apply(files: &mut Snapshot, changes: Changes) {
    for (name, state) in changes {
        match state {
            Some(state) => drop(files.insert(name, state)),
            None => drop(files.remove(&name)),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use qconform_scenarios::file::Owner;

    use super::*;
    use crate::subject::Facts;

    fn file(uid: u32) -> Arc<FileState> {
        Arc::new(FileState {
            kind: "file".to_owned(),
            owner: Owner { uid, gid: 0 },
            mode: 0o600,
            size: 1,
            label: None,
            xattrs: BTreeMap::new(),
            records: Vec::new(),
            sha256: "aa".to_owned(),
        })
    }

    fn snapshot() -> impl Strategy<Value = Snapshot> {
        let name = "[abc]".prop_map(Arc::from);
        proptest::collection::btree_map(name, (0..3_u32).prop_map(file), 0..4)
    }

    fn observation(before: Snapshot, snapshots: Vec<Snapshot>) -> Observation {
        let stages = snapshots.into_iter().map(|after| Stage {
            step: Some(Step::Start),
            answer: Answer::Accepted(Facts::Done),
            after,
            state: vec!["state".to_owned()],
            touches: Vec::new(),
        });
        Observation {
            before,
            stages: stages.collect(),
            head: Some("51".to_owned()),
        }
    }

    proptest! {
        #[test]
        fn what_arrives_is_what_was_seen(
            before in snapshot(),
            known in proptest::option::of(snapshot()),
            after in proptest::collection::vec(snapshot(), 0..4),
        ) {
            let seen = observation(before, after);
            let sent = serde_json::to_vec(&Told::of(seen.clone(), known.as_ref())).unwrap();
            let told: Told = serde_json::from_slice(&sent).unwrap();
            prop_assert_eq!(told.observation(known), Some(seen));
        }
    }

    #[test]
    fn a_file_that_stays_is_told_once() {
        let files: Snapshot = [("a".into(), file(1)), ("b".into(), file(2))].into();
        let mut after = files.clone();
        after.insert("b".into(), file(3));
        let seen = observation(files.clone(), vec![after.clone(), after]);
        let told = Told::of(seen, Some(&files));
        assert_eq!(told.before, None);
        let told: Vec<Vec<&str>> = told
            .stages
            .iter()
            .map(|stage| stage.changes.keys().map(|name| &**name).collect())
            .collect();
        assert_eq!(told, [vec!["b"], vec![]]);
    }

    #[test]
    fn a_fixture_that_nobody_knows_is_no_observation() {
        let files: Snapshot = [("a".into(), file(1))].into();
        let told = Told::of(observation(files.clone(), vec![]), Some(&files));
        assert_eq!(told.observation(None), None);
    }
}
