//! Reading and writing `run.jsonl`: one event a line.

use std::io::{self, BufRead, Read as _, Write};
use std::path::PathBuf;

use serde_json::error::Category;

use crate::event::{Event, FORMAT};
use crate::json;
use crate::text;

mod intern;
mod run;

pub use run::{Collector, Run};

/// The longest line in bytes, without its newline.
pub const MAX_LINE: usize = 4 << 20;

/// Writes events, each as one line that is flushed at once: a run that is killed leaves
/// every case that ended. A case's setup goes out together with the case.
#[derive(Debug)]
pub struct Writer<W> {
    out: W,
    lines: Vec<u8>,
}

impl<W: Write> Writer<W> {
    /// A writer to `out`, which needs no buffer of its own.
    pub fn new(out: W) -> Self {
        Writer {
            out,
            lines: Vec::new(),
        }
    }

    /// Appends one event.
    ///
    /// # Errors
    /// What `out` returns, and `InvalidData` for an event that no [`Reader`] would accept
    /// because its line is longer than [`MAX_LINE`]; nothing of it is written.
    pub fn write(&mut self, event: &Event) -> io::Result<()> {
        let start = self.lines.len();
        self.append(event)
            .inspect_err(|_| self.lines.truncate(start))?;
        if matches!(event, Event::Setup(_)) {
            return Ok(());
        }
        // Taken off whether or not they arrive: part of them may have.
        let written = self.out.write_all(&self.lines);
        self.lines.clear();
        written.and_then(|()| self.out.flush())
    }

    fn append(&mut self, event: &Event) -> io::Result<()> {
        let start = self.lines.len();
        json::compact(event, &mut self.lines)?;
        if self.lines.len() - start > MAX_LINE {
            let message = format!("event is longer than {MAX_LINE} bytes");
            return Err(io::Error::new(io::ErrorKind::InvalidData, message));
        }
        self.lines.push(b'\n');
        Ok(())
    }
}

/// Why a stream was refused, with its place.
#[derive(Debug, thiserror::Error)]
#[error("{}:{line}: {fault}", text::printable(&path.to_string_lossy()))]
pub struct StreamError {
    /// The stream's file, as the caller called it.
    pub path: PathBuf,
    /// Line, counted from 1.
    pub line: u64,
    /// What is wrong there.
    #[source]
    pub fault: Fault,
}

/// What is wrong with a stream.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// The operating system refused.
    #[error("cannot be read: {0}")]
    Io(#[from] io::Error),
    /// A line longer than [`MAX_LINE`].
    #[error("line is longer than {MAX_LINE} bytes")]
    TooLong,
    /// Not JSON, or not an event.
    #[error("{}{message}", column_prefix(*column))]
    Syntax {
        /// Byte in the line, counted from 1; 0 where the line as a whole is meant.
        column: usize,
        /// What was expected there.
        message: String,
    },
    /// The stream does not begin with a header.
    #[error("the first line must be the header")]
    NoHeader,
    /// The header is of a format that this version does not know.
    #[error("format {0} is not known, only {FORMAT}")]
    Format(u32),
    /// A second header.
    #[error("a second header")]
    SecondHeader,
    /// Something follows the footer.
    #[error("nothing may follow the footer")]
    AfterFooter,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Start,
    Cases,
    Footer,
    Ended,
}

/// Events of a stream, read line by line in bounded memory. Ends after the first error.
///
/// A last line that was cut short, as a killed run leaves it, is left out: the run then
/// has no footer.
#[derive(Debug)]
pub struct Reader<R> {
    path: PathBuf,
    input: R,
    line: u64,
    state: State,
}

impl<R: BufRead> Reader<R> {
    /// A reader of `input`; `path` is used in errors.
    pub fn new(path: impl Into<PathBuf>, input: R) -> Self {
        Reader {
            path: path.into(),
            input,
            line: 0,
            state: State::Start,
        }
    }

    fn step(&mut self) -> Result<Option<Event>, Fault> {
        self.line += 1;
        let mut bytes = Vec::new();
        // One byte more than the longest line with its newline tells a longer one.
        let limit = MAX_LINE as u64 + 2;
        self.input
            .by_ref()
            .take(limit)
            .read_until(b'\n', &mut bytes)?;
        let ended = bytes.last() == Some(&b'\n');
        if ended {
            bytes.pop();
        }
        if bytes.len() > MAX_LINE {
            return Err(Fault::TooLong);
        }
        if bytes.is_empty() && !ended {
            return match self.state {
                State::Start => Err(Fault::NoHeader),
                _ => Ok(None),
            };
        }
        if self.state == State::Footer {
            return Err(Fault::AfterFooter);
        }
        // Whoever wrote a name that is not UTF-8: it is shown as far as it can be.
        match serde_json::from_str(&String::from_utf8_lossy(&bytes)) {
            Ok(event) => self.accept(event).map(Some),
            Err(error)
                if error.classify() == Category::Eof && !ended && self.state == State::Cases =>
            {
                Ok(None)
            }
            Err(error) => Err(syntax(&error)),
        }
    }

    fn accept(&mut self, event: Event) -> Result<Event, Fault> {
        self.state = match (&event, self.state) {
            (Event::Header(header), State::Start) if header.format != FORMAT => {
                return Err(Fault::Format(header.format));
            }
            (Event::Header(_), State::Start) | (Event::Case(_) | Event::Setup(_), State::Cases) => {
                State::Cases
            }
            (Event::Footer(_), State::Cases) => State::Footer,
            (Event::Header(_), _) => return Err(Fault::SecondHeader),
            _ => return Err(Fault::NoHeader),
        };
        Ok(event)
    }
}

impl<R: BufRead> Iterator for Reader<R> {
    type Item = Result<Event, StreamError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.state == State::Ended {
            return None;
        }
        let step = self.step();
        if !matches!(step, Ok(Some(_))) {
            self.state = State::Ended;
        }
        step.map_err(|fault| StreamError {
            path: self.path.clone(),
            line: self.line,
            fault,
        })
        .transpose()
    }
}

fn syntax(error: &serde_json::Error) -> Fault {
    let message = error.to_string();
    // The place within the line is a field of its own.
    let message = match message.rsplit_once(" at line ") {
        Some((message, _)) if error.line() > 0 => message,
        _ => &message,
    };
    Fault::Syntax {
        column: error.column(),
        message: text::clipped(message, 300),
    }
}

fn column_prefix(column: usize) -> String {
    match column {
        0 => String::new(),
        column => format!("column {column}: "),
    }
}
