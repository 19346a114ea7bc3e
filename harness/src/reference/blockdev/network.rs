//! Network disks as block nodes, as libvirt describes them to QEMU.

use super::protocol::{Curl, HostPort, InetServer, Protocol};
use crate::reference::domain::{NetworkDisk, Server};

/// What QEMU is told of a network disk, but for its secret; `None` where an option has no place.
pub(super) fn protocol(disk: &NetworkDisk) -> Option<Protocol> {
    match disk.protocol.as_str() {
        "http" | "https" | "ftp" | "ftps" => curl(disk),
        "gluster" => gluster(disk),
        "iscsi" => iscsi(disk),
        "nfs" => nfs(disk),
        "rbd" => rbd(disk),
        "ssh" => ssh(disk),
        _ => None,
    }
}

/// The only server of a disk that has no more to it than its name.
fn only_server(disk: &NetworkDisk) -> Option<&Server> {
    let plain = disk.query.is_none() && disk.snapshot.is_none() && disk.config.is_none();
    match disk.servers.as_slice() {
        [server] if plain => Some(server),
        _ => None,
    }
}

fn user(disk: &NetworkDisk) -> Option<String> {
    disk.auth.as_ref().map(|auth| auth.user.clone())
}

fn curl(disk: &NetworkDisk) -> Option<Protocol> {
    let without_query = NetworkDisk {
        query: None,
        ..disk.clone()
    };
    let server = only_server(&without_query)?;
    let port = match disk.protocol.as_str() {
        "http" => "80",
        "https" => "443",
        "ftp" => "21",
        _ => "990",
    };
    let path = disk.name.trim_start_matches('/');
    let query = disk.query.as_deref();
    // Whoever escapes what has to be escaped decides what the server is asked for.
    if !is_url_text(path) || !query.is_none_or(is_url_text) {
        return None;
    }
    let query = query.map(|query| format!("?{query}")).unwrap_or_default();
    let url = format!(
        "{}://{}/{path}{query}",
        disk.protocol,
        authority(server, port)?
    );
    let curl = Curl {
        url,
        username: user(disk),
        password_secret: None,
    };
    Some(match disk.protocol.as_str() {
        "http" => Protocol::Http(curl),
        "https" => Protocol::Https(curl),
        "ftp" => Protocol::Ftp(curl),
        _ => Protocol::Ftps(curl),
    })
}

fn is_url_text(text: &str) -> bool {
    text.bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"-._~/!$&'()*+,;=:@".contains(&byte))
}

/// `host:port`, an IPv6 address in brackets.
fn authority(server: &Server, default: &str) -> Option<String> {
    let port = server.port.as_deref().unwrap_or(default);
    let host = &server.host;
    let is_name = |host: &str| {
        host.bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte))
    };
    if host.contains(':') {
        let address: std::net::Ipv6Addr = host.parse().ok()?;
        return Some(format!("[{address}]:{port}"));
    }
    is_name(host).then(|| format!("{host}:{port}"))
}

/// The name is the target and, behind a slash, the number of the unit.
fn iscsi(disk: &NetworkDisk) -> Option<Protocol> {
    let (target, unit) = match disk.name.split_once('/') {
        Some((target, unit)) => (target, unit.parse().ok()?),
        None => (disk.name.as_str(), 0),
    };
    Some(Protocol::Iscsi {
        portal: authority(only_server(disk)?, "3260")?,
        target: target.to_owned(),
        lun: unit,
        transport: "tcp",
        user: user(disk),
        password_secret: None,
    })
}

/// The name is the pool and, behind a slash, the image. Without a server the configuration says it.
fn rbd(disk: &NetworkDisk) -> Option<Protocol> {
    let (pool, image) = disk.name.split_once('/')?;
    if disk.query.is_some() || image.contains('/') {
        return None;
    }
    let servers = disk.servers.iter().map(|server| {
        Some(HostPort {
            host: server.host.clone(),
            // Which port is Ceph's own depends on its version.
            port: server.port.clone()?,
        })
    });
    let has_auth = disk.auth.is_some();
    Some(Protocol::Rbd {
        pool: pool.to_owned(),
        image: image.to_owned(),
        snapshot: disk.snapshot.clone(),
        conf: disk.config.clone(),
        server: servers.collect::<Option<_>>()?,
        user: user(disk),
        auth_client_required: has_auth.then_some(["cephx", "none"]),
        key_secret: None,
    })
}

fn ssh(disk: &NetworkDisk) -> Option<Protocol> {
    let server = only_server(disk)?;
    let port = server.port.clone().unwrap_or_else(|| "22".to_owned());
    // Without one libvirt lets the library ask an agent, which no node describes.
    let plain = disk.auth.is_none();
    plain.then(|| Protocol::Ssh {
        path: disk.name.clone(),
        server: HostPort {
            host: server.host.clone(),
            port,
        },
    })
}

/// The name is the volume and, behind a slash, the path in it.
fn gluster(disk: &NetworkDisk) -> Option<Protocol> {
    let (volume, path) = disk.name.split_once('/')?;
    let plain = disk.query.is_none() && disk.snapshot.is_none() && disk.config.is_none();
    let server = disk.servers.iter().map(|server| InetServer {
        kind: "inet",
        host: server.host.clone(),
        port: server.port.clone().or_else(|| Some("24007".to_owned())),
    });
    let server: Vec<_> = server.collect();
    (plain && disk.auth.is_none() && !server.is_empty()).then(|| Protocol::Gluster {
        volume: volume.to_owned(),
        path: path.to_owned(),
        server,
    })
}

fn nfs(disk: &NetworkDisk) -> Option<Protocol> {
    let server = only_server(disk)?;
    let plain = disk.auth.is_none() && server.port.is_none();
    plain.then(|| Protocol::Nfs {
        server: InetServer {
            kind: "inet",
            host: server.host.clone(),
            port: None,
        },
        path: disk.name.clone(),
    })
}
