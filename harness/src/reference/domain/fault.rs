//! Faults that several elements can have.

use super::error::{DomainError, DomainFault};
use super::tree::Element;

pub(super) fn yes_or_no(
    element: &Element,
    name: &'static str,
) -> Result<Option<bool>, DomainError> {
    match element.attribute(name) {
        None => Ok(None),
        Some("yes") => Ok(Some(true)),
        Some("no") => Ok(Some(false)),
        Some(other) => Err(unknown(element, name, other)),
    }
}

pub(super) fn unknown(element: &Element, what: &'static str, value: &str) -> DomainError {
    let value = value.to_owned();
    element.error(DomainFault::Unknown { what, value })
}

pub(super) fn missing(element: &Element, what: &'static str) -> DomainError {
    element.error(DomainFault::Missing(what))
}
