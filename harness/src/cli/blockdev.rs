//! `qconform blockdev`: the block nodes that QEMU is to be given.

use std::io::{self, Write};
use std::path::PathBuf;

use qconform_reports::text::printable;

use super::error::Failure;
use super::{Exit, image, input, json_line};
use crate::reference::blockdev::{self, BlockdevReport, Graph, SecretObject};
use crate::reference::chain;
use crate::reference::chain::policy::Follow;
use crate::reference::domain::Domain;
use crate::reference::report::ErrorReport;
use crate::reference::violation::FileViolation;
use crate::run::repeat;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// A domain's XML.
    #[arg(value_name = "DOMAIN.xml")]
    domain: PathBuf,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args, out: &mut dyn Write) -> Result<Exit, Failure> {
    let report = match graph(&input::bytes(&args.domain)?) {
        Ok((graph, violations)) => BlockdevReport {
            disks: graph.disks,
            violations,
            error: None,
        },
        Err(error) => BlockdevReport {
            error: Some(error),
            ..BlockdevReport::default()
        },
    };
    if args.json {
        json_line(&report, out)?;
    } else {
        print(&report, out)?;
    }
    Ok(Exit::of(report.error.is_none()))
}

fn graph(xml: &[u8]) -> Result<(Graph, Vec<FileViolation>), ErrorReport> {
    let domain = Domain::parse(xml)?;
    let chain = chain::resolve(&domain, &Follow)?;
    Ok((blockdev::graph(&domain, &chain)?, chain.violations))
}

/// Arguments for QEMU, ready for a shell. What else there is to say goes to standard error.
fn print(report: &BlockdevReport, out: &mut dyn Write) -> io::Result<()> {
    for node in report.disks.iter().flat_map(|disk| &disk.nodes) {
        let json = ascii(&serde_json::to_string(node)?);
        writeln!(out, "-blockdev {}", repeat::quote(&json))?;
    }
    let mut notes = anstream::stderr().lock();
    for object in report.disks.iter().flat_map(|disk| &disk.secrets) {
        writeln!(notes, "needs: {}", printable(&described(object)))?;
    }
    image::print_notes(&report.violations, report.error.as_ref(), &mut notes)
}

/// A secret object and what it has to hold; its value is libvirt's to know.
fn described(object: &SecretObject) -> String {
    let secret = &object.secret;
    let quoted = |name, value: &Option<String>| {
        let value = value.as_ref()?;
        Some(format!(", {name} {value:?}"))
    };
    let names = [("uuid", &secret.uuid), ("usage", &secret.usage)];
    let names = names
        .into_iter()
        .filter_map(|(name, value)| quoted(name, value));
    format!("secret object {}{}", object.id, names.collect::<String>())
}

/// JSON with nothing in it that a terminal could take for something else.
fn ascii(json: &str) -> String {
    let mut units = [0; 2];
    let mut shown = String::with_capacity(json.len());
    for character in json.chars() {
        if (' '..='~').contains(&character) {
            shown.push(character);
            continue;
        }
        for unit in character.encode_utf16(&mut units) {
            let escape = format!("\\u{unit:04x}");
            shown.push_str(&escape);
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn json_in_ascii_means_the_same(text in any::<String>()) {
            let json = serde_json::to_string(&text).unwrap();
            let shown = ascii(&json);
            prop_assert!(shown.bytes().all(|byte| (b' '..=b'~').contains(&byte)));
            prop_assert_eq!(serde_json::from_str::<String>(&shown).unwrap(), text);
        }
    }
}
