//! A graph of block nodes as layers: from the nodes as they are printed, not from the chain that
//! they were made of.

use crate::reference::blockdev::node::{FormatNode, ProtocolNode};
use crate::reference::blockdev::{DiskGraph, Node};
use crate::subject::{DataFileNode, LayerFact};

/// The layers that are reached from a disk's device, top first.
pub(super) fn of_disk(graph: &DiskGraph) -> Vec<LayerFact> {
    let mut layers = Vec::new();
    let mut next = node(graph, &graph.drive);
    while let Some(current) = next {
        let below = match current {
            Node::Format(format) => format.backing.iter().flatten().next(),
            Node::Protocol(_) => None,
        };
        next = below.and_then(|name| node(graph, name));
        layers.push(layer(graph, current, next));
    }
    layers
}

fn layer(graph: &DiskGraph, current: &Node, below: Option<&Node>) -> LayerFact {
    let file = image(graph, current).map(filename).unwrap_or_default();
    let backing = below.and_then(|node| image(graph, node)).map(filename);
    match current {
        Node::Format(format) => LayerFact {
            file,
            driver: format.driver.to_owned(),
            read_only: format.read_only,
            data_file: data_file(graph, format),
            backing,
        },
        Node::Protocol(protocol) => LayerFact {
            file,
            driver: "raw".to_owned(),
            read_only: protocol.read_only.unwrap_or(false),
            data_file: None,
            backing,
        },
    }
}

fn data_file(graph: &DiskGraph, format: &FormatNode) -> Option<DataFileNode> {
    let node = image(graph, node(graph, format.data_file.as_deref()?)?)?;
    Some(DataFileNode {
        file: filename(node),
        read_only: node.read_only.unwrap_or(false),
    })
}

/// The node that reaches an image's file.
fn image<'a>(graph: &'a DiskGraph, current: &'a Node) -> Option<&'a ProtocolNode> {
    match current {
        Node::Protocol(protocol) => Some(protocol),
        Node::Format(format) => match node(graph, &format.file)? {
            Node::Protocol(protocol) => Some(protocol),
            Node::Format(_) => None,
        },
    }
}

fn filename(node: &ProtocolNode) -> String {
    node.protocol.filename().unwrap_or_default().to_owned()
}

fn node<'a>(graph: &'a DiskGraph, name: &str) -> Option<&'a Node> {
    graph.nodes.iter().find(|node| node.name() == name)
}
