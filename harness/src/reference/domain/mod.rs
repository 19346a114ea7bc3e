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
mod network;
pub mod options;
mod seclabel;
mod source;
mod tree;
mod write;

use std::path::PathBuf;

pub use document::{Document, Form};
pub use error::{DomainError, DomainFault};
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

/// A source that is no file of this host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Remote {
    /// An export of an NBD server.
    Nbd {
        /// Where the server listens.
        server: NbdServer,
        /// The export's name; absent for the default one.
        export: Option<String>,
    },
    /// A disk of another protocol.
    Network(Box<NetworkDisk>),
    /// Anything else, by its protocol or kind of source, such as `volume`.
    Other(String),
}

/// A network disk that the XML says no more about than stands here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkDisk {
    /// Its protocol, such as `https`.
    pub protocol: String,
    /// Its name: a path, a target and unit, a pool and image.
    pub name: String,
    /// What stands behind the question mark of a URL.
    pub query: Option<String>,
    /// Where it is, first choice first.
    pub servers: Vec<Server>,
    /// Who asks for it.
    pub auth: Option<Auth>,
    /// The snapshot that is meant.
    pub snapshot: Option<String>,
    /// A configuration file of the protocol's own library.
    pub config: Option<String>,
}

/// An `<auth>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Auth {
    /// The user's name at the server.
    pub user: String,
    /// The user's password or key.
    pub secret: Secret,
}

/// A server by TCP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// Name or address.
    pub host: String,
    /// The port; absent for the protocol's own.
    pub port: Option<String>,
}

impl std::fmt::Display for Remote {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Nbd { .. } => out.write_str("nbd"),
            Self::Network(disk) => out.write_str(&disk.protocol),
            Self::Other(kind) => out.write_str(kind),
        }
    }
}

/// Where an NBD server listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NbdServer {
    /// At a host and port.
    Inet {
        /// Name or address.
        host: String,
        /// The port; libvirt's default is 10809.
        port: String,
    },
    /// At a socket of this host.
    Unix {
        /// The socket's path.
        path: String,
    },
}

impl Domain {
    /// Reads domain XML.
    ///
    /// # Errors
    ///
    /// [`DomainError`] for a document that is malformed, larger than 4 MiB, nested deeper than
    /// 512 elements, or that has a document type, and for disks that libvirt refuses.
    pub fn parse(xml: &[u8]) -> Result<Self, DomainError> {
        build::domain(&tree::parse(xml)?)
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
