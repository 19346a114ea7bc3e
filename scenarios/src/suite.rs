//! The suite: every scenario, requirement and baseline that ships with the tool.

use rust_embed::RustEmbed;
use sha2::{Digest, Sha256};

use crate::baseline::Baseline;
use crate::bug::Bug;
use crate::case::Case;
use crate::error::{DataError, Fault, Place};
use crate::locate;
use crate::requirement::Requirements;
use crate::scenario::{Combination, Scenario};
use crate::select::Selection;

/// Version of the suite, counted apart from the tool's.
pub const VERSION: &str = "0.2.0";

#[derive(RustEmbed)]
#[folder = "suite/"]
#[include = "*.toml"]
struct Scenarios;

#[derive(RustEmbed)]
#[folder = "baselines/"]
#[include = "*.toml"]
struct Baselines;

#[derive(RustEmbed)]
#[folder = "bugs/"]
#[include = "*.toml"]
struct Bugs;

const REQUIREMENTS: &str = include_str!("../requirements.toml");

/// Scenarios and the requirements that they cite.
#[derive(Debug, Clone)]
pub struct Suite {
    /// The scenarios, ordered by id.
    pub scenarios: Vec<Scenario>,
    /// The requirements.
    pub requirements: Requirements,
    digest: String,
}

impl Suite {
    /// The suite that ships with the tool.
    pub fn embedded() -> Result<Self, DataError> {
        Self::embedded_for(&Selection::default())
    }

    /// The same, without scenarios that can have no selected case: reading all of them takes longer
    /// than running a case.
    pub fn embedded_for(selection: &Selection) -> Result<Self, DataError> {
        let requirements = Requirements::parse("requirements.toml", REQUIREMENTS)?;
        let mut scenarios = Vec::new();
        let mut hash = new_hash();
        for name in names::<Scenarios>() {
            let (id, text) = (name.trim_end_matches(".toml"), text::<Scenarios>(&name));
            add(&mut hash, id, &text);
            if selection.may_want_below(id) {
                scenarios.push(Scenario::parse(&format!("suite/{name}"), id, &text)?);
            }
        }
        Ok(Suite {
            scenarios,
            requirements,
            digest: hex(hash),
        })
    }

    /// Bugs that happened, which cases of the embedded suite show, in the order of the files.
    pub fn bugs() -> Result<Vec<Bug>, DataError> {
        let mut bugs = Vec::new();
        for name in names::<Bugs>() {
            let file = format!("bugs/{name}");
            bugs.extend(Bug::parse_all(&file, &text::<Bugs>(&name))?);
        }
        Ok(bugs)
    }

    /// Scenario files of the user's own, as `(file name, text)`, with the requirements
    /// of the suite. A case's id begins with the file's name without its ending.
    pub fn of_files(files: &[(String, String)]) -> Result<Self, DataError> {
        let requirements = Requirements::parse("requirements.toml", REQUIREMENTS)?;
        let mut scenarios = Vec::new();
        for (file, text) in files {
            let name = file.rsplit('/').next().unwrap_or(file);
            let scenario = Scenario::parse(file, name.trim_end_matches(".toml"), text)?;
            check_citations(&scenario, &requirements, file, text)?;
            scenario.check()?;
            scenarios.push(scenario);
        }
        scenarios.sort_by(|a, b| a.id.cmp(&b.id));
        if let Some(pair) = scenarios.windows(2).find(|pair| pair[0].id == pair[1].id) {
            let message = format!("two files give cases the id `{}`", pair[0].id);
            return Err(DataError {
                place: Place {
                    file: pair[0].id.clone(),
                    position: None,
                },
                message,
            });
        }
        let mut hash = new_hash();
        for scenario in &scenarios {
            add(&mut hash, &scenario.id, scenario.text());
        }
        Ok(Suite {
            scenarios,
            requirements,
            digest: hex(hash),
        })
    }

    /// Ids of the selected cases with the place of each, in the order of a run.
    pub fn select<'a>(
        &'a self,
        selection: &'a Selection,
    ) -> impl Iterator<Item = Selected<'a>> + 'a {
        let wanted = self
            .scenarios
            .iter()
            .filter(|scenario| selection.wants_scenario(scenario));
        wanted.flat_map(move |scenario| {
            (0..scenario.combinations()).filter_map(move |number| {
                match scenario.combination(number) {
                    Combination::Case(id) if selection.wants_id(&id) => Some(Selected {
                        id,
                        scenario,
                        number,
                    }),
                    _ => None,
                }
            })
        })
    }

    /// The baseline that ships for a subject; an empty one if none does.
    pub fn baseline(subject: &str) -> Result<Baseline, DataError> {
        let name = format!("{subject}.toml");
        if Baselines::get(&name).is_none() {
            return Ok(Baseline::default());
        }
        Baseline::parse(&format!("baselines/{name}"), &text::<Baselines>(&name))
    }

    /// The files of the suite that ships with the tool, by path.
    pub fn embedded_files() -> impl Iterator<Item = (String, String)> {
        let scenarios = names::<Scenarios>().into_iter();
        let scenarios = scenarios.map(|name| (format!("suite/{name}"), text::<Scenarios>(&name)));
        let bugs = names::<Bugs>().into_iter();
        let bugs = bugs.map(|name| (format!("bugs/{name}"), text::<Bugs>(&name)));
        let requirements = ("requirements.toml".to_owned(), REQUIREMENTS.to_owned());
        std::iter::once(requirements).chain(bugs).chain(scenarios)
    }

    /// SHA-256 over the requirements and over the id and text of each scenario, in hex; of the suite
    /// that ships it covers what [`Self::embedded_for`] left out, too.
    #[must_use]
    pub fn digest(&self) -> &str {
        &self.digest
    }
}

fn new_hash() -> Sha256 {
    Sha256::new_with_prefix(REQUIREMENTS)
}

fn add(hash: &mut Sha256, id: &str, text: &str) {
    hash.update(format!("\0{id}\0{text}"));
}

fn hex(hash: Sha256) -> String {
    let bytes = hash.finalize();
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A selected case that isn't typed yet.
#[derive(Debug, Clone)]
pub struct Selected<'a> {
    /// The case's id.
    pub id: String,
    /// The scenario it comes from.
    pub scenario: &'a Scenario,
    /// The number of its combination.
    pub number: usize,
}

impl Selected<'_> {
    /// Types the case.
    pub fn case(&self) -> Result<Case, DataError> {
        self.scenario.case(self.number)
    }
}

fn check_citations(
    scenario: &Scenario,
    requirements: &Requirements,
    file: &str,
    text: &str,
) -> Result<(), DataError> {
    match scenario
        .requirements
        .iter()
        .position(|id| requirements.get(id).is_none())
    {
        None => Ok(()),
        Some(index) => {
            let message = format!("there is no requirement `{}`", scenario.requirements[index]);
            let fault = Fault::at(["requirements", &index.to_string()], message);
            Err(locate::error(file, text, fault))
        }
    }
}

fn names<E: RustEmbed>() -> Vec<String> {
    let mut names: Vec<String> = E::iter().map(std::borrow::Cow::into_owned).collect();
    names.sort_unstable();
    names
}

fn text<E: RustEmbed>(name: &str) -> String {
    E::get(name).map_or_else(String::new, |file| {
        String::from_utf8_lossy(&file.data).into_owned()
    })
}
