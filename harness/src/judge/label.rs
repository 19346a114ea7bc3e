//! Compares owners and labels, step by step, with a matrix.

use qconform_reports::event::Difference;
use qconform_scenarios::case::{LabelAsk, LabelConfig, Step};
use qconform_scenarios::expect::{Cell, Matrix, OwnerWanted, Refusal, StateWanted};
use qconform_scenarios::file::Owner;
use qconform_scenarios::verdict::{Grade, Verdict};

use super::{Judgement, bystander, describe, difference, xml};
use crate::observe::{FileState, Snapshot};
use crate::subject::Answer;
use crate::worker::{Observation, Stage};

pub(super) fn judge(matrix: &Matrix, ask: &LabelAsk, observation: &Observation) -> Judgement {
    let Some(first) = observation.stages.first() else {
        return Judgement::plain(Verdict::HarnessError, "nothing was observed");
    };
    let refused = matches!(first.answer, Answer::Rejected { .. });
    match (matrix.refuse, refused) {
        (Refusal::Never, true) | (Refusal::Must, false) => {
            let expected = if refused { "accepted" } else { "rejected" };
            let step = ask.steps.first();
            let step = step.map_or("first step", |ask| ask.step.as_str());
            let differences = vec![difference(step, expected, describe(&first.answer))];
            Judgement::of(differences, Verdict::Fail, Grade::Pass)
        }
        (Refusal::May | Refusal::Must, true) => {
            Judgement::of(bystander::changed(observation), Verdict::Fail, Grade::Pass)
        }
        (Refusal::Never | Refusal::May, false) => run_through(matrix, ask, observation),
    }
}

/// Judges every step: first that it was done at all, then each file, then the records.
fn run_through(matrix: &Matrix, ask: &LabelAsk, observation: &Observation) -> Judgement {
    let mut differences = Vec::new();
    let mut grade = Grade::Pass;
    let mut previous = &observation.before;
    for (asked, stage) in ask.steps.iter().zip(&observation.stages) {
        let step = asked.step;
        let refused = matches!(stage.answer, Answer::Rejected { .. });
        if refused != matrix.refused.contains(&step) {
            let expected = if refused { "accepted" } else { "rejected" };
            differences.push(difference(step.as_str(), expected, describe(&stage.answer)));
        }
        let seen = Seen {
            before: &observation.before,
            previous,
            config: &ask.config,
            transient: match leaves_running(step) {
                true => xml::transient_images(&asked.xml),
                false => Vec::new(),
            },
        };
        let (found, worst) = seen.step(matrix, step, stage);
        differences.extend(found);
        grade = lower(grade, worst);
        previous = &stage.after;
    }
    if let Some(step) = ask
        .steps
        .get(observation.stages.len())
        .filter(|_| differences.is_empty())
    {
        let message = format!("{} was not observed", step.step.as_str());
        return Judgement::plain(Verdict::HarnessError, message);
    }
    differences.extend(left_records(observation, ask));
    Judgement::of(differences, Verdict::Fail, grade)
}

/// Whether a step that is done leaves a domain with all its disks behind.
fn leaves_running(step: Step) -> bool {
    !matches!(
        step,
        Step::Stop | Step::Save | Step::FailStart | Step::Detach | Step::FailAttach
    )
}

fn lower(a: Grade, b: Grade) -> Grade {
    let rank = |grade| match grade {
        Grade::Pass => 0,
        Grade::Info => 1,
        Grade::Lenient => 2,
    };
    if rank(b) > rank(a) { b } else { a }
}

/// After the last stop no record is left, neither at a file nor in the state folder.
fn left_records(observation: &Observation, ask: &LabelAsk) -> Vec<Difference> {
    let (Some(last), Some(step)) = (observation.stages.last(), ask.steps.last()) else {
        return Vec::new();
    };
    if !ask.ends_idle() {
        return Vec::new();
    }
    let at = |name: &str| bystander::at(Some(step.step), name, "records");
    let mut found = Vec::new();
    for (name, before, after) in bystander::both(&observation.before, &last.after) {
        // What a file's owner may have put there is nobody else's to remove.
        let foreign = |record: &str| {
            record.starts_with("user.") && before.records.iter().any(|other| other == record)
        };
        let left: Vec<_> = after.records.iter().filter(|it| !foreign(it)).collect();
        if let Some(first) = left.first() {
            found.push(difference(at(name), "none", first.as_str()));
        }
        let mut kept = before.records.iter().filter(|it| foreign(it));
        if let Some(gone) = kept.find(|it| !after.records.contains(it)) {
            found.push(difference(at(name), gone.as_str(), "gone"));
        }
    }
    if !last.state.is_empty() {
        found.push(difference(at("state folder"), "none", last.state.join(" ")));
    }
    found
}

/// The states that a cell's words refer to.
struct Seen<'a> {
    before: &'a Snapshot,
    previous: &'a Snapshot,
    config: &'a LabelConfig,
    /// Images of transient disks, each of which may have an overlay.
    transient: Vec<String>,
}

impl Seen<'_> {
    fn step(&self, matrix: &Matrix, step: Step, stage: &Stage) -> (Vec<Difference>, Grade) {
        let may_be_new = |name: &str| bystander::is_overlay(name, &self.transient);
        let mut differences =
            bystander::appeared_or_gone(Some(step), self.before, &stage.after, may_be_new);
        let mut worst = Grade::Pass;
        for (name, before, after) in bystander::both(self.before, &stage.after) {
            differences.extend(bystander::content(Some(step), name, before, after));
            let row = matrix.rows.iter().find(|row| row.file == name);
            match row.and_then(|row| row.cells.get(&step)) {
                Some(cell) => match self.cell(cell, step, name, before, after) {
                    Ok(grade) => worst = lower(worst, grade),
                    Err(found) => differences.extend(found),
                },
                None => {
                    let found = bystander::owner_and_label(Some(step), name, before, after);
                    differences.extend(found);
                }
            }
        }
        (differences, worst)
    }

    /// The grade of the first allowed state, or how the file differs from the required one.
    fn cell(
        &self,
        cell: &Cell,
        step: Step,
        name: &str,
        before: &FileState,
        after: &FileState,
    ) -> Result<Grade, Vec<Difference>> {
        let previous = self.previous.get(name).map_or(before, |state| &**state);
        let mut required = None;
        for graded in &cell.0 {
            let found = self.compare(&graded.wanted, step, name, (before, previous, after));
            if found.is_empty() {
                return Ok(graded.grade);
            }
            required.get_or_insert(found);
        }
        Err(required.unwrap_or_default())
    }

    fn compare(
        &self,
        wanted: &StateWanted,
        step: Step,
        name: &str,
        (before, previous, after): (&FileState, &FileState, &FileState),
    ) -> Vec<Difference> {
        let owner = wanted
            .owner
            .resolve(before.owner, previous.owner, self.config.user);
        let label = wanted.label.resolve(
            before.label.as_deref(),
            previous.label.as_deref(),
            self.config.category_pair,
        );
        let mut found = Vec::new();
        if after.owner != owner {
            let place = bystander::at(Some(step), name, "owner");
            let expected = format!("{owner}{}", meaning_of_owner(&wanted.owner));
            found.push(difference(
                place,
                expected,
                self.name_owner(after.owner, before),
            ));
        }
        if after.label != label {
            let place = bystander::at(Some(step), name, "label");
            let observed = bystander::shown(after.label.as_deref());
            found.push(difference(
                place,
                bystander::shown(label.as_deref()),
                observed,
            ));
        }
        found
    }

    /// An owner with the word for it, where there is one.
    fn name_owner(&self, owner: Owner, before: &FileState) -> String {
        let word = if owner == before.owner {
            " (original)"
        } else if owner == self.config.user {
            " (vm)"
        } else {
            ""
        };
        format!("{owner}{word}")
    }
}

fn meaning_of_owner(wanted: &OwnerWanted) -> &'static str {
    match wanted {
        OwnerWanted::Original => " (original)",
        OwnerWanted::Kept => " (kept)",
        OwnerWanted::Vm => " (vm)",
        OwnerWanted::Is(_) => "",
    }
}
