//! `<encryption>`: how an image is encrypted, and which secret opens it.

use super::error::{DomainError, DomainFault};
use super::fault::{missing, unknown};
use super::tree::Element;
use super::{Encryption, Secret};

/// The encryption of a disk's or backing store's image; a disk may say it beside its source.
pub(super) fn read(image: &Element) -> Result<Option<Encryption>, DomainError> {
    let inside = image.child("source").into_iter();
    let inside = inside.flat_map(|source| source.children("encryption"));
    let mut found = inside.chain(image.children("encryption"));
    let Some(element) = found.next() else {
        return Ok(None);
    };
    if let Some(second) = found.next() {
        return Err(second.error(DomainFault::DuplicateEncryption));
    }
    of_element(element).map(Some)
}

fn of_element(element: &Element) -> Result<Encryption, DomainError> {
    match element.attribute("format") {
        Some("luks") => {}
        // What libvirt refuses as too old, and what only Ceph has.
        Some("qcow" | "luks2" | "luks-any") => {
            return Err(element.error(DomainFault::Unsupported("encryption of that format")));
        }
        Some(other) => return Err(unknown(element, "encryption format", other)),
        None => return Err(missing(element, "format of an encryption")),
    }
    if element.attribute("engine").is_some_and(|it| it != "qemu") {
        return Err(element.error(DomainFault::Unsupported("encryption of that engine")));
    }
    let secret = element.child("secret").map(Secret::of_element);
    Ok(Encryption { secret })
}

impl Secret {
    pub(super) fn of_element(element: &Element) -> Self {
        let attribute = |name| element.attribute(name).map(str::to_owned);
        Self {
            uuid: attribute("uuid"),
            usage: attribute("usage"),
        }
    }
}
