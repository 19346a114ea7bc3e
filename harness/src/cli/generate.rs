//! `qconform generate`.

use std::io::Write;
use std::path::PathBuf;

use qconform_generators::fixture;
use qconform_generators::manifest::{Difference, Manifest, ManifestError};
use qconform_generators::recipe::Recipe;
use qconform_reports::text;

use super::Exit;
use super::error::Failure;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The recipe, a TOML file.
    #[arg(required_unless_present = "verify", conflicts_with = "verify")]
    recipe: Option<PathBuf>,
    /// Folder to write; it must not exist, or be empty.
    #[arg(short, long, value_name = "FOLDER", required_unless_present = "verify")]
    output: Option<PathBuf>,
    /// Seed of the markers, instead of the recipe's.
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Check the files of a folder against its manifest instead.
    #[arg(long, value_name = "FOLDER", conflicts_with_all = ["output", "seed"])]
    verify: Option<PathBuf>,
}

pub(super) fn run(args: &Args, out: &mut dyn Write) -> Result<Exit, Failure> {
    if let Some(folder) = &args.verify {
        return verify(folder, out);
    }
    let (Some(path), Some(folder)) = (&args.recipe, &args.output) else {
        return Err(Failure::new(Exit::Usage, "give a recipe and a folder"));
    };
    let source = super::input::text(path)?;
    let mut recipe: Recipe = toml::from_str(&source).map_err(|error| {
        let line = error
            .span()
            .map(|span| source[..span.start].matches('\n').count() + 1);
        let place = line.map_or_else(String::new, |line| format!(":{line}"));
        Failure::new(
            Exit::Usage,
            format!("{}{place}: {}", path.display(), error.message()),
        )
    })?;
    recipe.seed = args.seed.unwrap_or(recipe.seed);
    let manifest = fixture::write_staged(&recipe, folder)?;
    write!(out, "{manifest}")?;
    Ok(Exit::Conforming)
}

fn named(difference: &Difference) -> String {
    match difference {
        Difference::Missing(name) => format!("missing: {name}"),
        Difference::Changed(name) => format!("changed: {name}"),
        Difference::Extra(name) => format!("extra: {name}"),
    }
}

fn verify(folder: &std::path::Path, out: &mut dyn Write) -> Result<Exit, Failure> {
    let fail = |error: ManifestError| Failure::new(Exit::Environment, error.to_string());
    let differences = Manifest::load(folder)
        .and_then(|m| m.verify(folder))
        .map_err(fail)?;
    for difference in &differences {
        writeln!(out, "{}", text::printable(&named(difference)))?;
    }
    Ok(if differences.is_empty() {
        Exit::Conforming
    } else {
        Exit::NotConforming
    })
}
