//! What cases beside each other have in common: their files, which are then typed and written down
//! once.

use std::sync::Arc;

use qconform_scenarios::case::Case;
use qconform_scenarios::error::DataError;
use qconform_scenarios::file::CaseFiles;
use qconform_scenarios::scenario::Scenario;
use qconform_scenarios::suite::Selected;

use super::words;

/// The files of the last case.
#[derive(Debug)]
struct Files<'a> {
    scenario: &'a Scenario,
    key: String,
    files: Arc<CaseFiles>,
    recipe: Option<String>,
}

/// Types one case after the other.
#[derive(Debug, Default)]
pub(super) struct Common<'a> {
    last: Option<Files<'a>>,
}

impl<'a> Common<'a> {
    /// Types a case.
    pub(super) fn case(&mut self, selected: &Selected<'a>) -> Result<Case, DataError> {
        let (scenario, number) = (selected.scenario, selected.number);
        let key = scenario.fixture_key(number);
        let is_same = |last: &&Files<'_>| std::ptr::eq(last.scenario, scenario) && last.key == key;
        if let Some(last) = self.last.as_ref().filter(is_same) {
            return scenario.case_with(number, Some(Arc::clone(&last.files)));
        }
        let case = scenario.case(number)?;
        self.last = Some(Files {
            scenario,
            key,
            files: Arc::clone(&case.files),
            recipe: None,
        });
        Ok(case)
    }

    /// The recipe of the case that was typed last.
    pub(super) fn recipe(&mut self, seed: u64) -> &str {
        self.last.as_mut().map_or("", |last| {
            last.recipe
                .get_or_insert_with(|| words::recipe(&last.files, seed))
        })
    }
}
