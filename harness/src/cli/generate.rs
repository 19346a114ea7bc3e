//! `qconform generate`.

use std::io::Write;
use std::path::{Path, PathBuf};

use qconform_generators::corpus::{self, Entry, IMAGE};
use qconform_generators::fixture::{self, Existing};
use qconform_generators::manifest::{Difference, Manifest, ManifestError};
use qconform_generators::pack::{self, Annotations};
use qconform_generators::recipe::Recipe;
use qconform_reports::text::printable;

use super::Exit;
use super::error::Failure;
use crate::reference::format::Format;
use crate::reference::inspection::Inspection;

/// How the name of an archive ends; any other target of `--pack` is a folder.
const ARCHIVE: &str = ".tar.zst";

#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("what").required(true))]
pub(super) struct Args {
    /// The recipe, a TOML file.
    #[arg(group = "what")]
    recipe: Option<PathBuf>,
    /// An entry of the corpus instead of a recipe.
    #[arg(long, value_name = "ID", group = "what")]
    entry: Option<String>,
    /// List the entries of the corpus.
    #[arg(long, group = "what")]
    entries: bool,
    /// Write the whole corpus: a new folder, or an archive if the name ends in .tar.zst.
    #[arg(long, value_name = "TARGET", group = "what")]
    pack: Option<PathBuf>,
    /// Check the files of a folder against its manifest.
    #[arg(long, value_name = "FOLDER", group = "what")]
    verify: Option<PathBuf>,
    /// Folder to write; it must not exist, or be empty.
    #[arg(short, long, value_name = "FOLDER", conflicts_with_all = ["over", "pack", "verify", "entries"])]
    output: Option<PathBuf>,
    /// Write beside the files of a folder that the recipe calls `given`, which stay as they are.
    #[arg(long, value_name = "FOLDER", conflicts_with_all = ["pack", "verify", "entries"])]
    over: Option<PathBuf>,
    /// With --over, replace other files of the same names.
    #[arg(long, requires = "over")]
    replace: bool,
    /// Seed of the markers, instead of the recipe's.
    #[arg(long, value_name = "N", conflicts_with_all = ["verify", "entries"])]
    seed: Option<u64>,
}

pub(super) fn run(args: &Args, out: &mut dyn Write) -> Result<Exit, Failure> {
    if let Some(folder) = &args.verify {
        return verify(folder, out);
    }
    if args.entries {
        for entry in corpus::entries() {
            writeln!(out, "{}  {}", entry.id, entry.title)?;
        }
        return Ok(Exit::Conforming);
    }
    if let Some(target) = &args.pack {
        return write_pack(target, args.seed, out);
    }
    let mut recipe = recipe(args)?;
    recipe.seed = args.seed.unwrap_or(recipe.seed);
    let manifest = match (&args.output, &args.over) {
        (Some(folder), None) => fixture::write_staged(&recipe, folder)?,
        (None, Some(folder)) => {
            let existing = if args.replace {
                Existing::Replace
            } else {
                Existing::Keep
            };
            fixture::write_over(&recipe, folder, existing)?
        }
        _ => {
            let failure = Failure::new(Exit::Usage, "nowhere to write");
            return Err(failure.hint("give a new folder with --output, or one in use with --over"));
        }
    };
    for line in String::from_utf8_lossy(&manifest.to_bytes()).lines() {
        writeln!(out, "{}", printable(line))?;
    }
    Ok(Exit::Conforming)
}

/// The recipe of a file, or of an entry of the corpus.
fn recipe(args: &Args) -> Result<Recipe, Failure> {
    if let Some(id) = &args.entry {
        let entry = corpus::entries().find(|entry| entry.id == *id);
        let entry = entry.ok_or_else(|| {
            Failure::new(Exit::Usage, format!("the corpus has no entry {id:?}"))
                .hint("`qconform generate --entries` lists them")
        })?;
        return Ok(entry.recipe);
    }
    let path = args.recipe.as_deref().unwrap_or(Path::new(""));
    let source = super::input::text(path)?;
    toml::from_str(&source).map_err(|error| {
        let line = error
            .span()
            .map(|span| source[..span.start].matches('\n').count() + 1);
        let place = line.map_or_else(String::new, |line| format!(":{line}"));
        Failure::new(
            Exit::Usage,
            format!("{}{place}: {}", path.display(), error.message()),
        )
    })
}

fn write_pack(target: &Path, seed: Option<u64>, out: &mut dyn Write) -> Result<Exit, Failure> {
    let entries = corpus::entries().map(|mut entry| {
        entry.recipe.seed = seed.unwrap_or(entry.recipe.seed);
        entry
    });
    let is_archive = target.to_string_lossy().ends_with(ARCHIVE);
    let manifest = if is_archive {
        pack::write_archive(entries, &mut annotations, target)?
    } else {
        pack::write(entries, &mut annotations, target)?
    };
    let files = manifest.names().count();
    writeln!(
        out,
        "{files} files in {}",
        printable(&target.to_string_lossy())
    )?;
    Ok(Exit::Conforming)
}

/// What the reference makes of an entry's image: the facts that a reader has to see if it accepts
/// it, or why it has to refuse it.
fn annotations(_: &Entry, folder: &Path) -> Annotations {
    let mut annotations = Annotations::new();
    let Ok(inspection) = Inspection::of(&folder.join(IMAGE), Some(Format::Qcow2)) else {
        return annotations;
    };
    let violated = inspection.violations.iter();
    let mut ids: Vec<_> = violated.map(|violation| violation.requirement).collect();
    ids.sort_unstable();
    ids.dedup();
    annotations.insert("requirements".to_owned(), ids.into());
    if let Ok(serde_json::Value::Object(mut facts)) = serde_json::to_value(&inspection) {
        // Where the pack was written is nobody's business.
        facts.remove("path");
        annotations.insert("inspect".to_owned(), facts.into());
    }
    annotations
}

fn named(difference: &Difference) -> String {
    match difference {
        Difference::Missing(name) => format!("missing: {name}"),
        Difference::Changed(name) => format!("changed: {name}"),
        Difference::Extra(name) => format!("extra: {name}"),
    }
}

fn verify(folder: &Path, out: &mut dyn Write) -> Result<Exit, Failure> {
    let fail = |error: ManifestError| Failure::new(Exit::Environment, error.to_string());
    let differences = Manifest::load(folder)
        .and_then(|m| m.verify(folder))
        .map_err(fail)?;
    for difference in &differences {
        writeln!(out, "{}", printable(&named(difference)))?;
    }
    Ok(Exit::of(differences.is_empty()))
}
