//! The graph of block nodes that QEMU is to be given for a domain's disks.
//!
//! The layout is libvirt's. Each layer has a node for its file and, unless it is raw, one for its
//! format; each data file is a node of its own that the format node names, so that QEMU opens that
//! file whatever the header says. The last layer says `"backing": null`, so that QEMU follows no
//! header either. What opens an encrypted image, or proves to a server who asks, is named: secret
//! objects under libvirt's names, whose values the caller has.

mod declared;
pub mod error;
mod layers;
mod network;
pub mod node;
pub mod protocol;
mod report;

pub use error::BlockdevError;
pub use node::Node;
pub use report::BlockdevReport;

use super::chain::{Access, Chain};
use super::domain::{Disk, Domain, DriverOptions, Secret};
use layers::{Endpoint, Image, Layer};
use node::{Encrypt, FormatNode, ProtocolNode};
use protocol::Protocol;

/// The nodes of every disk that has a source, disks in document order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Graph {
    /// The disks.
    pub disks: Vec<DiskGraph>,
}

/// The nodes of one disk.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct DiskGraph {
    /// The target device, such as `vda`.
    pub disk: String,
    /// Name of the node that the device uses.
    pub drive: String,
    /// Secret objects that have to be there first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<SecretObject>,
    /// In the order in which QEMU has to make them.
    pub nodes: Vec<Node>,
}

/// A secret object that nodes name.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct SecretObject {
    /// Its name.
    pub id: String,
    /// Which of libvirt's secrets it holds.
    pub secret: Secret,
}

/// Describes the nodes of a domain.
///
/// # Errors
///
/// [`BlockdevError`] for what QEMU or this system has no node for.
pub fn graph(domain: &Domain, chain: &Chain) -> Result<Graph, BlockdevError> {
    let mut disks = Vec::new();
    let mut next_id = 1;
    let by_disk = chain.by_disk();
    // libvirt counts from the last disk, and in each disk from the top.
    for disk in domain.disks.iter().rev() {
        let Some(files) = by_disk.get(disk.target.as_str()) else {
            continue;
        };
        let layers = layers::of_disk(disk, files)?;
        let ids: usize = layers.iter().map(Layer::ids).sum();
        disks.push(Builder::new(disk, next_id + ids).build(layers)?);
        next_id += ids;
    }
    disks.reverse();
    Ok(Graph { disks })
}

/// Makes the nodes of one disk from the bottom up, because QEMU wants children first.
struct Builder<'a> {
    disk: &'a Disk,
    options: DriverOptions,
    /// One more than the number of the next layer's last node.
    next_id: usize,
    secrets: Vec<SecretObject>,
    nodes: Vec<Node>,
}

impl<'a> Builder<'a> {
    fn new(disk: &'a Disk, next_id: usize) -> Self {
        Self {
            disk,
            options: disk.options,
            next_id,
            secrets: Vec::new(),
            nodes: Vec::new(),
        }
    }

    fn build(mut self, layers: Vec<Layer>) -> Result<DiskGraph, BlockdevError> {
        let mut below = None;
        for layer in layers.into_iter().rev() {
            self.next_id -= layer.ids();
            below = Some(self.layer(layer, below)?);
        }
        Ok(DiskGraph {
            disk: self.disk.target.clone(),
            drive: below.unwrap_or_default(),
            secrets: self.secrets,
            nodes: self.nodes,
        })
    }

    /// Makes a layer's nodes and gives the name of the topmost one.
    fn layer(&mut self, layer: Layer, below: Option<String>) -> Result<String, BlockdevError> {
        let storage = format!("libvirt-{}-storage", self.next_id);
        let Image::Formatted { driver, end } = layer.image else {
            self.topmost(layer.endpoint, storage.clone(), layer.access)?;
            return Ok(storage);
        };
        let data_file = match layer.data_file {
            Some(data_file) => {
                let name = format!("libvirt-{}-storage", self.next_id + 1);
                self.topmost(data_file.endpoint, name.clone(), data_file.access)?;
                Some(name)
            }
            None => None,
        };
        let protocol = self.protocol(layer.endpoint, &storage)?;
        let node = ProtocolNode::below_format(protocol, storage.clone(), self.options);
        self.nodes.push(Node::Protocol(node));
        let name = format!("libvirt-{}-format", self.next_id);
        let secret = layer
            .secret
            .map(|secret| self.secret(format!("{name}-encryption-secret0"), secret));
        // A format of its own, or inside another one.
        let (key_secret, inside) = match driver {
            "luks" => (secret, None),
            _ => (None, secret),
        };
        self.nodes.push(Node::Format(FormatNode {
            node_name: name.clone(),
            read_only: layer.access == Access::ReadOnly,
            discard: self.options.discard,
            detect_zeroes: self.options.detect_zeroes,
            cache: self.options.cache.map(Into::into),
            driver,
            key_secret,
            encrypt: inside.map(|key_secret| Encrypt {
                format: "luks",
                key_secret,
            }),
            data_file,
            file: storage,
            backing: end.backing(below),
        }));
        Ok(name)
    }

    /// Makes the node of a raw image or a data file.
    fn topmost(
        &mut self,
        endpoint: Endpoint,
        name: String,
        access: Access,
    ) -> Result<(), BlockdevError> {
        let protocol = self.protocol(endpoint, &name)?;
        let node = ProtocolNode::topmost(protocol, name, access == Access::ReadOnly);
        self.nodes.push(Node::Protocol(node.with(self.options)));
        Ok(())
    }

    fn protocol(&mut self, endpoint: Endpoint, node: &str) -> Result<Protocol, BlockdevError> {
        let Some(secret) = endpoint.secret else {
            return Ok(endpoint.protocol);
        };
        let name = self.secret(format!("{node}-auth-secret0"), secret);
        let with_secret = endpoint.protocol.with_secret(name);
        with_secret.ok_or_else(|| BlockdevError::UnsupportedOption {
            disk: self.disk.target.clone(),
            option: "auth",
        })
    }

    fn secret(&mut self, id: String, secret: Secret) -> String {
        let object = SecretObject {
            id: id.clone(),
            secret,
        };
        self.secrets.push(object);
        id
    }
}
