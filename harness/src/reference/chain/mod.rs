//! Every file that a domain's disks use, and how.
//!
//! A chain is found from the domain's XML and from the headers of its images. Each image's
//! header is read for its data file, in declared layers as well as in detected ones.

mod below;
mod data_file;
pub mod error;
pub mod identity;
mod json_name;
mod layer;
pub mod names;
pub mod policy;
mod report;
mod resolve;
mod walk;

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use serde::Serialize;

pub use error::{ChainClass, ChainError};
pub use identity::Identity;
pub use policy::ResolvePolicy;
pub use report::{ChainReport, NameReport};
pub use resolve::Resolver;

use super::bytes::Name;
use super::domain::{Domain, Remote, SourceLabel};
use super::format::Format;
use super::violation::FileViolation;

/// The most images in one chain, the top image included.
pub const MAX_LAYERS: u32 = 200;

/// Every file of a domain or of an image.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Chain {
    /// Disks in document order; each image is followed by its data file, then by its backing
    /// image. A file that is used twice stands here twice.
    pub files: Vec<ChainFile>,
    /// What the disks use that is no file of this host: never read, and nothing to label.
    pub remote: Vec<RemoteFile>,
    /// What is odd and accepted.
    pub violations: Vec<FileViolation>,
}

/// What one disk uses.
#[derive(Debug, Clone, Default)]
pub struct DiskFiles<'a> {
    /// Files of this host.
    pub files: Vec<&'a ChainFile>,
    /// Everything else.
    pub remote: Vec<&'a RemoteFile>,
}

impl Chain {
    /// Refuses a file that is used in two ways that need different labels.
    ///
    /// # Errors
    ///
    /// [`ChainError`] for the first such file.
    pub fn check_roles(&self) -> Result<(), ChainError> {
        resolve::check_roles(self)
    }

    /// The chain by target of the disk; a chain that starts at an image has none.
    #[must_use]
    pub fn by_disk(&self) -> HashMap<&str, DiskFiles<'_>> {
        let mut disks: HashMap<&str, DiskFiles<'_>> = HashMap::new();
        for file in &self.files {
            if let Some(disk) = file.disk.as_deref() {
                disks.entry(disk).or_default().files.push(file);
            }
        }
        for file in &self.remote {
            if let Some(disk) = file.disk.as_deref() {
                disks.entry(disk).or_default().remote.push(file);
            }
        }
        disks
    }
}

/// One use of something that is no file of this host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteFile {
    /// Target of the disk; absent for a chain that starts at an image.
    pub disk: Option<String>,
    /// Its place in the chain.
    pub role: Role,
    /// What it is.
    pub remote: Remote,
    /// Its format; raw where nobody declared one.
    pub format: Format,
    /// How the domain uses it.
    pub access: Access,
    /// Layers above it.
    pub depth: u32,
    /// Who named it.
    pub source: Origin,
}

/// One use of one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChainFile {
    /// Target of the disk, such as `vda`; absent for a chain that starts at an image.
    pub disk: Option<String>,
    /// Its place in the chain.
    pub role: Role,
    /// Where it is; relative names are joined to the folder as given, and not normalised.
    pub path: PathBuf,
    /// Its format; a data file is always raw.
    pub format: Format,
    /// How the domain uses it.
    pub access: Access,
    /// 0 for the top image and its data file, 1 for the next layer, and so on.
    pub depth: u32,
    /// Who named it.
    pub source: Origin,
    /// The header's own name for a data file that the domain declares elsewhere.
    pub overridden: Option<Name>,
    /// Whether it belongs to the top of a shareable disk.
    pub shareable: bool,
    /// Whether it belongs to the top of a transient disk.
    pub transient: bool,
    /// The labels that may apply, nearest first.
    pub seclabels: Vec<LabelScope>,
    /// The encryption method in its header, 0 where there is none, see
    /// [`super::probe::header::Fields::crypt_method`].
    pub crypt_method: u32,
    /// Which file the path means.
    pub identity: Identity,
}

/// A file's place in a chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// The image that the disk names.
    Top,
    /// The top image's data file.
    DataFile,
    /// An image below the top.
    Backing,
    /// The data file of an image below the top.
    BackingDataFile,
}

impl Role {
    /// Whether this is the data file of some image.
    #[must_use]
    pub fn is_data_file(self) -> bool {
        matches!(self, Self::DataFile | Self::BackingDataFile)
    }

    /// The role as reports spell it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Top => "top",
            Self::DataFile => "data-file",
            Self::Backing => "backing",
            Self::BackingDataFile => "backing-data-file",
        }
    }
}

/// How a domain uses a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
pub enum Access {
    /// Reads and writes it.
    #[serde(rename = "rw")]
    ReadWrite,
    /// Reads it.
    #[serde(rename = "ro")]
    ReadOnly,
}

impl Access {
    /// `rw` or `ro`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ReadWrite => "rw",
            Self::ReadOnly => "ro",
        }
    }
}

/// Who named a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    /// The disk's `<source>`, or the caller.
    Given,
    /// The header of an image.
    Header,
    /// A `<backingStore>` or `<dataStore>`.
    Declared,
}

impl Origin {
    /// The word used in reports.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Given => "given",
            Self::Header => "header",
            Self::Declared => "declared",
        }
    }
}

/// The `<seclabel>` elements of one place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabelScope {
    /// Where they stand.
    pub place: LabelPlace,
    /// What they say, one for each driver.
    pub labels: Vec<SourceLabel>,
}

/// Where a `<seclabel>` stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LabelPlace {
    /// At a `<dataStore>` source.
    DataStore,
    /// At a `<backingStore>` source.
    BackingStore,
    /// At the disk's own source.
    Disk,
}

/// Finds every file of every disk of a domain.
///
/// # Errors
///
/// [`ChainError`] for the first reason to refuse the domain's disks.
pub fn resolve(domain: &Domain, policy: &dyn ResolvePolicy) -> Result<Chain, ChainError> {
    Resolver::new(policy).domain(domain)
}

/// Finds every file of an image; without a format it is probed.
///
/// # Errors
///
/// [`ChainError`] for the first reason to refuse the chain.
pub fn resolve_image(
    path: &Path,
    format: Option<Format>,
    policy: &dyn ResolvePolicy,
) -> Result<Chain, ChainError> {
    Resolver::new(policy).image(path, format)
}
