//! Options that select cases, shared by the commands that take them.

use std::path::PathBuf;

use clap::Args;
use qconform_scenarios::select::{Patterns, Selection};
use qconform_scenarios::suite::Suite;
use qconform_scenarios::verdict::Level;

use super::error::Failure;

/// What to select from, and what.
#[derive(Debug, Args)]
pub(super) struct SelectArgs {
    /// Ids of cases (`*` and `**` are wildcards), or scenario files of your own (*.toml).
    #[arg(value_name = "ID or FILE.toml")]
    what: Vec<String>,
    /// Take ids as they are: no wildcards, no folders.
    #[arg(long)]
    exact: bool,
    /// Only cases of this level.
    #[arg(long, value_name = "LEVEL", value_parser = level)]
    level: Vec<Level>,
    /// Only cases that test this requirement (wildcards as in ids).
    #[arg(long, value_name = "ID")]
    requirement: Vec<String>,
}

/// A suite and what is selected of it.
#[derive(Debug)]
pub(super) struct Selected {
    /// The embedded suite, or the user's own scenarios.
    pub(super) suite: Suite,
    /// Names of the user's own files.
    pub(super) own_files: Vec<String>,
    /// The selection.
    pub(super) selection: Selection,
}

fn level(text: &str) -> Result<Level, String> {
    let names: Vec<&str> = Level::ALL.iter().map(|level| level.as_str()).collect();
    Level::ALL
        .into_iter()
        .find(|level| level.as_str() == text)
        .ok_or_else(|| format!("the levels are {}", names.join(", ")))
}

impl SelectArgs {
    /// Loads the suite or the user's files, and reads the patterns.
    pub(super) fn load(&self) -> Result<Selected, Failure> {
        let (own_files, ids): (Vec<String>, Vec<String>) = self
            .what
            .iter()
            .cloned()
            .partition(|text| text.ends_with(".toml"));
        let patterns = |list: &[String]| match list {
            [] => Ok(None),
            list => Patterns::parse(list, self.exact).map(Some),
        };
        let selection = Selection {
            patterns: patterns(&ids)?,
            levels: self.level.clone(),
            requirements: patterns(&self.requirement)?,
        };
        let suite = if own_files.is_empty() {
            Suite::embedded_for(&selection)?
        } else {
            let mut files = Vec::new();
            for name in &own_files {
                let path = PathBuf::from(name);
                let text = super::input::text(&path)?;
                files.push((name.clone(), text));
            }
            Suite::of_files(&files)?
        };
        Ok(Selected {
            suite,
            own_files,
            selection,
        })
    }
}
