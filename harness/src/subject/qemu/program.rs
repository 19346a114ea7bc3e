//! Runs QEMU's programs, in the sandbox and within limits.

use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

use crate::sandbox::{Confined, Finished, How, Limits};
use crate::subject::Answer;

/// What one run of a program may use; QEMU needs far less, but its pool alone may have 64 threads,
/// and it aborts where it can't have one.
const LIMITS: Limits = Limits {
    time: Duration::from_secs(10),
    address_space: 8 << 30,
    memory: 8 << 30,
    output: 4 << 20,
    processes: 256,
    file_size: 64 << 20,
};

/// A reader without privileges, as which the programs run.
const READER: u32 = 1000;

/// The version that a program says it is of: `qemu-img version 10.0.2 (...)`.
pub(super) fn version(program: &str) -> Result<String, String> {
    let finished = run(program, vec!["--version".into()], Path::new("/"))?;
    let text = String::from_utf8_lossy(&finished.stdout);
    let version = text.split_whitespace().nth(2).map(str::to_owned);
    version.ok_or_else(|| format!("`{program} --version` printed {text:?}"))
}

pub(super) fn run(program: &str, args: Vec<OsString>, dir: &Path) -> Result<Finished, String> {
    let confined = confined(program, args, dir)?;
    confined.run().map_err(|error| error.to_string())
}

pub(super) fn confined(program: &str, args: Vec<OsString>, dir: &Path) -> Result<Confined, String> {
    Ok(Confined {
        program: which::which(program).map_err(|error| format!("{program}: {error}"))?,
        args,
        dir: dir.to_owned(),
        env: vec![("LC_ALL".to_owned(), "C".to_owned())],
        stdin: Vec::new(),
        uid: READER,
        gid: READER,
        labels: false,
        limits: LIMITS,
    })
}

/// Exit 1 is QEMU's clean refusal; any other end but success is not clean.
pub(super) fn refused(finished: &Finished) -> Option<Answer> {
    match finished.how {
        How::Exited(0) => None,
        How::Exited(1) => Some(Answer::Rejected {
            class: "refused".to_owned(),
            message: first_line(&finished.stderr),
        }),
        how => Some(unclean(how)),
    }
}

/// The verdict on an end that neither accepts nor refuses.
pub(super) fn unclean(how: How) -> Answer {
    let how = match how {
        How::Exited(code) => format!("exit status {code}"),
        How::Signalled(signal) => format!("signal {signal}"),
        How::TimedOut => return Answer::TimedOut,
        How::TooMuchOutput => "too much output".to_owned(),
    };
    Answer::Crashed { how }
}

pub(super) fn first_line(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    text.lines().next().unwrap_or_default().to_owned()
}
