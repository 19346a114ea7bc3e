//! Proves an adapter before it is used: a talk about a few images, and about lines that a broken
//! harness would send, with what an author needs to mend what is wrong.

mod expect;
mod ground;
mod questions;
mod script;
mod talk;

use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{Adapter, Launch};
use talk::Talk;

/// How much of a line is kept, in bytes.
const KEPT: usize = 4 << 10;

/// What became of one thing that was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// As the protocol says.
    Ok,
    /// Not what the protocol recommends; no case is lost by it.
    Warning,
    /// Not as the protocol says.
    Failed,
}

/// One thing that was asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// What it is about.
    pub check: String,
    /// What became of it.
    pub outcome: Outcome,
    /// The line that was sent.
    pub asked: String,
    /// The line that came back, or why none did.
    pub came: String,
    /// What is expected.
    pub expected: String,
    /// How what came back differs from that; empty if it doesn't.
    pub problem: String,
    /// Where the protocol says so.
    pub see: String,
    /// How long the answer took.
    pub micros: u64,
}

/// Checks an adapter in the worker that this process is. The last line says where it was given up,
/// if it was.
///
/// # Errors
///
/// Those of the file system while the images are written.
pub fn check(launch: Launch, fixture: &Path) -> io::Result<Vec<Line>> {
    ground::write(fixture)?;
    let one_shot = launch.one_shot.clone();
    let mut talk = Talk::new(Adapter::new(launch), fixture)?;
    // What ends a talk early stands in its last line.
    let _given_up = match one_shot {
        Some(one_shot) => script::of_commands(&mut talk, &one_shot),
        None => script::of_protocol(&mut talk),
    };
    Ok(talk.lines)
}

/// A line of a talk as text that fits into a report.
fn shown(bytes: &[u8]) -> String {
    match bytes.get(..KEPT) {
        Some(start) if bytes.len() > KEPT => {
            format!(
                "{}... ({} bytes)",
                String::from_utf8_lossy(start),
                bytes.len()
            )
        }
        _ => String::from_utf8_lossy(bytes).into_owned(),
    }
}
