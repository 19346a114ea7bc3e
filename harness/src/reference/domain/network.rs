//! `<source protocol=...>`: what a network disk is.
//!
//! A source is described as far as libvirt says what the emulator gets for it. One with any
//! element besides, such as credentials in cookies or a certificate, is known by its protocol
//! only: leaving the element out would describe another disk.

use super::tree::Element;
use super::{Auth, NbdServer, NetworkDisk, Remote, Secret, Server};

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
