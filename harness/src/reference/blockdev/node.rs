//! Block nodes, as QEMU's `-blockdev` and `blockdev-add` take them.
//!
//! Source: QEMU's QMP reference, `BlockdevOptions`.

use serde::Serialize;

use super::protocol::Protocol;
use crate::reference::domain::DriverOptions;
use crate::reference::domain::options::Cache;

/// A node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Node {
    /// A node that reaches the bytes of a file.
    Protocol(ProtocolNode),
    /// A node that reads an image's format.
    Format(FormatNode),
}

impl Node {
    /// The node's name.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Protocol(node) => &node.node_name,
            Self::Format(node) => &node.node_name,
        }
    }
}

/// A node that reaches the bytes of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct ProtocolNode {
    /// How and where.
    #[serde(flatten)]
    pub protocol: Protocol,
    /// How requests are passed to the host.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub aio: Option<&'static str>,
    /// Its name.
    pub node_name: String,
    /// Whether it can't be written; absent where the format node above decides.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub read_only: Option<bool>,
    /// Whether it is opened for writing only when a node above wants that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auto_read_only: Option<bool>,
    /// What becomes of the guest's discards.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub discard: Option<&'static str>,
    /// What becomes of written zeros.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detect_zeroes: Option<&'static str>,
    /// How the host's page cache is used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache: Option<CacheOptions>,
}

impl ProtocolNode {
    /// The node of a raw image or a data file: what happens to it is said here.
    pub(super) fn topmost(protocol: Protocol, node_name: String, read_only: bool) -> Self {
        Self {
            protocol,
            aio: None,
            node_name,
            read_only: Some(read_only),
            auto_read_only: None,
            discard: None,
            detect_zeroes: None,
            cache: None,
        }
    }

    /// The same with the disk's options.
    pub(super) fn with(self, options: DriverOptions) -> Self {
        Self {
            aio: options.io.filter(|_| self.protocol.is_local()),
            discard: options.discard,
            detect_zeroes: options.detect_zeroes,
            cache: options.cache.map(Into::into),
            ..self
        }
    }

    /// The node below a format node, which may always discard what the format frees.
    pub(super) fn below_format(
        protocol: Protocol,
        node_name: String,
        options: DriverOptions,
    ) -> Self {
        let node = Self::topmost(protocol, node_name, false).with(options);
        Self {
            read_only: None,
            auto_read_only: Some(true),
            discard: Some("unmap"),
            detect_zeroes: None,
            ..node
        }
    }
}

/// A node that reads an image's format.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct FormatNode {
    /// Its name.
    pub node_name: String,
    /// Whether it can't be written.
    pub read_only: bool,
    /// What becomes of the guest's discards.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub discard: Option<&'static str>,
    /// What becomes of written zeros.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detect_zeroes: Option<&'static str>,
    /// How the host's page cache is used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache: Option<CacheOptions>,
    /// The format's driver.
    pub driver: &'static str,
    /// The secret of an image that is LUKS as a whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_secret: Option<String>,
    /// The secret of a format with encryption inside.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encrypt: Option<Encrypt>,
    /// Name of the data file's node, which goes before the name in the header.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data_file: Option<String>,
    /// Name of the node that holds the image.
    pub file: String,
    /// Name of the backing node; `Some(None)` is QEMU's `null`, none whatever the header says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backing: Option<Option<String>>,
}

/// How a format node decrypts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Encrypt {
    /// Always `luks`.
    pub format: &'static str,
    /// Name of the secret object with the passphrase.
    pub key_secret: String,
}

/// How the host's page cache is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct CacheOptions {
    /// Whether it is passed by.
    pub direct: bool,
    /// Whether the guest's flushes are ignored.
    pub no_flush: bool,
}

impl From<Cache> for CacheOptions {
    fn from(cache: Cache) -> Self {
        Self {
            direct: cache.direct,
            no_flush: cache.no_flush,
        }
    }
}
