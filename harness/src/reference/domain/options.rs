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
    /// What the disk has that needs nodes or options of its own, and that isn't described here.
    pub undescribed: Option<&'static str>,
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

/// The options of a `<disk>`.
pub(super) fn read(disk: &Element) -> Result<DriverOptions, DomainError> {
    let options = match disk.child("driver") {
        Some(driver) => of_driver(driver)?,
        None => DriverOptions::default(),
    };
    let undescribed = undescribed(disk);
    Ok(DriverOptions {
        undescribed,
        ..options
    })
}

/// Each of these adds to the graph: a filter, a cache's size, a manager of reservations.
fn undescribed(disk: &Element) -> Option<&'static str> {
    let driver = disk.child("driver");
    let is_on = |name| driver.and_then(|driver| driver.attribute(name)) == Some("on");
    let in_driver = |name| driver.is_some_and(|driver| driver.child(name).is_some());
    let found = [
        ("copy_on_read", is_on("copy_on_read")),
        ("discard_no_unref", is_on("discard_no_unref")),
        ("metadata_cache", in_driver("metadata_cache")),
        ("throttlefilters", disk.child("throttlefilters").is_some()),
        ("reservations", disk.has_descendant("reservations")),
    ];
    found
        .into_iter()
        .find_map(|(name, there)| there.then_some(name))
}

fn of_driver(driver: &Element) -> Result<DriverOptions, DomainError> {
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
        undescribed: None,
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
