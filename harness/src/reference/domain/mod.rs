//! libvirt's domain XML, as far as it says which files a domain uses and how they are labelled.
//!
//! The elements are those of libvirt's document *Domain XML format*: `<disk>` with its
//! `<source>`, `<driver>`, `<readonly/>`, `<shareable/>`, `<transient/>`, `<backingStore>` and
//! `<dataStore>`, and `<seclabel>` at the domain and at every source.

mod build;
pub mod document;
mod encryption;
pub mod error;
mod fault;
mod grammar;
mod network;
pub mod options;
mod parse;
mod seclabel;
mod source;
mod tree;
mod write;

use std::path::PathBuf;

pub use document::{Document, Form};
pub use error::{DomainError, DomainFault};
pub use network::{Auth, NbdServer, NetworkDisk, Remote, Server};
pub use options::DriverOptions;

use super::format::Format;

/// A domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Domain {
    /// Its name, empty if it has none.
    pub name: String,
    /// Its UUID as written.
    pub uuid: Option<String>,
    /// Its security labels, one for each driver.
    pub seclabels: Vec<DomainLabel>,
    /// Its disks in document order.
    pub disks: Vec<Disk>,
}

/// A domain's `<seclabel>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DomainLabel {
    /// The driver; absent means every driver, which only a refusal can.
    pub model: Option<Model>,
    /// Whether files are relabelled at all.
    pub relabel: bool,
    /// The process's label.
    pub label: Option<String>,
    /// The label for images, which only the runtime form has.
    pub image_label: Option<String>,
}

/// A security driver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Model {
    /// Owner and group.
    Dac,
    /// SELinux contexts.
    Selinux,
    /// A driver that this system doesn't have.
    Other,
}

/// A `<seclabel>` at a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceLabel {
    /// The driver; a label without a model is SELinux's.
    pub model: Model,
    /// Whether the file is relabelled.
    pub relabel: bool,
    /// The label, for DAC `uid:gid`.
    pub label: Option<String>,
}

/// A `<disk>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disk {
    /// The target device, such as `vda`.
    pub target: String,
    /// `device='cdrom'`, which is always read-only.
    pub cdrom: bool,
    /// `<readonly/>`.
    pub readonly: bool,
    /// `<shareable/>`.
    pub shareable: bool,
    /// `<transient/>`.
    pub transient: bool,
    /// How the emulator is to access the files.
    pub options: DriverOptions,
    /// The top image.
    pub image: Image,
}

/// An image in a disk or a `<backingStore>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// The declared format; raw where a disk has no `<driver type>`.
    pub format: Format,
    /// Where it is.
    pub source: Source,
    /// Its `<encryption>`, with LUKS.
    pub encryption: Option<Encryption>,
    /// The `<dataStore>` inside its `<source>`.
    pub data_store: Option<DataStore>,
    /// What the XML says about the next layer.
    pub backing: DeclaredBacking,
}

/// An `<encryption>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Encryption {
    /// The secret that opens the image, if the XML names one.
    pub secret: Option<Secret>,
}

/// How a secret is known to libvirt, which has its value.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Secret {
    /// Its UUID.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uuid: Option<String>,
    /// What it is used for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usage: Option<String>,
}

/// What XML says about the layer below an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeclaredBacking {
    /// Nothing, so the image's header decides.
    Open,
    /// `<backingStore/>`: there is none, whatever the header says.
    Terminated,
    /// This image, whatever the header says.
    Image(Box<Image>),
}

/// A `<dataStore>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataStore {
    /// Where it is.
    pub source: Source,
}

/// A `<source>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// What the source is.
    pub location: Location,
    /// Its security labels.
    pub seclabels: Vec<SourceLabel>,
}

/// What a source is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Location {
    /// An empty drive.
    None,
    /// A path on this host.
    Local {
        /// As written.
        path: PathBuf,
        /// Whether the XML calls it a block device.
        block: bool,
    },
    /// Something without a path of its own, such as a network disk; nothing to label.
    Remote(Remote),
}

impl Domain {
    /// Reads domain XML.
    ///
    /// # Errors
    ///
    /// [`DomainError`] for a document that is malformed, larger than 4 MiB, nested deeper than
    /// 512 elements, or that has a document type, and for disks that libvirt refuses.
    pub fn parse(xml: &[u8]) -> Result<Self, DomainError> {
        build::domain(&parse::document(xml)?)
    }

    /// What stands for this domain in records: its UUID, or its name.
    ///
    /// A UUID is the same with and without hyphens, in capital and in small letters.
    #[must_use]
    pub fn id(&self) -> String {
        let Some(uuid) = &self.uuid else {
            return self.name.clone();
        };
        let digits: String = uuid
            .chars()
            .filter(|character| !['-', ' '].contains(character))
            .map(|character| character.to_ascii_lowercase())
            .collect();
        let is_uuid = digits.len() == 32 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        if is_uuid { digits } else { uuid.clone() }
    }
}
