//! Options that say in which formats a run is told, and where to.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use qconform_reports::format::Format;
use qconform_reports::stream::Run;
use qconform_reports::terminal;
use tempfile::NamedTempFile;

use super::error::Failure;

/// How a run is told.
#[derive(Debug, Args)]
pub(super) struct FormatArgs {
    /// Format of what is printed: terminal, grid, html, junit, tap, json, markdown, github, badge,
    /// sarif, findings, failures or passes.
    #[arg(long, value_name = "FORMAT", default_value = "terminal", value_parser = format)]
    pub(super) format: Format,
    /// Write a report to a file, too; repeatable.
    #[arg(long = "report", value_name = "FORMAT=PATH", value_parser = report)]
    reports: Vec<(Format, PathBuf)>,
    /// Print every failure in full, and a line for each other case.
    #[arg(short, long)]
    verbose: bool,
}

fn format(name: &str) -> Result<Format, String> {
    let names: Vec<_> = Format::ALL.iter().map(|format| format.as_str()).collect();
    Format::parse(name).ok_or_else(|| format!("the formats are {}", names.join(", ")))
}

fn report(text: &str) -> Result<(Format, PathBuf), String> {
    match text.split_once('=') {
        Some((name, path)) if !path.is_empty() => Ok((format(name)?, PathBuf::from(path))),
        _ => Err("is not of the form FORMAT=PATH".to_owned()),
    }
}

impl FormatArgs {
    /// Writes the files, then prints.
    pub(super) fn tell(&self, run: &Run, out: &mut dyn Write) -> Result<(), Failure> {
        for (format, path) in &self.reports {
            write_report(path, *format, run)?;
        }
        Ok(self.format.write(run, self.options(), &mut &mut *out)?)
    }

    fn options(&self) -> terminal::Options {
        let width = std::env::var("COLUMNS")
            .ok()
            .and_then(|text| text.parse().ok());
        terminal::Options {
            color: anstream::AutoStream::choice(&io::stdout()) != anstream::ColorChoice::Never,
            width: width.unwrap_or(100),
            verbose: self.verbose,
        }
    }
}

/// How a file looks that is meant for a terminal.
const PLAIN: terminal::Options = terminal::Options {
    color: false,
    verbose: false,
    width: 100,
};

/// Writes a run to a file.
pub(super) fn write_report(path: &Path, format: Format, run: &Run) -> Result<(), Failure> {
    write_file(path, |mut out| format.write(run, PLAIN, &mut out))
}

/// Writes a file so that no half of it is seen: beside its name first, then renamed. What is
/// there and isn't a regular file, such as a pipe, is written to.
pub(super) fn write_file(
    path: &Path,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<(), Failure> {
    let is_special = fs::metadata(path).is_ok_and(|metadata| !metadata.is_file());
    let result = match is_special {
        true => File::options()
            .write(true)
            .open(path)
            .and_then(|file| buffered(file, write).map(drop)),
        false => stage(path, write),
    };
    result.map_err(|error| Failure::file(path, &error))
}

fn stage(path: &Path, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    let folder = match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    let file = tempfile::Builder::new()
        .permissions(readable())
        .tempfile_in(folder)?;
    let file: NamedTempFile = buffered(file, write)?;
    file.persist(path)?;
    Ok(())
}

fn buffered<W: Write>(
    file: W,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> io::Result<W> {
    let mut out = BufWriter::new(file);
    write(&mut out)?;
    out.into_inner().map_err(io::IntoInnerError::into_error)
}

/// Reports are read by others, in CI above all; the umask still applies.
fn readable() -> fs::Permissions {
    std::os::unix::fs::PermissionsExt::from_mode(0o666)
}
