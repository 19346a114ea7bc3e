//! Credentials that an answer shows, and that a judgement must not repeat.

use qconform_reports::event::Difference;
use qconform_scenarios::case::Case;
use qconform_scenarios::secret::Secrets;
use qconform_scenarios::verdict::{Grade, Verdict};
use serde_json::Value;

use super::{Judgement, bystander, difference};
use crate::worker::{Observation, Stage};

/// The judgement in the light of what was shown, without the credentials in it.
///
/// A case that fails for another reason keeps it: that reason is what has to be mended first.
pub(super) fn weighed(case: &Case, observation: &Observation, judgement: Judgement) -> Judgement {
    let secrets = &case.secrets;
    if secrets.is_empty() {
        return judgement;
    }
    let failed = judgement.verdict.is_failure() || judgement.verdict == Verdict::HarnessError;
    let shown = if failed {
        Vec::new()
    } else {
        shown(secrets, observation)
    };
    let weighed = match shown.is_empty() {
        true => judgement,
        false => {
            let verdict = secrets.shown.map_or(Verdict::Fail, Verdict::from);
            Judgement::of(shown, verdict, Grade::Pass)
        }
    };
    hidden(secrets, &weighed)
}

/// Where each answer shows a credential: in whatever it consists of, facts and messages alike.
fn shown(secrets: &Secrets, observation: &Observation) -> Vec<Difference> {
    let stages = observation.stages.iter();
    stages.flat_map(|stage| in_stage(secrets, stage)).collect()
}

fn in_stage(secrets: &Secrets, stage: &Stage) -> Vec<Difference> {
    let mut places = Vec::new();
    match serde_json::to_value(&stage.answer) {
        Ok(answer) => search(secrets, "answer", &answer, &mut places),
        Err(error) => places.push(format!("answer: {error}")),
    }
    let of = |place: String| {
        let place = bystander::at(stage.step, "credentials in", &place);
        difference(place, "none", "shown")
    };
    places.into_iter().map(of).collect()
}

/// Enters the place of every text in which there is one.
fn search(secrets: &Secrets, place: &str, value: &Value, found: &mut Vec<String>) {
    match value {
        Value::String(text) => found.extend(secrets.are_in(text).then(|| place.to_owned())),
        Value::Array(values) => values
            .iter()
            .for_each(|value| search(secrets, place, value, found)),
        Value::Object(members) => members.iter().for_each(|(key, value)| {
            search(secrets, &format!("{place}.{key}"), value, found);
        }),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn hidden(secrets: &Secrets, judgement: &Judgement) -> Judgement {
    let differences = judgement.differences.iter().map(|one| Difference {
        place: secrets.hide(&one.place),
        expected: secrets.hide(&one.expected),
        observed: secrets.hide(&one.observed),
    });
    Judgement {
        verdict: judgement.verdict,
        message: secrets.hide(&judgement.message),
        differences: differences.collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{excuse, judge};
    use super::*;
    use crate::subject::protocol::Role;
    use crate::subject::{Answer, BackingFacts, Facts, HeaderFacts, Refusals};
    use qconform_scenarios::suite::Suite;
    use rstest::rstest;

    const SECRET: &str = "swordfish1";

    fn case(shown: &str, expect: &str) -> Case {
        let text = format!(
            "title = 't'\nlevel = 'header'\nrequirements = ['header.magic']\nimage = 'd'\n\
             secrets = {{ texts = ['{SECRET}'] {shown} }}\n\
             [files]\nd = {{ qcow2 = {{ backing = '{SECRET}' }} }}\n[[expect]]\n{expect}\n"
        );
        let suite = Suite::of_files(&[("t.toml".to_owned(), text)]).unwrap();
        suite.scenarios[0].case(0).unwrap()
    }

    fn seen(answer: Answer) -> Observation {
        Observation {
            before: [].into(),
            stages: vec![Stage {
                step: None,
                answer,
                after: [].into(),
                state: Vec::new(),
                touches: Vec::new(),
            }],
            head: None,
        }
    }

    fn accepted(name: &str) -> Answer {
        Answer::Accepted(Facts::Header(HeaderFacts {
            backing: Some(BackingFacts {
                name: name.to_owned(),
                format: None,
            }),
            ..HeaderFacts::default()
        }))
    }

    fn rejected(message: &str) -> Answer {
        Answer::Rejected {
            class: "c".to_owned(),
            message: message.to_owned(),
        }
    }

    #[rstest]
    #[case::hidden("", accepted("x:***"), Verdict::Pass, "")]
    #[case::a_fact(
        "",
        accepted("x:swordfish1"),
        Verdict::Fail,
        "credentials in answer.backing.name: expected none, got shown"
    )]
    #[case::a_graded_fact(
        ", shown = 'lenient'",
        accepted("swordfish1"),
        Verdict::Lenient,
        "credentials in answer.backing.name: expected none, got shown"
    )]
    #[case::a_message(
        "",
        rejected("can't open 'swordfish1'"),
        Verdict::Fail,
        "answer: expected accepted, got rejected (c: can't open '***')"
    )]
    #[case::what_is_not_supported("", Answer::Unsupported { message: SECRET.to_owned() }, Verdict::Fail,
        "credentials in answer.message: expected none, got shown")]
    #[case::a_crash("", Answer::Crashed { how: format!("panic: {SECRET}") }, Verdict::Crashed, "panic: ***")]
    #[case::a_harness_error("", Answer::Failed { message: SECRET.to_owned() }, Verdict::HarnessError, "***")]
    fn whatever_shows_a_credential_is_noticed_and_not_repeated(
        #[case] shown: &str,
        #[case] answer: Answer,
        #[case] verdict: Verdict,
        #[case] message: &str,
    ) {
        let case = case(shown, "accept = { has-backing = true }");
        let judgement = judge(&case, &seen(answer), 0);
        assert_eq!(
            (judgement.verdict, judgement.message.as_str()),
            (verdict, message)
        );
        assert!(!format!("{judgement:?}").contains(SECRET));
    }

    #[test]
    fn a_refusal_that_is_right_shows_none_either() {
        let case = case("", "reject = true");
        let judgement = judge(&case, &seen(rejected(SECRET)), 0);
        assert_eq!(judgement.verdict, Verdict::Fail);
    }

    #[test]
    fn a_refusal_by_design_is_no_excuse() {
        let case = case("", "accept = { has-backing = true }");
        let refusals = Refusals {
            role: Role::Gatekeeper,
            refuses: vec!["backing".to_owned()],
        };
        let verdict = |answer| {
            let seen = seen(answer);
            let judgement = judge(&case, &seen, 0);
            excuse(&case, &seen, &refusals, judgement).verdict
        };
        assert_eq!(verdict(rejected("backing")), Verdict::Pass);
        assert_eq!(verdict(rejected(SECRET)), Verdict::Fail);
    }
}
