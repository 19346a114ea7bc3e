//! `<driver>`: how the emulator is to access a disk's files.

use super::error::{DomainError, DomainFault};
use super::tree::Element;

/// The options that go down to every node of a disk; an absent one is QEMU's default.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DriverOptions {
    /// `cache`.
    pub cache: Option<Cache>,
    /// `io`, a name of QEMU's `aio`.
    pub io: Option<&'static str>,
    /// `discard`, `ignore` or `unmap`.
    pub discard: Option<&'static str>,
    /// `detect_zeroes`, `off`, `on` or `unmap`.
    pub detect_zeroes: Option<&'static str>,
}

/// How the host's page cache is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cache {
    /// Whether it is passed by.
    pub direct: bool,
    /// Whether the guest's flushes are ignored.
    pub no_flush: bool,
}

const CACHES: [&str; 5] = ["directsync", "none", "unsafe", "writeback", "writethrough"];

pub(super) fn read(driver: &Element) -> Result<DriverOptions, DomainError> {
    let word = |name, known| word(driver, name, known);
    let cache = word("cache", &CACHES)?;
    let discard = word("discard", &["ignore", "unmap"])?;
    let detect_zeroes = word("detect_zeroes", &["off", "on", "unmap"])?;
    Ok(DriverOptions {
        cache: cache.map(|name| Cache {
            direct: ["directsync", "none"].contains(&name),
            no_flush: name == "unsafe",
        }),
        io: word("io", &["native", "threads", "io_uring"])?,
        discard,
        // QEMU refuses to unmap zeros where it may not unmap at all.
        detect_zeroes: match detect_zeroes {
            Some("unmap") if discard != Some("unmap") => Some("on"),
            other => other,
        },
    })
}

fn word(
    driver: &Element,
    name: &'static str,
    known: &[&'static str],
) -> Result<Option<&'static str>, DomainError> {
    let value = match driver.attribute(name) {
        None | Some("default") => return Ok(None),
        Some(value) => value,
    };
    match known.iter().find(|known| **known == value) {
        Some(word) => Ok(Some(word)),
        None => Err(driver.error(DomainFault::Unknown {
            what: name,
            value: value.to_owned(),
        })),
    }
}
