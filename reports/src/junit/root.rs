//! The root element as the schema of Jenkins has it.

use std::io::{self, Write};

/// The attribute that the XML writer puts on the root and that the schema doesn't know.
const BEGIN: &[u8] = b" skipped=\"";

/// Leaves the count of skipped tests out of the root element; suites keep theirs.
#[derive(Debug)]
pub(super) struct WithoutSkipped<W> {
    out: W,
    /// What was written so far, until the root element is through.
    held: Option<Vec<u8>>,
}

impl<W: Write> WithoutSkipped<W> {
    pub(super) fn new(out: W) -> Self {
        WithoutSkipped {
            out,
            held: Some(Vec::new()),
        }
    }
}

impl<W: Write> Write for WithoutSkipped<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Some(mut held) = self.held.take() else {
            return self.out.write(bytes);
        };
        held.extend_from_slice(bytes);
        // The first `>` ends the XML declaration, the second the root's tag.
        if held.iter().filter(|byte| **byte == b'>').count() < 2 {
            self.held = Some(held);
            return Ok(bytes.len());
        }
        let begin = held
            .windows(BEGIN.len())
            .position(|window| window == BEGIN)
            .unwrap_or(held.len());
        let value = held.get(begin + BEGIN.len()..).unwrap_or_default();
        let length = value.iter().position(|byte| *byte == b'"');
        let end = length.map_or(held.len(), |length| begin + BEGIN.len() + length + 1);
        self.out.write_all(&held[..begin])?;
        self.out.write_all(&held[end..])?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
