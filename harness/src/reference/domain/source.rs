//! `<source>`: where a disk's, a backing store's or a data store's bytes are.

use std::path::PathBuf;

use super::error::{DomainError, DomainFault};
use super::fault::unknown;
use super::tree::Element;
use super::{Location, Remote, Source, network, seclabel};

type Result<T> = std::result::Result<T, DomainError>;

/// The source of a `<disk>`, `<backingStore>` or `<dataStore>`, whose `type` says what it is.
pub(super) fn read(owner: &Element, source: Option<&Element>) -> Result<Source> {
    if let Some(source) = source {
        require_plain(source)?;
    }
    let attribute = |name| source.and_then(|source| source.attribute(name));
    let location = match owner.attribute("type").unwrap_or("file") {
        // The emulator gets an open file from elsewhere; whatever the path says, nobody opens it.
        "file" | "block" if attribute("fdgroup").is_some() => {
            Location::Remote(Remote::Other("fdgroup".to_owned()))
        }
        "file" => local(attribute("file"), false),
        "block" => local(attribute("dev"), true),
        "network" => Location::Remote(network::read(source)),
        kind @ ("dir" | "volume" | "nvme" | "vhostuser" | "vhostvdpa") => {
            Location::Remote(Remote::Other(kind.to_owned()))
        }
        other => return Err(unknown(owner, "source type", other)),
    };
    if let Location::Local { path, .. } = &location
        && path.as_os_str().as_encoded_bytes().contains(&0)
    {
        return Err(owner.error(DomainFault::Malformed(
            "path has a nul byte in it".to_owned(),
        )));
    }
    Ok(Source {
        location,
        seclabels: source
            .map(seclabel::of_source)
            .transpose()?
            .unwrap_or_default(),
    })
}

/// Refuses what makes a source another one than its path or name says.
fn require_plain(source: &Element) -> Result<()> {
    // A slice begins somewhere in the file, and so does the header in it.
    if let Some(slices) = source.child("slices") {
        return Err(slices.error(DomainFault::Unsupported("slices")));
    }
    Ok(())
}

fn local(path: Option<&str>, block: bool) -> Location {
    match path {
        Some(path) if !path.is_empty() => Location::Local {
            path: PathBuf::from(path),
            block,
        },
        _ => Location::None,
    }
}
