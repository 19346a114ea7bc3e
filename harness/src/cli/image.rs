//! `qconform inspect` and `qconform chain`: what the reference system makes of a file.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use qconform_reports::text::printable;

use super::error::Failure;
use super::{Exit, input, json_line};
use crate::reference::chain::policy::{Follow, Literal};
use crate::reference::chain::{self, ChainReport};
use crate::reference::domain::{Document, Domain, Form};
use crate::reference::format::Format;
use crate::reference::inspection::Inspection;
use crate::reference::redact;
use crate::reference::report::ErrorReport;

#[derive(Debug, clap::Args)]
pub(super) struct InspectArgs {
    /// Images.
    #[arg(required = true, value_name = "IMAGE")]
    images: Vec<PathBuf>,
    /// The declared format; without it, the format is probed.
    #[arg(long = "as", value_name = "FORMAT", value_parser = format)]
    declared: Option<Format>,
    /// Print JSON, one object a line.
    #[arg(long)]
    json: bool,
    /// Also fail on a violation that QEMU tolerates.
    #[arg(long)]
    strict: bool,
}

#[derive(Debug, clap::Args)]
pub(super) struct ChainArgs {
    /// An image, or a domain (*.xml).
    #[arg(value_name = "IMAGE or DOMAIN.xml")]
    path: PathBuf,
    /// The image's declared format; without it, the format is probed.
    #[arg(long = "as", value_name = "FORMAT", value_parser = format)]
    declared: Option<Format>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    /// Print the domain's XML instead: `runtime` with every data file and backing image that
    /// headers name, `persistent` without what was only detected.
    #[arg(long, value_name = "FORM", conflicts_with_all = ["json", "declared"])]
    xml: Option<XmlForm>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum XmlForm {
    Runtime,
    Persistent,
}

impl From<XmlForm> for Form {
    fn from(form: XmlForm) -> Self {
        match form {
            XmlForm::Runtime => Form::Runtime,
            XmlForm::Persistent => Form::Persistent,
        }
    }
}

pub(super) fn format(text: &str) -> Result<Format, String> {
    Format::parse(text).ok_or_else(|| "no format of this name is known".to_owned())
}

/// Inspects each image. One that can't be read doesn't keep the others from it.
pub(super) fn inspect(args: &InspectArgs, out: &mut dyn Write) -> Result<Exit, Failure> {
    let mut exit = Exit::Conforming;
    for path in &args.images {
        let inspection = match Inspection::of(path, args.declared) {
            Ok(inspection) => Inspection {
                path: redact::path(path),
                ..inspection
            },
            Err(error) => {
                let failure = Failure::new(Exit::Environment, error.to_string());
                failure.print(&mut anstream::stderr().lock())?;
                exit = Exit::Environment;
                continue;
            }
        };
        let bad = !inspection.accepted || args.strict && !inspection.violations.is_empty();
        if bad && exit == Exit::Conforming {
            exit = Exit::NotConforming;
        }
        if args.json {
            json_line(&inspection, out)?;
        } else {
            print_inspection(&inspection, out)?;
        }
    }
    Ok(exit)
}

fn print_inspection(inspection: &Inspection, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "{}", printable(&inspection.path))?;
    for (name, value) in lines(inspection) {
        writeln!(out, "  {name:<16}{}", printable(&value))?;
    }
    Ok(())
}

/// What is worth a line for a person; `--json` has everything.
fn lines(inspection: &Inspection) -> Vec<(&'static str, String)> {
    let mut lines = Vec::new();
    if let Some(error) = &inspection.error {
        let at = format!("{} at byte {}", error.class, error.offset);
        lines.push(("rejected", format!("{at}: {}", error.message)));
    }
    if let Some(format) = inspection.format {
        let version = inspection.version;
        let version = version.map_or_else(String::new, |version| format!(" version {version}"));
        lines.push(("format", format!("{format}{version}")));
    }
    if let Some(size) = inspection.virtual_size {
        lines.push(("virtual size", format!("{size} bytes")));
    }
    if let Some(bits) = inspection.cluster_bits {
        lines.push(("cluster size", format!("{} bytes", 1_u64 << bits)));
    }
    lines.extend(feature_lines(inspection));
    lines.extend(name_lines(inspection));
    if let Some(snapshots) = inspection.snapshots.as_ref().filter(|some| some.count > 0) {
        lines.push(("snapshots", snapshots.count.to_string()));
    }
    if let Some(bitmaps) = &inspection.bitmaps {
        lines.push(("bitmaps", bitmaps.count.to_string()));
    }
    for violation in &inspection.violations {
        let at = format!("{} at byte {}", violation.requirement, violation.offset);
        lines.push(("violation", format!("{at}: {}", violation.message)));
    }
    lines
}

fn feature_lines(inspection: &Inspection) -> Vec<(&'static str, String)> {
    let features = [
        ("incompatible", &inspection.incompatible),
        ("compatible", &inspection.compatible),
        ("autoclear", &inspection.autoclear),
    ];
    let mut lines = Vec::new();
    for (name, bits) in features {
        if let Some(bits) = bits.as_ref().filter(|bits| !bits.is_empty()) {
            lines.push((name, bits.join(", ")));
        }
    }
    // What nearly every image has needs no line.
    for (name, value, usual) in [
        ("compression", inspection.compression, "deflate"),
        ("encryption", inspection.encryption, "none"),
    ] {
        if let Some(value) = value.filter(|value| *value != usual) {
            lines.push((name, value.to_owned()));
        }
    }
    lines
}

fn name_lines(inspection: &Inspection) -> Vec<(&'static str, String)> {
    let mut lines = Vec::new();
    if let Some(backing) = &inspection.backing {
        let format = backing.format.as_deref().unwrap_or("undeclared");
        let name = &backing.name.name;
        lines.push(("backing file", format!("{name} (format {format})")));
    }
    if let Some(data_file) = &inspection.data_file {
        let name = data_file.name.as_deref().unwrap_or("not named");
        let raw = if data_file.raw { " (raw)" } else { "" };
        lines.push(("data file", format!("{name}{raw}")));
    }
    lines
}

pub(super) fn chain(args: &ChainArgs, out: &mut dyn Write) -> Result<Exit, Failure> {
    if let Some(form) = args.xml {
        return xml(&args.path, form.into(), out);
    }
    let report = if is_domain(&args.path) {
        match Domain::parse(&input::bytes(&args.path)?) {
            Ok(domain) => ChainReport::from(&chain::resolve(&domain, &Follow)),
            Err(error) => ChainReport::refused(ErrorReport::from(&error)),
        }
    } else {
        readable(&args.path)?;
        let chain = chain::resolve_image(&args.path, args.declared, &Literal);
        ChainReport::from(&chain)
    };
    if args.json {
        json_line(&report, out)?;
    } else {
        print_chain(&report, out)?;
    }
    Ok(Exit::of(report.error.is_none()))
}

/// Prints a domain with what its chain's headers name; what is odd goes to standard error.
fn xml(path: &Path, form: Form, out: &mut dyn Write) -> Result<Exit, Failure> {
    let complete = |xml: &[u8]| -> Result<_, ErrorReport> {
        let mut document = Document::parse(xml)?;
        let chain = chain::resolve(&document.domain()?, &Follow)?;
        document.add_detected(&chain)?;
        Ok((document, chain.violations))
    };
    match complete(&input::bytes(path)?) {
        Ok((document, violations)) => {
            out.write_all(document.write(form).as_bytes())?;
            print_notes(&violations, None, &mut anstream::stderr().lock())?;
            Ok(Exit::Conforming)
        }
        Err(error) => {
            print_notes(&[], Some(&error), &mut anstream::stderr().lock())?;
            Ok(Exit::NotConforming)
        }
    }
}

/// Whether a file is to be read as domain XML.
pub(super) fn is_domain(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "xml")
}

/// An image that can't be read at all is no finding about its chain.
fn readable(path: &Path) -> Result<(), Failure> {
    match crate::reference::file::open_image(path) {
        Ok(_) => Ok(()),
        Err(error) => Err(Failure::new(Exit::Environment, error.to_string())),
    }
}

fn print_chain(report: &ChainReport, out: &mut dyn Write) -> io::Result<()> {
    for file in &report.files {
        let disk = file.disk.as_deref().unwrap_or("-");
        let indent = "  ".repeat(file.depth as usize);
        writeln!(
            out,
            "{:<4} {indent}{:<18} {}  {:<6} {:<9} {}",
            printable(disk),
            file.role.as_str(),
            file.access.as_str(),
            file.format.as_str(),
            file.source.as_str(),
            printable(&file.path),
        )?;
        if let Some(name) = &file.overridden {
            writeln!(
                out,
                "     {indent}  instead of {} in the header",
                printable(&name.name)
            )?;
        }
    }
    for remote in &report.remote {
        let disk = remote.disk.as_deref().unwrap_or("-");
        writeln!(
            out,
            "{:<4} {}{:<18} {}  {:<6} {:<9} not on this host ({})",
            printable(disk),
            "  ".repeat(remote.depth as usize),
            remote.role.as_str(),
            remote.access.as_str(),
            remote.format.as_str(),
            remote.source.as_str(),
            printable(&remote.protocol),
        )?;
    }
    print_notes(&report.violations, report.error.as_ref(), out)
}

/// Violations and the error, as `chain` and `plan` print them.
pub(super) fn print_notes(
    violations: &[crate::reference::violation::FileViolation],
    error: Option<&ErrorReport>,
    out: &mut dyn Write,
) -> io::Result<()> {
    for violation in violations {
        let place = format!("{}: {}", violation.path, violation.message);
        writeln!(
            out,
            "violation: {} ({})",
            printable(&place),
            violation.requirement
        )?;
    }
    let Some(error) = error else { return Ok(()) };
    let path = error
        .path
        .as_deref()
        .map_or_else(String::new, |path| format!("{path}: "));
    let text = format!("{path}{}", error.message);
    writeln!(out, "refused: {} ({})", printable(&text), error.class)
}
