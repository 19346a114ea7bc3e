//! A whole run, read from a stream or put together event by event.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::sync::Arc;

use super::intern::Interner;
use super::{Fault, Reader, StreamError};
use crate::event::{CaseEvent, Event, RunFooter, RunHeader, Setup};
use crate::tally::Tally;

/// A whole run in memory.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    /// What ran.
    pub header: RunHeader,
    /// How each case ended, in the order of the stream.
    pub cases: Vec<CaseEvent>,
    /// What cases consist of, by id; a stream need not say it.
    pub setups: BTreeMap<Arc<str>, Setup>,
    /// The end; absent from a run that was killed.
    pub footer: Option<RunFooter>,
}

impl Run {
    /// Opens and reads the stream at `path`.
    ///
    /// # Errors
    /// [`StreamError`] for a file that cannot be read or is no stream of events.
    pub fn open(path: &Path) -> Result<Self, StreamError> {
        let file = File::open(path).map_err(|error| StreamError {
            path: path.to_owned(),
            line: 1,
            fault: Fault::Io(error),
        })?;
        Run::read(path, BufReader::new(file))
    }

    /// Reads a stream; `path` is used in errors.
    ///
    /// # Errors
    /// [`StreamError`] at the first line that does not belong in a stream.
    pub fn read(path: &Path, input: impl BufRead) -> Result<Self, StreamError> {
        let mut collector = Collector::default();
        for event in Reader::new(path, input) {
            collector.take(event?);
        }
        collector.run().ok_or_else(|| StreamError {
            path: path.to_owned(),
            line: 1,
            fault: Fault::NoHeader,
        })
    }

    /// The run that these events are of; `None` without a header.
    pub fn of_events(events: impl IntoIterator<Item = Event>) -> Option<Self> {
        let mut collector = Collector::default();
        events.into_iter().for_each(|event| collector.take(event));
        collector.run()
    }

    /// Leaves out every other subject, with what the footer says of its baseline.
    pub fn keep_subjects(&mut self, names: &[String]) {
        let keep = |name: &str| names.iter().any(|it| it == name);
        self.header.subjects.retain(|subject| keep(&subject.name));
        self.cases.retain(|case| keep(&case.subject));
        if let Some(footer) = &mut self.footer {
            footer.counts.retain(|name, _| keep(name));
            let mine = |entry: &String| {
                names
                    .iter()
                    .any(|name| entry.contains(&format!("baselines/{name}.toml:")))
            };
            footer.stale.retain(mine);
        }
    }

    /// The events of a stream that holds this run.
    pub fn into_events(self) -> impl Iterator<Item = Event> {
        let setups = self.setups.into_values();
        let setups = setups.map(|setup| Event::Setup(Box::new(setup)));
        let cases = self.cases.into_iter();
        let cases = cases.map(|case| Event::Case(Box::new(case)));
        std::iter::once(Event::Header(Box::new(self.header)))
            .chain(setups)
            .chain(cases)
            .chain(self.footer.map(Event::Footer))
    }

    /// Why the run must not be taken for a whole one; `None` if it is whole.
    #[must_use]
    pub fn gap(&self) -> Option<&'static str> {
        let Some(footer) = &self.footer else {
            return Some("it has no footer: the run was killed or is still going on");
        };
        if !footer.complete {
            return Some("it was interrupted before every case had ended");
        }
        let agrees = Tally::of(self).agrees_with(&footer.counts);
        (!agrees).then_some("its footer counts other verdicts than it holds: lines are missing")
    }
}

/// A run that is being put together.
#[derive(Debug, Default)]
pub struct Collector {
    header: Option<RunHeader>,
    cases: Vec<CaseEvent>,
    setups: BTreeMap<Arc<str>, Setup>,
    footer: Option<RunFooter>,
    interner: Interner,
}

impl Collector {
    /// Adds an event.
    pub fn take(&mut self, event: Event) {
        match event {
            Event::Header(event) => self.header = Some(*event),
            Event::Setup(event) => {
                let case = self.interner.one(&event.case);
                self.setups.insert(case, *event);
            }
            Event::Case(event) => self.cases.push(self.interner.case(*event)),
            Event::Footer(event) => self.footer = Some(event),
        }
    }

    /// The run so far; `None` without a header.
    #[must_use]
    pub fn run(self) -> Option<Run> {
        Some(Run {
            header: self.header?,
            cases: self.cases,
            setups: self.setups,
            footer: self.footer,
        })
    }
}
