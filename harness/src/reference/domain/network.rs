//! `<source protocol=...>`: what a network disk is.
//!
//! A source is described as far as libvirt says what the emulator gets for it. One with any
//! element besides, such as credentials in cookies or a certificate, is known by its protocol
//! only: leaving the element out would describe another disk.

use super::Secret;
use super::tree::Element;

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

/// What may stand in a source without making it another one.
const UNDERSTOOD: [&str; 7] = [
    "auth",
    "config",
    "dataStore",
    "encryption",
    "host",
    "seclabel",
    "snapshot",
];

/// The source of a `type='network'`.
pub(super) fn read(source: Option<&Element>) -> Remote {
    let attribute = |name| source.and_then(|source| source.attribute(name));
    let protocol = attribute("protocol").unwrap_or("network");
    let described =
        source
            .filter(|source| is_understood(source))
            .and_then(|source| match protocol {
                "nbd" => nbd(source),
                _ => disk(source, protocol).map(Box::new).map(Remote::Network),
            });
    described.unwrap_or_else(|| Remote::Other(protocol.to_owned()))
}

fn is_understood(source: &Element) -> bool {
    // Encryption on the way needs credentials that stand elsewhere.
    let plain = source.attribute("tls").is_none_or(|tls| tls == "no");
    let mut elements = source.elements();
    plain && elements.all(|element| UNDERSTOOD.contains(&element.name.as_str()))
}

fn nbd(source: &Element) -> Option<Remote> {
    let server = nbd_server(source.child("host")?)?;
    let export = source.attribute("name").map(str::to_owned);
    let credentials = source.child("auth").is_some();
    (!credentials).then_some(Remote::Nbd { server, export })
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

fn disk(source: &Element, protocol: &str) -> Option<NetworkDisk> {
    let inside = |element: &str, name: &str| {
        let found = source.child(element)?.attribute(name)?;
        Some(found.to_owned())
    };
    Some(NetworkDisk {
        protocol: protocol.to_owned(),
        name: source.attribute("name")?.to_owned(),
        query: source.attribute("query").map(str::to_owned),
        servers: source.children("host").map(server).collect::<Option<_>>()?,
        auth: match source.child("auth") {
            Some(element) => Some(auth(element)?),
            None => None,
        },
        snapshot: inside("snapshot", "name"),
        config: inside("config", "file"),
    })
}

fn auth(element: &Element) -> Option<Auth> {
    Some(Auth {
        user: element.attribute("username")?.to_owned(),
        secret: Secret::of_element(element.child("secret")?),
    })
}

/// A host by TCP, the only transport that all protocols have.
fn server(host: &Element) -> Option<Server> {
    let tcp = host.attribute("transport").is_none_or(|it| it == "tcp");
    let server = Server {
        host: host.attribute("name")?.to_owned(),
        port: host.attribute("port").map(str::to_owned),
    };
    tcp.then_some(server)
}
