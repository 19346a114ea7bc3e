//! The output folder of a run: `run.jsonl` as it goes, the reports at its end.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use qconform_reports::event::Event;
use qconform_reports::format::Format;
use qconform_reports::stream::{Collector, Run, Writer};

use super::Exit;
use super::error::Failure;
use super::formats::write_report;

/// The event stream; a folder that holds it was made by an earlier run.
pub(super) const STREAM: &str = "run.jsonl";

/// The reports of every run, by file name.
const REPORTS: [(&str, Format); 4] = [
    ("junit.xml", Format::Junit),
    ("report.html", Format::Html),
    ("failures.txt", Format::Failures),
    ("passes.txt", Format::Passes),
];

/// An output folder that is being written.
#[derive(Debug)]
pub(super) struct Output {
    folder: PathBuf,
    stream: Writer<File>,
    run: Collector,
}

impl Output {
    /// Makes the folder. What an earlier run left there is kept as `FOLDER.old`; any
    /// other folder that isn't empty is left alone.
    pub(super) fn create(folder: &Path) -> io::Result<Self> {
        let named = |error: io::Error| {
            io::Error::new(error.kind(), format!("{}: {error}", folder.display()))
        };
        if folder.symlink_metadata().is_ok() {
            make_way(folder).map_err(named)?;
        }
        fs::create_dir_all(folder).map_err(named)?;
        let stream = File::create_new(folder.join(STREAM)).map_err(named)?;
        Ok(Output {
            folder: folder.to_owned(),
            stream: Writer::new(stream),
            run: Collector::default(),
        })
    }

    /// Writes one event.
    pub(super) fn write(&mut self, event: Event) -> io::Result<()> {
        self.stream.write(&event).map_err(|error| {
            let path = self.folder.join(STREAM);
            io::Error::new(error.kind(), format!("{}: {error}", path.display()))
        })?;
        self.run.take(event);
        Ok(())
    }

    /// Writes every report of what stands in the stream, and gives it back.
    pub(super) fn finish(self) -> Result<Run, Failure> {
        let without_header = || Failure::new(Exit::Environment, "the run had no header");
        let run = self.run.run().ok_or_else(without_header)?;
        write_all(&self.folder, &run)?;
        Ok(run)
    }
}

/// Each report is a function of the run, so they are written at the same time.
fn write_all(folder: &Path, run: &Run) -> Result<(), Failure> {
    std::thread::scope(|scope| {
        let write = |(name, format): (&str, Format)| {
            let path = folder.join(name);
            scope.spawn(move || write_report(&path, format, run))
        };
        let writers: Vec<_> = REPORTS.into_iter().map(write).collect();
        writers.into_iter().try_for_each(|writer| {
            let written = writer.join();
            written.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    })
}

/// Moves an earlier run's folder out of the way.
fn make_way(folder: &Path) -> io::Result<()> {
    let is_run = |folder: &Path| folder.join(STREAM).is_file();
    if !is_run(folder) && (!folder.is_dir() || fs::read_dir(folder)?.next().is_some()) {
        return Err(io::Error::other(
            "is there and was not made by an earlier run",
        ));
    }
    let mut old = folder.as_os_str().to_owned();
    old.push(".old");
    let old = PathBuf::from(old);
    if old.symlink_metadata().is_ok() {
        if !is_run(&old) {
            let message = format!("{} was not made by an earlier run", old.display());
            return Err(io::Error::other(message));
        }
        fs::remove_dir_all(&old)?;
    }
    if is_run(folder) {
        fs::rename(folder, old)
    } else {
        Ok(())
    }
}
