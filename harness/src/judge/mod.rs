//! The judge: compares what was seen with what is expected. Pure; it asks nobody.

use qconform_reports::event::Difference;
use qconform_scenarios::case::{Ask, Case};
use qconform_scenarios::expect::{Allowed, Expectation, Outcome};
use qconform_scenarios::verdict::{Grade, Verdict};

use crate::subject::{Answer, Facts};
use crate::worker::{Observation, Stage};

mod access;
mod blockdev;
mod bystander;
mod design;
mod header;
mod label;
mod open;
mod read;
mod secret;
#[cfg(test)]
mod tests;
mod xml;

pub use design::excuse;

/// The judge's word with its reasons.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgement {
    /// The verdict.
    pub verdict: Verdict,
    /// Why, in one line; empty for a pass.
    pub message: String,
    /// What differs from the required outcome.
    pub differences: Vec<Difference>,
}

impl Judgement {
    fn plain(verdict: Verdict, message: impl Into<String>) -> Self {
        Judgement {
            verdict,
            message: message.into(),
            differences: Vec::new(),
        }
    }

    /// A judgement from differences; none of them is the verdict that `grade` earns.
    fn of(differences: Vec<Difference>, worst: Verdict, grade: Grade) -> Self {
        match differences.first() {
            None => Judgement::plain(grade.into(), ""),
            Some(first) => Judgement {
                verdict: worst,
                message: one_line(first),
                differences,
            },
        }
    }
}

fn one_line(difference: &Difference) -> String {
    let Difference {
        place,
        expected,
        observed,
    } = difference;
    format!("{place}: expected {expected}, got {observed}")
}

fn difference(
    place: impl Into<String>,
    expected: impl Into<String>,
    observed: impl Into<String>,
) -> Difference {
    Difference {
        place: place.into(),
        expected: expected.into(),
        observed: observed.into(),
    }
}

/// Judges an observation of a case whose fixture was written with `seed`.
#[must_use]
pub fn judge(case: &Case, observation: &Observation, seed: u64) -> Judgement {
    secret::weighed(case, observation, compared(case, observation, seed))
}

/// Judges without regard to credentials.
fn compared(case: &Case, observation: &Observation, seed: u64) -> Judgement {
    if let Some(judgement) = unanswered(observation) {
        return judgement;
    }
    let touched = bystander::touched(case, observation);
    if !touched.is_empty() {
        return Judgement::of(touched, Verdict::Fail, Grade::Pass);
    }
    if let (Expectation::Label(matrix), Ask::Label(ask)) = (&case.expectation, &case.ask) {
        return label::judge(matrix, ask, observation);
    }
    let changed = bystander::changed(observation);
    if !changed.is_empty() {
        return Judgement::of(changed, Verdict::Fail, Grade::Pass);
    }
    let Some(stage) = observation.stages.first() else {
        return Judgement::plain(Verdict::HarnessError, "nothing was observed");
    };
    match &case.expectation {
        Expectation::Header(allowed) => once(allowed, stage, header::compare),
        Expectation::Open(allowed) => open::judge(allowed, stage),
        Expectation::Read(allowed) => once(allowed, stage, |wanted, facts| {
            read::compare(wanted, facts, &case.files, seed)
        }),
        Expectation::Access(allowed) => once(allowed, stage, |wanted, facts| {
            access::compare(wanted, facts)
        }),
        Expectation::Blockdev(allowed) => once(allowed, stage, |wanted, facts| {
            blockdev::compare(wanted, facts)
        }),
        Expectation::Xml(allowed) => {
            once(allowed, stage, |wanted, facts| xml::compare(wanted, facts))
        }
        Expectation::Label(_) => Judgement::plain(Verdict::HarnessError, "a matrix without steps"),
    }
}

/// The verdict of a subject that gave no answer to compare.
fn unanswered(observation: &Observation) -> Option<Judgement> {
    observation
        .stages
        .iter()
        .find_map(|stage| match &stage.answer {
            Answer::Unsupported { message } => {
                Some(Judgement::plain(Verdict::Unsupported, message))
            }
            Answer::Crashed { how } => Some(Judgement::plain(Verdict::Crashed, how)),
            Answer::TimedOut => Some(Judgement::plain(Verdict::TimedOut, "no answer in time")),
            Answer::Failed { message } => Some(Judgement::plain(Verdict::HarnessError, message)),
            Answer::Accepted(_) | Answer::Rejected { .. } => None,
        })
}

/// What a comparison found: the differences, and the verdict they deserve.
type Compared = (Vec<Difference>, Verdict);

/// Judges a question that is answered once: the first allowed outcome without a
/// difference counts; if there is none, the required one is what was missed.
fn once<F>(
    allowed: &Allowed<F>,
    stage: &Stage,
    compare: impl Fn(&F, &Facts) -> Compared,
) -> Judgement {
    let mut missed: Option<Compared> = None;
    for graded in allowed {
        let (differences, worst) = match (&graded.wanted, &stage.answer) {
            (Outcome::Accept(wanted), Answer::Accepted(facts)) => compare(wanted, facts),
            (Outcome::Reject, Answer::Rejected { .. }) => (Vec::new(), Verdict::Fail),
            (Outcome::Accept(_), answer) => (
                vec![difference("answer", "accepted", describe(answer))],
                Verdict::Fail,
            ),
            (Outcome::Reject, answer) => (
                vec![difference("answer", "rejected", describe(answer))],
                Verdict::Fail,
            ),
        };
        if differences.is_empty() {
            return noted(graded.grade, &stage.answer);
        }
        missed.get_or_insert((differences, worst));
    }
    match missed {
        Some((differences, worst)) => Judgement::of(differences, worst, Grade::Pass),
        None => Judgement::plain(Verdict::HarnessError, "nothing is expected"),
    }
}

/// A verdict below a pass says what was seen.
fn noted(grade: Grade, answer: &Answer) -> Judgement {
    let message = if grade == Grade::Pass {
        String::new()
    } else {
        describe(answer)
    };
    Judgement::plain(grade.into(), message)
}

/// An answer in a few words.
fn describe(answer: &Answer) -> String {
    match answer {
        Answer::Accepted(_) => "accepted".to_owned(),
        Answer::Rejected { class, message } => format!("rejected ({class}: {message})"),
        Answer::Unsupported { message } => format!("unsupported ({message})"),
        Answer::Crashed { how } => format!("crashed ({how})"),
        Answer::TimedOut => "no answer in time".to_owned(),
        Answer::Failed { message } => format!("not asked ({message})"),
    }
}
