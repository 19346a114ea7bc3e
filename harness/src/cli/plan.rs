//! `qconform plan`: what relabelling would do. Touches nothing.

use std::io::{self, Write};
use std::path::PathBuf;

use qconform_reports::text::printable;

use super::error::Failure;
use super::{Exit, image, input, json_line};
use crate::reference::chain;
use crate::reference::chain::policy::Follow;
use crate::reference::domain::Domain;
use crate::reference::label::{self, Config, PlanReport};
use crate::reference::report::ErrorReport;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// A domain's XML.
    #[arg(value_name = "DOMAIN.xml")]
    domain: PathBuf,
    /// User that domains run as.
    #[arg(long, value_name = "UID", default_value_t = 64_055)]
    user: u32,
    /// Group that domains run as.
    #[arg(long, value_name = "GID", default_value_t = 64_055)]
    group: u32,
    /// The domain's two SELinux categories, such as c107,c642; without them writable
    /// files have no label.
    #[arg(long, value_name = "cLOW,cHIGH", value_parser = category_pair)]
    category_pair: Option<(u32, u32)>,
    /// Change no owner.
    #[arg(long)]
    no_dynamic_ownership: bool,
    /// Remember no original state.
    #[arg(long)]
    no_remember: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

fn category_pair(text: &str) -> Result<(u32, u32), String> {
    let number = |text: &str| text.strip_prefix('c')?.parse().ok();
    text.split_once(',')
        .and_then(|(low, high)| Some((number(low)?, number(high)?)))
        .filter(|(low, high): &(u32, u32)| low != high && *low.max(high) <= 1023)
        .map(|(low, high)| (low.min(high), low.max(high)))
        .ok_or_else(|| "two different categories up to c1023, such as c107,c642".to_owned())
}

pub(super) fn run(args: &Args, out: &mut dyn Write) -> Result<Exit, Failure> {
    let config = Config {
        user: args.user,
        group: args.group,
        category_pair: args.category_pair,
        dynamic_ownership: !args.no_dynamic_ownership,
        remember: !args.no_remember,
        ..Config::default()
    };
    let report = match Domain::parse(&input::bytes(&args.domain)?) {
        Ok(domain) => match chain::resolve(&domain, &Follow) {
            Ok(chain) => PlanReport::from(&label::plan(&domain, &chain, &config)),
            Err(error) => PlanReport::refused(ErrorReport::from(&error)),
        },
        Err(error) => PlanReport::refused(ErrorReport::from(&error)),
    };
    if args.json {
        json_line(&report, out)?;
    } else {
        print(&report, out)?;
    }
    Ok(Exit::of(report.error.is_none()))
}

fn print(report: &PlanReport, out: &mut dyn Write) -> io::Result<()> {
    for file in &report.files {
        let disk = file.disk.as_deref().unwrap_or("-");
        writeln!(
            out,
            "{}  {} ({})",
            printable(disk),
            printable(&file.path),
            file.role.as_str()
        )?;
        let owner = file
            .owner
            .map_or_else(|| "untouched".to_owned(), |owner| owner.to_string());
        writeln!(out, "      owner  {owner}")?;
        let label = file.label.as_deref().unwrap_or("untouched");
        writeln!(out, "      label  {}", printable(label))?;
        let after = if file.restore {
            "original state comes back"
        } else {
            "stays as it is"
        };
        writeln!(out, "      after  {after}")?;
        writeln!(out, "      why    {}", printable(&file.reason))?;
    }
    image::print_notes(&report.violations, report.error.as_ref(), out)
}
