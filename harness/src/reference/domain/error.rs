//! Why domain XML can't be used.

/// A fault in domain XML, with the place where it was found.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {fault}")]
pub struct DomainError {
    /// What is wrong.
    pub fault: DomainFault,
    /// Line, counted from 1.
    pub line: usize,
    /// Column in bytes, counted from 1.
    pub column: usize,
}

/// What is wrong with domain XML.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DomainFault {
    /// The document is longer than anybody's domain.
    #[error("document of {0} bytes is too large")]
    TooLarge(usize),
    /// Elements are nested deeper than a chain of the greatest depth needs.
    #[error("elements are nested too deeply")]
    TooDeep,
    /// A document type could define entities, and libvirt's schema has none.
    #[error("a document type is not allowed")]
    DocumentType,
    /// The document isn't well-formed.
    #[error("{0}")]
    Malformed(String),
    /// The root element isn't a domain's.
    #[error("<{0}> is not a domain")]
    NotADomain(String),
    /// An element or attribute that must be there is missing.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// A value isn't one that libvirt knows.
    #[error("{what} {value:?} is not known")]
    Unknown {
        /// Which attribute or element.
        what: &'static str,
        /// What it says.
        value: String,
    },
    /// A source, or the domain, has two labels for one driver.
    #[error("two seclabels for one driver")]
    DuplicateLabel,
    /// An image has two `<encryption>` elements.
    #[error("image has two encryptions")]
    DuplicateEncryption,
    /// Two disks have one target device.
    #[error("two disks have the target {0:?}")]
    DuplicateTarget(String),
    /// An element that changes what is read, and that this system doesn't have.
    #[error("<{0}> is not supported")]
    Unsupported(&'static str),
    /// A file's name can't stand in XML.
    #[error("file name {0:?} can't stand in xml")]
    Unwritable(String),
    /// A rule of libvirt's about data stores is broken.
    #[error("{0}")]
    DataStore(&'static str),
}

impl DomainFault {
    /// The class as reports spell it.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::TooLarge(_) | Self::TooDeep => "domain-too-large",
            Self::DocumentType => "document-type",
            Self::Malformed(_) => "malformed-xml",
            Self::NotADomain(_) => "not-a-domain",
            Self::Missing(_) => "missing-element",
            Self::Unknown { .. } => "unknown-value",
            Self::DuplicateLabel => "duplicate-seclabel",
            Self::DuplicateEncryption => "duplicate-encryption",
            Self::DuplicateTarget(_) => "duplicate-target",
            Self::Unsupported(_) => "unsupported-element",
            Self::Unwritable(_) => "unwritable-name",
            Self::DataStore(_) => "bad-data-store",
        }
    }
}
