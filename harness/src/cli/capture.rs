//! `qconform capture`.

use std::fs::{self, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use qconform_generators::capture::Data;
use qconform_reports::text::printable;

use super::error::Failure;
use super::{Exit, image, input};
use crate::capture::{self, Case, Options};
use crate::reference::format::Format;
use crate::run::repeat;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// An image, or a domain (*.xml).
    #[arg(value_name = "IMAGE or DOMAIN.xml")]
    path: PathBuf,
    /// Folder to make; it must not exist.
    #[arg(short, long, value_name = "FOLDER")]
    output: PathBuf,
    /// The image's declared format; without it, the format is probed.
    #[arg(long = "as", value_name = "FORMAT", value_parser = image::format)]
    declared: Option<Format>,
    /// What stands where guest data was [default: markers for an image, holes for a domain].
    #[arg(long, value_enum)]
    data: Option<DataArg>,
    /// Replace every name by one of the same length.
    #[arg(long)]
    anonymise: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum DataArg {
    /// The marker of the file, so that maps of the image stay the same.
    Markers,
    /// Holes, which take no room.
    Holes,
}

impl From<DataArg> for Data {
    fn from(data: DataArg) -> Self {
        match data {
            DataArg::Markers => Data::Markers,
            DataArg::Holes => Data::Holes,
        }
    }
}

pub(super) fn run(args: &Args, out: &mut dyn Write) -> Result<Exit, Failure> {
    refuse_existing(&args.output)?;
    let is_domain = image::is_domain(&args.path);
    let default = if is_domain {
        Data::Holes
    } else {
        Data::Markers
    };
    let options = Options {
        data: args.data.map_or(default, Data::from),
        anonymise: args.anonymise,
    };
    let case = if is_domain {
        if args.declared.is_some() {
            return Err(Failure::new(
                Exit::Usage,
                "a domain declares its formats itself",
            ));
        }
        capture::domain(&input::bytes(&args.path)?, options)?
    } else {
        capture::image(&args.path, args.declared, options)?
    };
    write(&case, &args.output).map_err(|error| Failure::file(&args.output, &error))?;
    report(&case, args, is_domain, out)?;
    Ok(Exit::Conforming)
}

fn refuse_existing(folder: &Path) -> Result<(), Failure> {
    if folder.symlink_metadata().is_err() {
        return Ok(());
    }
    let message = format!("{}: is there already", folder.display());
    Err(Failure::new(Exit::Environment, message).hint("name a folder that doesn't exist"))
}

/// All or nothing: the folder is made beside its place and renamed.
fn write(case: &Case, folder: &Path) -> io::Result<()> {
    let folder = std::path::absolute(folder)?;
    let parent = folder.parent().unwrap_or(Path::new("/"));
    let stage = tempfile::Builder::new()
        .prefix(".qconform-")
        .permissions(Permissions::from_mode(0o755))
        .tempdir_in(parent)?;
    fs::write(stage.path().join(&case.file_name), &case.text)?;
    // Unlike a plain rename, this leaves an empty folder alone that appeared meanwhile.
    let flags = rustix::fs::RenameFlags::NOREPLACE;
    let here = rustix::fs::CWD;
    rustix::fs::renameat_with(here, stage.path(), here, &folder, flags)?;
    // The stage has become the result, so it must not be removed.
    let _ = stage.keep();
    Ok(())
}

fn report(case: &Case, args: &Args, is_domain: bool, out: &mut dyn Write) -> io::Result<()> {
    let file = args.output.join(&case.file_name).display().to_string();
    writeln!(out, "{}", printable(&file))?;
    for note in &case.notes {
        writeln!(out, "  {}", printable(note))?;
    }
    let stands = match case.marked {
        0 => "Guest data is left out".to_owned(),
        bytes => format!("Guest data is left out; {bytes} bytes of markers stand for it"),
    };
    writeln!(
        out,
        "{stands}, and so are keys, dirty bits and machine state."
    )?;
    if !args.anonymise {
        writeln!(out, "Names are as they were; --anonymise replaces them.")?;
    }
    let word = repeat::quote_if_needed(&file);
    let next = if is_domain {
        format!("qconform run {word}")
    } else {
        format!("qconform generate {word} -o rebuilt")
    };
    writeln!(out, "next: {}", printable(&next))
}
