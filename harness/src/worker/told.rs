//! An observation as a worker tells it: of each stage only the files that changed.
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
    before: Snapshot,
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

impl From<Observation> for Told {
    fn from(seen: Observation) -> Self {
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
            before: seen.before,
            head: seen.head,
        }
    }
}

impl From<Told> for Observation {
    fn from(told: Told) -> Self {
        let mut last = told.before.clone();
        let stages = told.stages.into_iter().map(|stage| {
            apply(&mut last, stage.changes);
            Stage {
                step: stage.step,
                answer: stage.answer,
                after: last.clone(),
                state: stage.state,
                touches: stage.touches,
            }
        });
        Observation {
            stages: stages.collect(),
            before: told.before,
            head: told.head,
        }
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
        let file = ("[abc]", 0..3_u32).prop_map(|(name, uid)| (Arc::from(name), file(uid)));
        proptest::collection::btree_map(file.clone().prop_map(|(name, _)| name), file, 0..4)
            .prop_map(|files| {
                files
                    .into_iter()
                    .map(|(name, (_, state))| (name, state))
                    .collect()
            })
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
            after in proptest::collection::vec(snapshot(), 0..4),
        ) {
            let seen = observation(before, after);
            let sent = serde_json::to_vec(&Told::from(seen.clone())).unwrap();
            let told: Told = serde_json::from_slice(&sent).unwrap();
            prop_assert_eq!(Observation::from(told), seen);
        }
    }

    #[test]
    fn a_file_that_stays_is_told_once() {
        let files: Snapshot = [("a".into(), file(1)), ("b".into(), file(2))].into();
        let mut after = files.clone();
        after.insert("b".into(), file(3));
        let told = Told::from(observation(files, vec![after.clone(), after]));
        let told: Vec<Vec<&str>> = told
            .stages
            .iter()
            .map(|stage| stage.changes.keys().map(|name| &**name).collect())
            .collect();
        assert_eq!(told, [vec!["b"], vec![]]);
    }
}
