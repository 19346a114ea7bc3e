//! Matrices with one cell, one row or one refusal changed.

use qconform::observe::FileState;
use qconform::subject::Answer;
use qconform::worker::Observation;
use qconform_scenarios::case::{Ask, Case, LabelConfig, Step};
use qconform_scenarios::expect::{
    Cell, Graded, LabelWanted, Matrix, OwnerWanted, Refusal, StateWanted,
};
use qconform_scenarios::file::Owner;
use qconform_scenarios::verdict::Grade;

const OWNERS: [OwnerWanted; 4] = [
    OwnerWanted::Original,
    OwnerWanted::Vm,
    OwnerWanted::Kept,
    OwnerWanted::Is(Owner { uid: 0, gid: 0 }),
];
const LABELS: [LabelWanted; 6] = [
    LabelWanted::Original,
    LabelWanted::Kept,
    LabelWanted::Rw,
    LabelWanted::SecondRw,
    LabelWanted::Shared,
    LabelWanted::Ro,
];

/// Every plausible mistake that what was seen contradicts.
pub(super) fn wrong(right: &Matrix, case: &Case, seen: &Observation) -> Vec<(String, Matrix)> {
    let Ask::Label(ask) = &case.ask else {
        return Vec::new();
    };
    let first = seen.stages.first().map(|stage| &stage.answer);
    if matches!(first, Some(Answer::Rejected { .. })) {
        let never = Matrix {
            refuse: Refusal::Never,
            ..right.clone()
        };
        return vec![("not refused".to_owned(), never)];
    }
    let must = Matrix {
        refuse: Refusal::Must,
        ..right.clone()
    };
    let mut all = vec![("refused".to_owned(), must)];
    for (index, ask) in ask.steps.iter().enumerate().skip(1) {
        all.push((format!("{index}: refused"), refused(right, ask.step)));
    }
    let steps: Vec<Step> = ask.steps.iter().map(|ask| ask.step).collect();
    for row in 0..right.rows.len() {
        all.extend(dropped(right, row, seen));
        for (index, step) in steps.iter().enumerate() {
            let Some(states) = States::of(right, row, index, seen) else {
                continue;
            };
            for (what, state) in states.contradicted(right, row, *step, &ask.config) {
                let place = format!("{} {} {what}", right.rows[row].file, step.as_str());
                all.push((place, with(right, row, *step, state)));
            }
        }
    }
    all
}

/// A later step that is refused instead of done, or done instead of refused.
fn refused(right: &Matrix, step: Step) -> Matrix {
    let mut wrong = right.clone();
    match wrong.refused.iter().position(|other| *other == step) {
        Some(index) => drop(wrong.refused.remove(index)),
        None => wrong.refused.push(step),
    }
    wrong
}

/// Without its row a file must stay as it was, so a file that didn't may not lose it.
fn dropped(right: &Matrix, row: usize, seen: &Observation) -> Option<(String, Matrix)> {
    let file = &right.rows[row].file;
    let state = |state: &FileState| (state.owner, state.label.clone());
    let before = state(&seen.before[file.as_str()]);
    let mut stages = seen.stages.iter();
    stages.find(|stage| state(&stage.after[file.as_str()]) != before)?;
    let mut wrong = right.clone();
    wrong.rows.remove(row);
    Some((format!("{file} without a row"), wrong))
}

fn with(right: &Matrix, row: usize, step: Step, wanted: StateWanted) -> Matrix {
    let mut wrong = right.clone();
    let grade = Grade::Pass;
    let cell = Cell(vec![Graded { grade, wanted }]);
    wrong.rows[row].cells.insert(step, cell);
    wrong
}

/// A file before the first step, after the last one, and after this one.
struct States<'a> {
    before: &'a FileState,
    previous: &'a FileState,
    after: &'a FileState,
}

impl<'a> States<'a> {
    fn of(right: &Matrix, row: usize, step: usize, seen: &'a Observation) -> Option<Self> {
        let file = &right.rows[row].file;
        let before = seen.before.get(file.as_str())?;
        let previous = match step {
            0 => before,
            _ => seen.stages.get(step - 1)?.after.get(file.as_str())?,
        };
        let after = seen.stages.get(step)?.after.get(file.as_str())?;
        Some(States {
            before,
            previous,
            after,
        })
    }

    /// States that differ from what was seen in the owner or in the label alone.
    fn contradicted(
        &self,
        right: &Matrix,
        row: usize,
        step: Step,
        config: &LabelConfig,
    ) -> Vec<(String, StateWanted)> {
        let required = &right.rows[row].cells[&step].0[0].wanted;
        let resolved = |owner: &OwnerWanted| {
            owner.resolve(self.before.owner, self.previous.owner, config.user)
        };
        let labelled = |label: &LabelWanted| {
            let (original, kept) = (&self.before.label, &self.previous.label);
            label.resolve(original.as_deref(), kept.as_deref(), config.category_pair)
        };
        let owners = OWNERS.into_iter();
        let owners = owners.filter(|owner| resolved(owner) != self.after.owner);
        let owners = owners.map(|owner| {
            let label = required.label.clone();
            (format!("owner {owner}"), StateWanted { owner, label })
        });
        let labels = LABELS.into_iter();
        let labels = labels.filter(|label| labelled(label) != self.after.label);
        let labels = labels.map(|label| {
            let owner = required.owner.clone();
            (format!("label {label}"), StateWanted { owner, label })
        });
        owners.chain(labels).collect()
    }
}
