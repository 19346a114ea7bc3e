//! What QEMU is given: the disks of a domain as options of `blockdev-add`.
//!
//! | the domain declares | QEMU is given |
//! |---|---|
//! | a disk's or backing store's format | `driver`; a disk without one is raw |
//! | a file, a block device | `file` with driver `file` or `host_device`, and the path |
//! | `<readonly/>`, a CD | the top's `read-only` |
//! | `<dataStore>` | `data-file`, without `read-only` |
//! | `<backingStore>` with an image | `backing` with that image, without `read-only` |
//! | `<backingStore/>` | `"backing": null` |
//! | nothing about data file or backing image | nothing |
//!
//! Whether nodes below the top are read-only, whether there is a data file and where the chain goes
//! are thereby QEMU's own decisions. How files are accessed (cache, discard, ...) is left out: no
//! fact tells of it. What has no node, or takes another program's help, is an error.

use std::path::Path;

use serde::Serialize;

use crate::reference::domain::{self, DeclaredBacking, Domain, DomainError, Location, Source};

/// QEMU's drivers for formats that libvirt calls by the same name.
const DRIVERS: [&str; 12] = [
    "bochs",
    "cloop",
    "dmg",
    "parallels",
    "qcow",
    "qcow2",
    "qed",
    "raw",
    "vdi",
    "vhdx",
    "vmdk",
    "vpc",
];

/// Those that have an option `backing`. For the others `<backingStore/>` says nothing new.
const WITH_BACKING: [&str; 4] = ["qcow", "qcow2", "qed", "vmdk"];

/// Why a domain can't be put into QEMU's words.
#[derive(Debug, thiserror::Error)]
pub(super) enum GivenError {
    /// The XML can't be read.
    #[error("the domain can't be read: {0}")]
    Domain(#[from] DomainError),
    /// Only another program can do this.
    #[error("disk {disk}: {what}")]
    Disk {
        /// The disk's target.
        disk: String,
        /// What it has.
        what: String,
    },
}

/// The topmost node of a disk.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Disk {
    /// By which its nodes are found again.
    pub(super) node_name: String,
    read_only: bool,
    #[serde(flatten)]
    image: Image,
}

/// An image with everything that is declared of it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct Image {
    driver: &'static str,
    file: Storage,
    #[serde(skip_serializing_if = "Option::is_none")]
    data_file: Option<Storage>,
    /// The inner value is `null` where the chain is declared to end.
    #[serde(skip_serializing_if = "Option::is_none")]
    backing: Option<Option<Box<Image>>>,
}

/// A file or block device.
#[derive(Debug, Serialize)]
struct Storage {
    driver: &'static str,
    filename: String,
}

impl Disk {
    /// The folder of its image.
    pub(super) fn folder(&self) -> Option<&Path> {
        Path::new(&self.image.file.filename).parent()
    }

    /// Every path that it declares.
    pub(super) fn filenames(&self) -> impl Iterator<Item = &str> {
        std::iter::successors(Some(&self.image), |image| image.below())
            .flat_map(|image| std::iter::once(&image.file).chain(&image.data_file))
            .map(|storage| storage.filename.as_str())
    }
}

impl Image {
    fn below(&self) -> Option<&Image> {
        self.backing.as_ref()?.as_deref()
    }
}

/// The disks of a domain, but for empty drives.
pub(super) fn disks(xml: &str) -> Result<Vec<Disk>, GivenError> {
    let domain = Domain::parse(xml.as_bytes())?;
    let filled = domain
        .disks
        .iter()
        .filter(|disk| disk.image.source.location != Location::None);
    filled
        .enumerate()
        .map(|(number, disk)| {
            top(disk, number).map_err(|what| GivenError::Disk {
                disk: disk.target.clone(),
                what,
            })
        })
        .collect()
}

fn top(disk: &domain::Disk, number: usize) -> Result<Disk, String> {
    if disk.transient {
        return Err("the overlay of a transient disk is made by whoever starts it".to_owned());
    }
    if let Some(option) = disk.options.undescribed {
        return Err(format!("{option} takes more than the nodes of images"));
    }
    Ok(Disk {
        node_name: format!("disk-{number}"),
        read_only: disk.readonly || disk.cdrom,
        image: image(&disk.image)?,
    })
}

fn image(declared: &domain::Image) -> Result<Image, String> {
    if declared.encryption.is_some() {
        return Err("the secret of an encrypted image is libvirt's".to_owned());
    }
    let driver = declared.format.as_str();
    if !DRIVERS.contains(&driver) {
        return Err(format!("QEMU has no format named {driver}"));
    }
    let store = declared.data_store.as_ref();
    let backing = match &declared.backing {
        DeclaredBacking::Image(below) => Some(Some(Box::new(image(below)?))),
        DeclaredBacking::Terminated if WITH_BACKING.contains(&driver) => Some(None),
        DeclaredBacking::Terminated | DeclaredBacking::Open => None,
    };
    Ok(Image {
        driver,
        file: storage(&declared.source)?,
        data_file: store.map(|store| storage(&store.source)).transpose()?,
        backing,
    })
}

fn storage(source: &Source) -> Result<Storage, String> {
    match &source.location {
        Location::Local { path, block } => {
            let path = path.to_str().ok_or("JSON has no such path")?;
            Ok(Storage {
                driver: if *block { "host_device" } else { "file" },
                filename: path.to_owned(),
            })
        }
        Location::Remote(remote) => Err(format!("there is no {remote} in the sandbox")),
        Location::None => Err("a backing store or data store without a source".to_owned()),
    }
}

#[cfg(test)]
mod tests;
