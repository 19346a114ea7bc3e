//! Reads text files that a user names: bounded, and never a device or a FIFO.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use rustix::fs::{Mode, OFlags};

use super::Exit;
use super::error::Failure;

/// No scenario, recipe or domain is larger; captured ones end there.
const LIMIT: u64 = crate::capture::TEXT_MAX as u64;

/// The bytes of a regular file.
pub(super) fn bytes(path: &Path) -> Result<Vec<u8>, Failure> {
    let fail = |error: &std::io::Error| Failure::file(path, error);
    let refuse =
        |reason: &str| Failure::new(Exit::Environment, format!("{}: {reason}", path.display()));
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let opened = rustix::fs::open(path, flags, Mode::empty());
    let file = File::from(opened.map_err(|error| fail(&error.into()))?);
    let metadata = file.metadata().map_err(|error| fail(&error))?;
    if !metadata.is_file() {
        return Err(refuse("is not a regular file"));
    }
    let mut bytes = Vec::new();
    file.take(LIMIT + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| fail(&error))?;
    if bytes.len() as u64 > LIMIT {
        return Err(refuse("is larger than 16 MiB"));
    }
    Ok(bytes)
}

/// The text of a regular file.
pub(super) fn text(path: &Path) -> Result<String, Failure> {
    let refuse = |_| {
        Failure::new(
            Exit::Usage,
            format!("{}: is not UTF-8 text", path.display()),
        )
    };
    String::from_utf8(bytes(path)?).map_err(refuse)
}
