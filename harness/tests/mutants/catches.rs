//! Tells by which cases a mutant is caught.

use qconform_reports::event::CaseEvent;

/// Prints how many cases catch a mutant, and the one with the shortest id in the first scenario
/// that is said to.
pub(crate) fn tell(name: &str, cases: &[CaseEvent], scenario: &str) {
    let caught: Vec<_> = cases
        .iter()
        .filter(|case| case.verdict.is_failure())
        .collect();
    let examples = caught.iter().filter(|case| case.case.starts_with(scenario));
    let example = examples.min_by_key(|case| (case.case.len(), &case.case));
    let example = example.map_or_else(String::new, |case| {
        format!(", such as {}: {}", case.case, case.message)
    });
    let (number, asked) = (caught.len(), cases.len());
    println!("{name}: {number} of {asked} cases{example}");
}
