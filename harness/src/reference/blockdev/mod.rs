//! The graph of block nodes that QEMU is to be given for a domain's disks.
//!
//! The layout is libvirt's. Each layer has a node for its file and, unless it is raw, one for its
//! format; each data file is a node of its own that the format node names, so that QEMU opens that
//! file whatever the header says. The last layer says `"backing": null`, so that QEMU follows no
//! header either. Encrypted images need a secret besides, which is no part of this.

pub mod error;
mod layers;
pub mod node;
mod report;

pub use error::BlockdevError;
pub use node::Node;
pub use report::BlockdevReport;

use super::chain::{Access, Chain};
use super::domain::{Domain, DriverOptions};
use layers::{Image, Layer};
use node::{FormatNode, ProtocolNode};

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
    /// In the order in which QEMU has to make them.
    pub nodes: Vec<Node>,
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
        disks.push(disk_graph(&disk.target, &layers, disk.options, next_id));
        next_id += ids;
    }
    disks.reverse();
    Ok(Graph { disks })
}

/// The nodes of one disk, made from the bottom up, because QEMU wants children first.
fn disk_graph(target: &str, layers: &[Layer], options: DriverOptions, first: usize) -> DiskGraph {
    let mut id = first + layers.iter().map(Layer::ids).sum::<usize>();
    let mut nodes = Vec::new();
    let mut below: Option<String> = None;
    for layer in layers.iter().rev() {
        id -= layer.ids();
        let storage = format!("libvirt-{id}-storage");
        let read_only = layer.access == Access::ReadOnly;
        let Image::Formatted { driver, end } = layer.image else {
            let node = ProtocolNode::topmost(layer.protocol.clone(), storage.clone(), read_only);
            nodes.push(Node::Protocol(node.with(options)));
            below = Some(storage);
            continue;
        };
        let data_file = layer.data_file.as_ref().map(|data_file| {
            let name = format!("libvirt-{}-storage", id + 1);
            let read_only = data_file.access == Access::ReadOnly;
            let node = ProtocolNode::topmost(data_file.protocol.clone(), name.clone(), read_only);
            nodes.push(Node::Protocol(node.with(options)));
            name
        });
        let node = ProtocolNode::below_format(layer.protocol.clone(), storage.clone(), options);
        nodes.push(Node::Protocol(node));
        let name = format!("libvirt-{id}-format");
        nodes.push(Node::Format(FormatNode {
            node_name: name.clone(),
            read_only,
            discard: options.discard,
            detect_zeroes: options.detect_zeroes,
            cache: options.cache.map(Into::into),
            driver,
            data_file,
            file: storage,
            backing: end.backing(below.take()),
        }));
        below = Some(name);
    }
    DiskGraph {
        disk: target.to_owned(),
        drive: below.unwrap_or_default(),
        nodes,
    }
}
