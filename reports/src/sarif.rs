//! SARIF 2.1.0: findings that are security-relevant, for code scanning.
//!
//! A rule is a requirement whose breaking can hand a host file to a guest or touch a
//! bystander; a result is a case that breaks it. Known deviations are results that are
//! suppressed, with the baseline's reason.

use std::fmt::Write as _;
use std::io::{self, Write};

use qconform_scenarios::requirement::Requirement;
use qconform_scenarios::verdict::Verdict;
use serde_json::{Value, json};

use crate::event::{self, CaseEvent};
use crate::json;
use crate::stream::Run;
use crate::text;

/// How many characters of a text are written.
const CHARACTERS: usize = 1000;

/// Writes the log.
///
/// # Errors
/// What `out` returns.
pub fn write(run: &Run, out: &mut impl Write) -> io::Result<()> {
    json::compact(&log(run), out)?;
    writeln!(out)
}

fn log(run: &Run) -> Value {
    let rules: Vec<_> = run
        .header
        .requirements
        .iter()
        .filter(|requirement| requirement.security)
        .collect();
    let results: Vec<_> = run
        .cases
        .iter()
        .filter_map(|case| result(case, &rules))
        .collect();
    let gap = run.gap();
    let notes: Vec<_> = gap
        .iter()
        .map(|gap| json!({ "level": "error", "message": { "text": gap } }))
        .collect();
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "qconform",
                "version": text::clipped(&run.header.tool, CHARACTERS),
                "rules": rules.iter().map(|rule| self::rule(rule)).collect::<Vec<_>>(),
            }},
            "invocations": [{
                "executionSuccessful": gap.is_none(),
                "toolExecutionNotifications": notes,
            }],
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    })
}

fn rule(requirement: &Requirement) -> Value {
    json!({
        "id": text::clipped(&requirement.id, CHARACTERS),
        "shortDescription": { "text": text::clipped(&requirement.text, CHARACTERS) },
        "help": { "text": text::clipped(&requirement.source, CHARACTERS) },
        "properties": { "tags": ["security", requirement.strength.as_str()] },
    })
}

fn result(case: &CaseEvent, rules: &[&Requirement]) -> Option<Value> {
    if !case.verdict.is_failure() && case.verdict != Verdict::Known {
        return None;
    }
    let broken = |rule: &&Requirement| case.requirements.iter().any(|id| **id == *rule.id);
    let index = rules.iter().position(broken)?;
    let id = text::clipped(&case.case, CHARACTERS);
    let mut result = json!({
        "ruleId": text::clipped(&rules[index].id, CHARACTERS),
        "ruleIndex": index,
        "level": "error",
        "message": { "text": message(case) },
        "locations": [{
            "physicalLocation": { "artifactLocation": { "uri": scenario_uri(&case.case) } },
            "logicalLocations": [{ "fullyQualifiedName": id, "kind": "member" }],
        }],
        "partialFingerprints": {
            "caseAndSubject/v1": format!("{} {id}", text::clipped(&case.subject, CHARACTERS)),
        },
        "properties": {
            "verdict": case.verdict.as_str(),
            "repeat": text::printable(&case.repeat),
        },
    });
    if case.verdict == Verdict::Known {
        let reason = case.known_reason.as_deref().unwrap_or_default();
        result["suppressions"] = json!([{
            "kind": "external",
            "justification": text::clipped(reason, CHARACTERS),
        }]);
    }
    Some(result)
}

fn message(case: &CaseEvent) -> String {
    format!(
        "{}: {}: {}",
        text::clipped(&case.subject, CHARACTERS),
        text::clipped(&case.title, CHARACTERS),
        text::clipped(&case.message, CHARACTERS)
    )
}

/// The scenario's file within the suite, as a relative URI.
fn scenario_uri(id: &str) -> String {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.~/".contains(byte);
    let mut uri = String::from("scenarios/suite/");
    for byte in event::scenario(id).bytes() {
        match plain(&byte) {
            true => uri.push(char::from(byte)),
            // Writing to a string cannot fail.
            false => drop(write!(uri, "%{byte:02X}")),
        }
    }
    uri + ".toml"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_case_lies_in_its_scenarios_file_whatever_its_name() {
        assert_eq!(
            scenario_uri("label/data-file/owner/x=1,y=2"),
            "scenarios/suite/label/data-file/owner.toml"
        );
        assert_eq!(
            scenario_uri("a b%/ü<"),
            "scenarios/suite/a%20b%25/%C3%BC%3C.toml"
        );
    }
}
