//! Failures as a person sees them: one line, and what to do about it.

use std::io::{self, Write};
use std::path::Path;

use qconform_generators::fixture::FixtureError;
use qconform_generators::pack::PackError;
use qconform_reports::text;
use qconform_scenarios::error::DataError;
use qconform_scenarios::select::PatternError;

use super::Exit;
use crate::capture::CaptureError;
use crate::reference::redact;
use crate::run::RunError;
use crate::sandbox::SandboxError;
use crate::subject;
use crate::subject::adapter::command::CommandError;
use crate::subject::adapter::find::FindError;
use crate::subject::adapter::install::InstallError;

/// Why a command ends early.
#[derive(Debug)]
pub(super) struct Failure {
    /// The exit code.
    pub(super) exit: Exit,
    message: String,
    hint: Option<String>,
    broken_pipe: bool,
}

impl Failure {
    /// A failure with a message, a lowercase fragment.
    pub(super) fn new(exit: Exit, message: impl Into<String>) -> Self {
        Failure {
            exit,
            message: message.into(),
            hint: None,
            broken_pipe: false,
        }
    }

    /// The same, with something to try.
    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// A file that can't be read or written.
    pub(super) fn file(path: &Path, error: &io::Error) -> Self {
        Failure::new(Exit::Environment, format!("{}: {error}", path.display()))
    }

    /// Whether whoever reads the output has gone.
    pub(super) fn is_broken_pipe(&self) -> bool {
        self.broken_pipe
    }

    /// Prints the failure.
    pub(super) fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        let message = redact::line(&self.message);
        writeln!(out, "qconform: {}", text::printable(&message))?;
        match &self.hint {
            Some(hint) => writeln!(out, "  hint: {}", text::printable(hint)),
            None => Ok(()),
        }
    }
}

impl From<FindError> for Failure {
    fn from(error: FindError) -> Self {
        let (exit, hint) = match &error {
            FindError::Unknown { known, .. } => {
                let built_in = subject::BUILT_IN.join(" and ");
                let hint = format!("{built_in} are built in; there are adapters for {known}");
                (Exit::Usage, hint)
            }
            FindError::NotInstalled { name } => (
                Exit::Environment,
                format!("`qconform subject install {name}` installs it"),
            ),
            FindError::Command(CommandError::Program { .. }) => {
                return Failure::new(Exit::Environment, error.to_string());
            }
            FindError::Command(_) => (
                Exit::Usage,
                "docs/adapters.md tells how a command line looks".to_owned(),
            ),
            _ => return Failure::new(Exit::Environment, error.to_string()),
        };
        Failure::new(exit, error.to_string()).hint(hint)
    }
}

impl From<InstallError> for Failure {
    fn from(error: InstallError) -> Self {
        match error {
            InstallError::Find(error) => error.into(),
            other => Failure::new(Exit::Environment, other.to_string()),
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        let broken_pipe = error.kind() == io::ErrorKind::BrokenPipe;
        Failure {
            broken_pipe,
            ..Failure::new(Exit::Environment, error.to_string())
        }
    }
}

impl From<DataError> for Failure {
    fn from(error: DataError) -> Self {
        Failure::new(Exit::Usage, error.to_string())
    }
}

impl From<PatternError> for Failure {
    fn from(error: PatternError) -> Self {
        Failure::new(Exit::Usage, error.to_string())
    }
}

impl From<CaptureError> for Failure {
    fn from(error: CaptureError) -> Self {
        let message = error.to_string();
        match error {
            CaptureError::Domain(_) => Failure::new(Exit::Usage, message),
            CaptureError::NoFiles => Failure::new(Exit::Usage, message)
                .hint("give the XML of a domain with disks, or an image"),
            CaptureError::Inexpressible { .. } => Failure::new(Exit::Usage, message).hint(
                "a scenario can't have names with braces, as in a{b}: --anonymise gives it others",
            ),
            CaptureError::Open(error) if error.is_refusal() => {
                Failure::new(Exit::Environment, message)
                    .hint("files of a running domain belong to others: try as root")
            }
            _ => Failure::new(Exit::Environment, message),
        }
    }
}

impl From<FixtureError> for Failure {
    fn from(error: FixtureError) -> Self {
        let exit = match error {
            FixtureError::Recipe(_) => Exit::Usage,
            _ => Exit::Environment,
        };
        Failure::new(exit, with_sources(&error))
    }
}

impl From<PackError> for Failure {
    fn from(error: PackError) -> Self {
        Failure::new(Exit::Environment, with_sources(&error))
    }
}

/// An error and what it stems from.
fn with_sources(error: &dyn std::error::Error) -> String {
    let mut message = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        message = format!("{message}: {source}");
        next = source.source();
    }
    message
}

impl From<SandboxError> for Failure {
    fn from(error: SandboxError) -> Self {
        Failure::new(Exit::Environment, error.to_string())
            .hint("`qconform doctor` says what this machine can do, and how to get the rest")
    }
}

impl From<RunError> for Failure {
    fn from(error: RunError) -> Self {
        match error {
            RunError::Sandbox(error) => error.into(),
            RunError::Data(error) => error.into(),
            RunError::Sink(error) => error.into(),
            RunError::NothingSelected => Failure::new(Exit::NothingSelected, error.to_string())
                .hint("`qconform list` prints every id; `*` and `**` are wildcards"),
            RunError::Subject { .. } => Failure::new(Exit::Environment, error.to_string()),
            RunError::Capability { .. } => Failure::new(Exit::Environment, error.to_string())
                .hint("`qconform doctor` says how to get it"),
        }
    }
}
