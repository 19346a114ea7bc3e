//! Block nodes: what `qemu-storage-daemon` opens for a domain, and how.
//!
//! QEMU is given what the domain declares, in its own words, and answers with its own graph of
//! what it opened. What is left to detection is QEMU's to decide: no header is read here and the
//! reference's chain isn't asked, only its reader of XML. [`given`] says what is put into other
//! words and what can't be.
//!
//! The daemon runs as the root of the sandbox. Whoever starts a domain hands its files over to the
//! emulator first, and at this level nobody has: they belong to root, and a writable disk could not
//! be opened by anyone else.

use std::fs;
use std::os::unix::fs::FileTypeExt;
use std::path::Path;

use super::program::{confined, first_line, unclean};
use crate::reference::redact;
use crate::sandbox::How;
use crate::subject::{Answer, Facts, LayerFact};

mod given;
mod graph;
mod qmp;

use given::Disk;
use graph::{GraphError, Nodes};
use qmp::QmpError;

/// The program that opens the nodes.
pub(super) const DAEMON: &str = "qemu-storage-daemon";

pub(super) fn answer(xml: &str, dir: &Path) -> Result<Answer, String> {
    // Messages name files, and names carry credentials.
    let disks = match given::disks(xml) {
        Ok(disks) => disks,
        Err(error) => return Ok(unsupported(redact::line(&error.to_string()))),
    };
    if let Some(device) = disks.iter().flat_map(Disk::filenames).find(is_device) {
        let why = "is a device, which no program can open in the sandbox";
        return Ok(unsupported(format!("{device} {why}")));
    }
    let folder = disks.first().and_then(Disk::folder).unwrap_or(dir);
    let script = qmp::script(&disks).map_err(|error| error.to_string())?;
    let mut daemon = confined(DAEMON, qmp::ARGUMENTS.map(Into::into).into(), folder)?;
    daemon.stdin = script;
    daemon.labels = true;
    let finished = daemon.run().map_err(|error| error.to_string())?;
    match finished.how {
        How::Exited(0) => {}
        // Nodes are refused in words, so this is about the program itself.
        How::Exited(1) => return Err(format!("exit status 1: {}", first_line(&finished.stderr))),
        how => return Ok(unclean(how)),
    }
    let told = match qmp::told(&finished.stdout, disks.len()) {
        Ok(told) => told,
        Err(error) => return declined(error),
    };
    let nodes = Nodes::of(&told, folder);
    let layers = disks.iter().map(|disk| nodes.layers(&disk.node_name));
    facts(layers.collect())
}

/// A block or character device, whatever the domain calls it.
fn is_device(path: &&str) -> bool {
    fs::metadata(path).is_ok_and(|file| {
        let kind = file.file_type();
        kind.is_block_device() || kind.is_char_device()
    })
}

fn declined(error: QmpError) -> Result<Answer, String> {
    match error {
        QmpError::Refused { message } => Ok(Answer::Rejected {
            class: "refused".to_owned(),
            message,
        }),
        QmpError::Unanswered { .. } => Ok(unsupported(error.to_string())),
        QmpError::Unreadable { .. } => Err(error.to_string()),
    }
}

/// The layers of each disk.
fn facts(disks: Result<Vec<Vec<LayerFact>>, GraphError>) -> Result<Answer, String> {
    match disks {
        Ok(disks) => Ok(Answer::Accepted(Facts::Blockdev {
            layers: disks.concat(),
        })),
        Err(error) if error.is_untold() => Ok(unsupported(error.to_string())),
        Err(error) => Err(error.to_string()),
    }
}

fn unsupported(message: String) -> Answer {
    Answer::Unsupported { message }
}

#[cfg(test)]
mod tests;
