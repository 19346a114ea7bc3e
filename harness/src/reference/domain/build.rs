//! From a tree of elements to the domain's model.

use std::collections::HashSet;
use std::path::PathBuf;

use super::error::{DomainError, DomainFault};
use super::options;
use super::tree::Element;
use super::{
    DataStore, DeclaredBacking, Disk, Domain, DomainLabel, Image, Location, Model, NbdServer,
    Remote, Source, SourceLabel,
};
use crate::reference::format::Format;

/// What a data store can't have; it is raw from its first byte to its last.
const NOT_IN_A_STORE: [(&str, &str); 3] = [
    ("dataStore", "a data store has no data store of its own"),
    (
        "backingStore",
        "a data store has no backing store of its own",
    ),
    ("slices", "a data store has no slices"),
];

type Result<T> = std::result::Result<T, DomainError>;

pub(super) fn domain(root: &Element) -> Result<Domain> {
    if root.name != "domain" {
        return Err(root.error(DomainFault::NotADomain(root.name.clone())));
    }
    let text = |name| root.child(name).map(Element::text);
    let seclabels = domain_labels(root)?;
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

/// The labels of a domain: at most one for each driver.
fn domain_labels(root: &Element) -> Result<Vec<DomainLabel>> {
    let mut labels: Vec<DomainLabel> = Vec::new();
    for element in root.children("seclabel") {
        let label = domain_label(element)?;
        let twice = label.model != Some(Model::Other)
            && labels.iter().any(|other| other.model == label.model);
        if twice {
            return Err(element.error(DomainFault::DuplicateLabel));
        }
        labels.push(label);
    }
    Ok(labels)
}

fn domain_label(element: &Element) -> Result<DomainLabel> {
    let kind = element.attribute("type").unwrap_or("dynamic");
    let model = element.attribute("model");
    let default = match kind {
        "dynamic" => true,
        // With a static label, files are the administrator's business unless asked for.
        "static" | "none" => false,
        other => return Err(unknown(element, "seclabel type", other)),
    };
    let relabel = yes_or_no(element, "relabel")?.unwrap_or(default);
    let text = |name| element.child(name).map(Element::text);
    Ok(DomainLabel {
        model: match model {
            // A refusal that names no driver is meant for all, a label can only be SELinux's.
            Some("none") => None,
            None if kind == "none" => None,
            name => Some(name.map_or(Model::Selinux, model_of)),
        },
        relabel: relabel && kind != "none" && model != Some("none"),
        label: text("label"),
        image_label: text("imagelabel"),
    })
}

fn model_of(name: &str) -> Model {
    match name {
        "dac" => Model::Dac,
        "selinux" => Model::Selinux,
        _ => Model::Other,
    }
}

/// The labels of a source: at most one for each driver that there is.
fn source_labels(source: &Element) -> Result<Vec<SourceLabel>> {
    let mut labels: Vec<SourceLabel> = Vec::new();
    for element in source.children("seclabel") {
        let label = source_label(element)?;
        if labels.iter().any(|other| other.model == label.model) {
            return Err(element.error(DomainFault::DuplicateLabel));
        }
        // Labels go down whole chains, so what nobody uses is dropped here.
        if label.model != Model::Other {
            labels.push(label);
        }
    }
    Ok(labels)
}

fn source_label(element: &Element) -> Result<SourceLabel> {
    let label = element.child("label").map(Element::text);
    Ok(SourceLabel {
        model: element.attribute("model").map_or(Model::Selinux, model_of),
        relabel: yes_or_no(element, "relabel")?.unwrap_or(true),
        label: label.filter(|label| !label.is_empty()),
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
    let driver = element.child("driver");
    let format = driver.and_then(|driver| driver.attribute("type"));
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
        options: driver.map(options::read).transpose()?.unwrap_or_default(),
        image: image(element, format)?,
    })
}

/// An image from a `<disk>` or a `<backingStore>`, which share their grammar.
fn image(element: &Element, format: Format) -> Result<Image> {
    let source_element = element.child("source");
    // libvirt also takes a data store beside the source, and writes it back inside.
    let data_store = source_element
        .and_then(|source| source.child("dataStore"))
        .or_else(|| element.child("dataStore"));
    if let Some(store) = data_store
        && format != Format::Qcow2
    {
        let message = "a data store needs a qcow2 image";
        return Err(store.error(DomainFault::DataStore(message)));
    }
    Ok(Image {
        format,
        source: source(element, source_element)?,
        data_store: data_store.map(parse_data_store).transpose()?,
        backing: backing(element)?,
    })
}

fn backing(element: &Element) -> Result<DeclaredBacking> {
    let Some(store) = element.child("backingStore") else {
        return Ok(DeclaredBacking::Open);
    };
    if store.child("source").is_none() && store.attribute("type").is_none() {
        return Ok(DeclaredBacking::Terminated);
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

fn parse_data_store(element: &Element) -> Result<DataStore> {
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
    let source = source(element, Some(inner))?;
    if source.location == Location::None {
        return Err(missing(inner, "path of a data store"));
    }
    Ok(DataStore { source })
}

/// The source of a `<disk>`, `<backingStore>` or `<dataStore>`, whose `type` says what it is.
fn source(owner: &Element, source: Option<&Element>) -> Result<Source> {
    let attribute = |name| source.and_then(|source| source.attribute(name));
    let local = |path: Option<&str>, block| match path {
        Some(path) if !path.is_empty() => Location::Local {
            path: PathBuf::from(path),
            block,
        },
        _ => Location::None,
    };
    // A slice begins somewhere in the file, and so does the header in it.
    if let Some(slices) = source.and_then(|source| source.child("slices")) {
        return Err(slices.error(DomainFault::Unsupported("slices")));
    }
    let location = match owner.attribute("type").unwrap_or("file") {
        // The emulator gets an open file from elsewhere; whatever the path says, nobody opens it.
        "file" | "block" if attribute("fdgroup").is_some() => {
            Location::Remote(Remote::Other("fdgroup".to_owned()))
        }
        "file" => local(attribute("file"), false),
        "block" => local(attribute("dev"), true),
        "network" => Location::Remote(network(source)),
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
        seclabels: source.map(source_labels).transpose()?.unwrap_or_default(),
    })
}

/// What a network source is; of its protocols NBD is the one that is described further.
fn network(source: Option<&Element>) -> Remote {
    let attribute = |name| source.and_then(|source| source.attribute(name));
    let protocol = attribute("protocol").unwrap_or("network");
    let server = source.and_then(|source| nbd_server(source.child("host")?));
    // Encryption needs credentials that stand elsewhere.
    let plain = attribute("tls").is_none_or(|tls| tls == "no");
    match server {
        Some(server) if protocol == "nbd" && plain => Remote::Nbd {
            server,
            export: attribute("name").map(str::to_owned),
        },
        _ => Remote::Other(protocol.to_owned()),
    }
}

fn nbd_server(host: &Element) -> Option<NbdServer> {
    let attribute = |name| host.attribute(name).map(str::to_owned);
    match host.attribute("transport").unwrap_or("tcp") {
        "unix" => attribute("socket").map(|path| NbdServer::Unix { path }),
        "tcp" => attribute("name").map(|host| NbdServer::Inet {
            host,
            port: attribute("port").unwrap_or_else(|| "10809".to_owned()),
        }),
        _ => None,
    }
}

fn parse_format(element: &Element, name: &str) -> Result<Format> {
    Format::parse(name).ok_or_else(|| unknown(element, "image format", name))
}

fn yes_or_no(element: &Element, name: &'static str) -> Result<Option<bool>> {
    match element.attribute(name) {
        None => Ok(None),
        Some("yes") => Ok(Some(true)),
        Some("no") => Ok(Some(false)),
        Some(other) => Err(unknown(element, name, other)),
    }
}

fn unknown(element: &Element, what: &'static str, value: &str) -> DomainError {
    let value = value.to_owned();
    element.error(DomainFault::Unknown { what, value })
}

fn missing(element: &Element, what: &'static str) -> DomainError {
    element.error(DomainFault::Missing(what))
}
