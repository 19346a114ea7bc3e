//! JUnit XML, as Jenkins, GitLab and GitHub actions read it.
//!
//! A suite for each subject and level. What is not JUnit's to say stands in the suite's
//! properties. An incomplete run and a stale baseline become test cases of a suite named
//! `run`, so that they cannot be taken for success.

use std::io::Write;
use std::time::Duration;

use qconform_scenarios::verdict::{Level, Verdict};
use quick_junit::{
    NonSuccessKind, Property, Report, SerializeError, TestCase, TestCaseStatus, TestSuite,
};

use crate::event::{self, CaseEvent};
use crate::stream::Run;
use crate::tally::{SubjectTally, Tally};
use crate::text;
use crate::trouble;

/// How many characters of a value are written.
const CHARACTERS: usize = 4000;

mod root;

use root::WithoutSkipped;

/// Writes the report.
///
/// # Errors
/// What `out` returns, wrapped by the XML writer.
pub fn write(run: &Run, out: &mut impl Write) -> Result<(), SerializeError> {
    report(run).serialize(WithoutSkipped::new(out))
}

fn report(run: &Run) -> Report {
    let mut report = Report::new("qconform");
    report.time = run.footer.as_ref().map(|f| Duration::from_millis(f.millis));
    for subject in &Tally::of(run).subjects {
        for level in subject.levels.keys() {
            report.add_test_suite(suite(run, subject, *level));
        }
    }
    let trouble = trouble(run);
    if trouble.tests > 0 {
        report.add_test_suite(trouble);
    }
    report
}

fn suite(run: &Run, subject: &SubjectTally<'_>, level: Level) -> TestSuite {
    let name = format!("{}/{}", text::printable(subject.name), level.as_str());
    let mut suite = TestSuite::new(name);
    suite.timestamp = run.header.started.parse().ok();
    let properties = [
        ("seed", run.header.seed.to_string()),
        ("suite", run.header.suite.clone()),
        ("suite-digest", run.header.suite_digest.clone()),
        ("tool", run.header.tool.clone()),
        ("subject-version", subject.version.to_owned()),
    ];
    for (name, value) in properties {
        suite.add_property(Property::new(name, text::printable(&value).as_ref()));
    }
    let mut micros = 0u64;
    let mine = |case: &&CaseEvent| *case.subject == *subject.name && case.level == level;
    for case in run.cases.iter().filter(mine) {
        micros = micros.saturating_add(case.micros);
        suite.add_test_case(test_case(case));
    }
    suite.set_time(Duration::from_micros(micros));
    suite
}

fn test_case(case: &CaseEvent) -> TestCase {
    let (folder, name) = split_id(&case.case);
    let mut test = TestCase::new(text::printable(name).as_ref(), status(case));
    // Viewers tell test cases apart by class name and name only, and take dots for
    // packages.
    let class = format!("{}.{}", case.subject, folder.replace('/', "."));
    test.set_classname(text::printable(class.trim_end_matches('.')).as_ref());
    test.set_time(Duration::from_micros(case.micros));
    if matches!(case.verdict, Verdict::Lenient | Verdict::Info) {
        // A success has no message of its own.
        let verdict = case.verdict.as_str();
        let message = text::printable(&case.message);
        test.set_system_out(format!("{verdict}: {message}\n{}", description(case)));
    }
    test
}

/// The folder of a case's scenario, and the scenario's own name with the axes.
fn split_id(id: &str) -> (&str, &str) {
    match event::scenario(id).rfind('/') {
        Some(slash) => (&id[..slash], &id[slash + 1..]),
        None => ("", id),
    }
}

fn status(case: &CaseEvent) -> TestCaseStatus {
    let mut status = match case.verdict {
        Verdict::Pass | Verdict::Lenient | Verdict::Info => return TestCaseStatus::success(),
        Verdict::Known | Verdict::Skipped | Verdict::Unsupported => TestCaseStatus::skipped(),
        Verdict::HarnessError => TestCaseStatus::non_success(NonSuccessKind::Error),
        Verdict::Fail
        | Verdict::WrongData
        | Verdict::Crashed
        | Verdict::TimedOut
        | Verdict::Fixed => TestCaseStatus::non_success(NonSuccessKind::Failure),
    };
    status.set_type(case.verdict.as_str());
    let reason = match (case.verdict, &case.known_reason) {
        (Verdict::Known, Some(reason)) => reason,
        _ => &case.message,
    };
    status.set_message(text::printable(reason).as_ref());
    status.set_description(description(case));
    status
}

fn description(case: &CaseEvent) -> String {
    let mut lines = vec![
        text::printable(&case.title).into_owned(),
        format!(
            "requirements: {}",
            text::printable(&text::joined(&case.requirements))
        ),
    ];
    for difference in &case.differences {
        lines.push(format!("{}:", text::printable(&difference.place)));
        lines.push(format!(
            "  expected  {}",
            text::value(&difference.expected, CHARACTERS)
        ));
        lines.push(format!(
            "  observed  {}",
            text::value(&difference.observed, CHARACTERS)
        ));
    }
    lines.push(format!("repeat: {}", text::printable(&case.repeat)));
    lines.join("\n")
}

/// What is wrong with the run as a whole.
fn trouble(run: &Run) -> TestSuite {
    let mut suite = TestSuite::new("run");
    for trouble in trouble::of(run) {
        let kind = match trouble.kind {
            "incomplete" => NonSuccessKind::Error,
            _ => NonSuccessKind::Failure,
        };
        let mut status = TestCaseStatus::non_success(kind);
        status
            .set_type(trouble.kind)
            .set_message(trouble.message.as_ref());
        let mut test = TestCase::new(trouble.name, status);
        test.set_classname("run");
        suite.add_test_case(test);
    }
    suite
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(
        "label/data-file/follows-image/disk=rw,raw=on",
        "label/data-file",
        "follows-image/disk=rw,raw=on"
    )]
    #[case("access/chain", "access", "chain")]
    #[case("access/chain/depth=2", "access", "chain/depth=2")]
    #[case("alone", "", "alone")]
    #[case("alone/x=1", "", "alone/x=1")]
    #[case("", "", "")]
    #[case("a//b=", "a", "/b=")]
    fn an_id_is_parted_into_the_scenarios_folder_and_its_name(
        #[case] id: &str,
        #[case] folder: &str,
        #[case] name: &str,
    ) {
        assert_eq!(split_id(id), (folder, name));
    }
}
