//! How a node reaches the bytes of a file: the drivers of QEMU's protocols.
//!
//! Source: QEMU's QMP reference, `BlockdevOptions`; the order of members is libvirt's.

use serde::Serialize;

use crate::reference::domain::NbdServer;

/// How the bytes of a file are reached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "driver", rename_all = "snake_case")]
pub enum Protocol {
    /// A regular file.
    File {
        /// Its path.
        filename: String,
    },
    /// A block device.
    HostDevice {
        /// Its path.
        filename: String,
    },
    /// An export of an NBD server.
    Nbd {
        /// Where the server listens.
        server: Server,
        /// The export's name.
        #[serde(skip_serializing_if = "Option::is_none")]
        export: Option<String>,
    },
    /// A file at a server.
    Http(Curl),
    /// A file at a server.
    Https(Curl),
    /// A file at a server.
    Ftp(Curl),
    /// A file at a server.
    Ftps(Curl),
    /// A unit of an iSCSI target.
    #[serde(rename_all = "kebab-case")]
    Iscsi {
        /// Where the target is, `host:port`.
        portal: String,
        /// The target.
        target: String,
        /// The unit's number.
        lun: u32,
        /// Always `tcp`.
        transport: &'static str,
        /// Who asks for it.
        #[serde(skip_serializing_if = "Option::is_none")]
        user: Option<String>,
        /// Name of the secret object with the user's password.
        #[serde(skip_serializing_if = "Option::is_none")]
        password_secret: Option<String>,
    },
    /// An image in a Ceph pool.
    #[serde(rename_all = "kebab-case")]
    Rbd {
        /// The pool.
        pool: String,
        /// The image.
        image: String,
        /// The snapshot that is meant.
        #[serde(skip_serializing_if = "Option::is_none")]
        snapshot: Option<String>,
        /// A configuration file.
        #[serde(skip_serializing_if = "Option::is_none")]
        conf: Option<String>,
        /// The monitors; without any the configuration has them.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        server: Vec<HostPort>,
        /// Who asks for it.
        #[serde(skip_serializing_if = "Option::is_none")]
        user: Option<String>,
        /// How the user is known.
        #[serde(skip_serializing_if = "Option::is_none")]
        auth_client_required: Option<[&'static str; 2]>,
        /// Name of the secret object with the user's key.
        #[serde(skip_serializing_if = "Option::is_none")]
        key_secret: Option<String>,
    },
    /// A file by SSH.
    Ssh {
        /// Its path.
        path: String,
        /// Where it is.
        server: HostPort,
    },
    /// A file of a Gluster volume.
    Gluster {
        /// The volume.
        volume: String,
        /// The file's path in it.
        path: String,
        /// Where the volume is.
        server: Vec<InetServer>,
    },
    /// A file of an NFS server.
    Nfs {
        /// Where it is.
        server: InetServer,
        /// Its path.
        path: String,
    },
}

/// What all protocols of URLs have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Curl {
    /// Where the file is.
    pub url: String,
    /// Who asks for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// Name of the secret object with the user's password.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password_secret: Option<String>,
}

/// A server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HostPort {
    /// Name or address.
    pub host: String,
    /// The port, a string to QEMU.
    pub port: String,
}

/// A server whose kind is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct InetServer {
    /// Always `inet`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// Name or address.
    pub host: String,
    /// The port, a string to QEMU.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<String>,
}

impl Protocol {
    pub(super) fn is_local(&self) -> bool {
        self.filename().is_some()
    }

    /// The same with the name of the secret that opens it; `None` where it takes none.
    pub(super) fn with_secret(mut self, name: String) -> Option<Self> {
        match &mut self {
            Self::Http(curl) | Self::Https(curl) | Self::Ftp(curl) | Self::Ftps(curl) => {
                curl.password_secret = Some(name);
            }
            Self::Iscsi {
                password_secret, ..
            } => *password_secret = Some(name),
            Self::Rbd { key_secret, .. } => *key_secret = Some(name),
            _ => return None,
        }
        Some(self)
    }

    /// The path of a file of this host.
    #[must_use]
    pub fn filename(&self) -> Option<&str> {
        match self {
            Self::File { filename } | Self::HostDevice { filename } => Some(filename),
            _ => None,
        }
    }
}

/// Where an NBD server listens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum Server {
    /// At a host and port.
    Inet {
        /// Name or address.
        host: String,
        /// The port, a string to QEMU.
        port: String,
    },
    /// At a socket of this host.
    Unix {
        /// The socket's path.
        path: String,
    },
}

impl From<&NbdServer> for Server {
    fn from(server: &NbdServer) -> Self {
        match server {
            NbdServer::Inet { host, port } => Self::Inet {
                host: host.clone(),
                port: port.clone(),
            },
            NbdServer::Unix { path } => Self::Unix { path: path.clone() },
        }
    }
}
