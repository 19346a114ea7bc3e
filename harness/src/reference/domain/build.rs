//! From a tree of elements to the domain's model.

use std::collections::HashSet;

use super::error::{DomainError, DomainFault};
use super::fault::{missing, unknown};
use super::tree::Element;
use super::{DataStore, DeclaredBacking, Disk, Domain, Image, Location};
use super::{encryption, options, seclabel, source};
use crate::reference::format::Format;

/// What a data store can't have; it is raw from its first byte to its last.
const NOT_IN_A_STORE: [(&str, &str); 4] = [
    ("dataStore", "a data store has no data store of its own"),
    (
        "backingStore",
        "a data store has no backing store of its own",
    ),
    ("slices", "a data store has no slices"),
    // Its bytes are those that the image encrypts.
    ("encryption", "a data store has no encryption of its own"),
];

type Result<T> = std::result::Result<T, DomainError>;

pub(super) fn domain(root: &Element) -> Result<Domain> {
    if root.name != "domain" {
        return Err(root.error(DomainFault::NotADomain(root.name.clone())));
    }
    let text = |name| root.child(name).map(Element::text);
    let seclabels = seclabel::of_domain(root)?;
    let mut disks: Vec<Disk> = Vec::new();
    let mut targets = HashSet::new();
    for element in root
        .children("devices")
        .flat_map(|devices| devices.children("disk"))
    {
        let disk = disk(element)?;
        if !targets.insert(disk.target.clone()) {
            return Err(element.error(DomainFault::DuplicateTarget(disk.target)));
        }
        disks.push(disk);
    }
    Ok(Domain {
        name: text("name").unwrap_or_default(),
        uuid: text("uuid").filter(|uuid| !uuid.is_empty()),
        seclabels,
        disks,
    })
}

fn disk(element: &Element) -> Result<Disk> {
    let device = element.attribute("device").unwrap_or("disk");
    if !["disk", "cdrom", "floppy", "lun"].contains(&device) {
        return Err(unknown(element, "disk device", device));
    }
    let target = element
        .child("target")
        .and_then(|target| target.attribute("dev"));
    let target = target.ok_or_else(|| missing(element, "target device"))?;
    // What a running job writes to belongs to the domain, and isn't among its disks.
    if let Some(mirror) = element.child("mirror") {
        return Err(mirror.error(DomainFault::Unsupported("mirror")));
    }
    let format = element
        .child("driver")
        .and_then(|driver| driver.attribute("type"));
    // Nobody probes the top image: a guest could have written any header into a raw disk.
    let format = match format {
        Some(name) => parse_format(element, name)?,
        None => Format::Raw,
    };
    let has = |name| element.child(name).is_some();
    Ok(Disk {
        target: target.to_owned(),
        cdrom: device == "cdrom",
        readonly: has("readonly"),
        shareable: has("shareable"),
        transient: has("transient"),
        options: options::read(element)?,
        image: image(element, format)?,
    })
}

/// An image from a `<disk>` or a `<backingStore>`, which share their grammar.
fn image(element: &Element, format: Format) -> Result<Image> {
    let source_element = element.child("source");
    Ok(Image {
        format,
        source: source::read(element, source_element)?,
        encryption: encryption::read(element)?,
        data_store: data_store(element, format)?,
        backing: backing(element)?,
    })
}

fn backing(element: &Element) -> Result<DeclaredBacking> {
    let Some(store) = element.child("backingStore") else {
        return Ok(DeclaredBacking::Open);
    };
    // Without a type libvirt takes it for the end of the chain, whatever else it says.
    if store.attribute("type").is_none() {
        return match store.elements().next() {
            None => Ok(DeclaredBacking::Terminated),
            Some(_) => Err(missing(store, "type of a backing store")),
        };
    }
    let format = store
        .child("format")
        .and_then(|format| format.attribute("type"));
    let format = format.ok_or_else(|| missing(store, "format of a backing store"))?;
    if store.child("source").is_none() {
        return Err(missing(store, "source of a backing store"));
    }
    let image = image(store, parse_format(store, format)?)?;
    Ok(DeclaredBacking::Image(Box::new(image)))
}

/// The declared data store of an image: one at most, and of qcow2 images only.
fn data_store(image: &Element, format: Format) -> Result<Option<DataStore>> {
    // libvirt also takes a data store beside the source, and writes it back inside.
    let inside = image.child("source").into_iter();
    let inside = inside.flat_map(|source| source.children("dataStore"));
    let mut stores = inside.chain(image.children("dataStore"));
    let Some(store) = stores.next() else {
        return Ok(None);
    };
    let fault = |place: &Element, message| Err(place.error(DomainFault::DataStore(message)));
    if format != Format::Qcow2 {
        return fault(store, "a data store needs a qcow2 image");
    }
    if let Some(second) = stores.next() {
        return fault(second, "an image has one data store");
    }
    parse_data_store(store).map(Some)
}

fn parse_data_store(element: &Element) -> Result<DataStore> {
    if element.attribute("type").is_none() {
        return Err(missing(element, "type of a data store"));
    }
    let fault = |place: &Element, message| Err(place.error(DomainFault::DataStore(message)));
    let (format, name) = element
        .child("format")
        .and_then(|format| Some((format, format.attribute("type")?)))
        .ok_or_else(|| missing(element, "format of a data store"))?;
    if name != "raw" {
        return fault(format, "a data store must be raw");
    }
    let inner = element
        .child("source")
        .ok_or_else(|| missing(element, "source of a data store"))?;
    for (name, message) in NOT_IN_A_STORE {
        if let Some(place) = inner.child(name).or_else(|| element.child(name)) {
            return fault(place, message);
        }
    }
    let source = source::read(element, Some(inner))?;
    if source.location == Location::None {
        return Err(missing(inner, "path of a data store"));
    }
    Ok(DataStore { source })
}

fn parse_format(element: &Element, name: &str) -> Result<Format> {
    Format::parse(name).ok_or_else(|| unknown(element, "image format", name))
}
