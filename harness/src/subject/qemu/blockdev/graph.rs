//! From the nodes that QEMU tells of to a disk's layers.

use std::collections::HashMap;
use std::path::Path;

use qconform_generators::file_name::path_text;

use super::qmp::{Block, Told};
use crate::subject::{DataFileNode, LayerFact};

/// Drivers of nodes that are files or devices of this host.
const FILES: [&str; 3] = ["file", "host_cdrom", "host_device"];

/// Why a graph can't be read as layers.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum GraphError {
    /// Nobody tells of a node that is needed.
    #[error("qemu-storage-daemon doesn't tell of node {0}")]
    NoNode(String),
    /// Nodes use one another in a circle.
    #[error("the nodes below {0} have no end")]
    Endless(String),
    /// An image lies in something that has no path.
    #[error("node {node} is of driver {driver}, which is no file")]
    NoFile {
        /// The node.
        node: String,
        /// Its driver.
        driver: String,
    },
    /// QMP writes another character for what isn't UTF-8.
    #[error("QMP has no name that is not UTF-8: {0:?}")]
    NotUtf8(String),
}

impl GraphError {
    /// Whether it is about something that QEMU may well do, and that has no words here.
    pub(super) fn is_untold(&self) -> bool {
        match self {
            Self::NoFile { .. } | Self::NotUtf8(_) => true,
            Self::NoNode(_) | Self::Endless(_) => false,
        }
    }
}

/// A node with its number in the graph.
#[derive(Clone, Copy)]
struct Node<'a> {
    id: u64,
    block: &'a Block,
}

/// The nodes of a daemon that ran in this folder.
pub(super) struct Nodes<'a> {
    folder: &'a Path,
    blocks: HashMap<&'a str, &'a Block>,
    names: HashMap<u64, &'a str>,
    ids: HashMap<&'a str, u64>,
    children: HashMap<(u64, &'a str), u64>,
}

impl<'a> Nodes<'a> {
    pub(super) fn of(told: &'a Told, folder: &'a Path) -> Self {
        let graph = &told.graph;
        let names = graph.nodes.iter().map(|node| (node.id, node.name.as_str()));
        let edges = graph.edges.iter();
        Self {
            folder,
            blocks: told
                .blocks
                .iter()
                .map(|block| (block.node_name.as_str(), block))
                .collect(),
            names: names.clone().collect(),
            ids: names.map(|(id, name)| (name, id)).collect(),
            children: edges
                .map(|edge| ((edge.parent, edge.name.as_str()), edge.child))
                .collect(),
        }
    }

    /// The layers from the node of this name on, top first.
    pub(super) fn layers(&self, top: &str) -> Result<Vec<LayerFact>, GraphError> {
        let mut layers = Vec::new();
        let mut next = Some(self.named(top)?);
        while let Some(node) = next {
            if layers.len() == self.blocks.len() {
                return Err(GraphError::Endless(top.to_owned()));
            }
            let below = self.child(node, "backing")?;
            layers.push(self.layer(node, below)?);
            next = below;
        }
        Ok(layers)
    }

    fn named(&self, name: &str) -> Result<Node<'a>, GraphError> {
        let found = self.ids.get(name).zip(self.blocks.get(name));
        let (id, block) = found.ok_or_else(|| GraphError::NoNode(name.to_owned()))?;
        Ok(Node { id: *id, block })
    }

    /// The node that another one uses as this, if it uses one.
    fn child(&self, parent: Node<'_>, role: &str) -> Result<Option<Node<'a>>, GraphError> {
        let Some(id) = self.children.get(&(parent.id, role)) else {
            return Ok(None);
        };
        match self.names.get(id) {
            Some(name) => self.named(name).map(Some),
            None => Err(GraphError::NoNode(format!("number {id}"))),
        }
    }

    fn layer(&self, node: Node<'_>, below: Option<Node<'_>>) -> Result<LayerFact, GraphError> {
        let is_file = FILES.contains(&node.block.drv.as_str());
        let driver = if is_file { "raw" } else { &node.block.drv };
        let data_file = self.child(node, "data-file")?.map(|data_file| {
            Ok(DataFileNode {
                file: self.path(data_file)?,
                read_only: data_file.block.ro,
            })
        });
        Ok(LayerFact {
            file: self.path(node)?,
            driver: driver.to_owned(),
            read_only: node.block.ro,
            data_file: data_file.transpose()?,
            backing: below.map(|below| self.path(below)).transpose()?,
        })
    }

    /// The path of the file that a node's bytes lie in.
    fn path(&self, node: Node<'_>) -> Result<String, GraphError> {
        let mut storage = node;
        for _ in 0..self.blocks.len() {
            let Some(below) = self.child(storage, "file")? else {
                return self.path_of(storage.block);
            };
            storage = below;
        }
        Err(GraphError::Endless(node.block.node_name.clone()))
    }

    /// QEMU takes relative names against its working directory.
    fn path_of(&self, block: &Block) -> Result<String, GraphError> {
        if !FILES.contains(&block.drv.as_str()) {
            return Err(GraphError::NoFile {
                node: block.node_name.clone(),
                driver: block.drv.clone(),
            });
        }
        if block.file.contains(char::REPLACEMENT_CHARACTER) {
            return Err(GraphError::NotUtf8(block.file.clone()));
        }
        Ok(path_text(&self.folder.join(&block.file)))
    }
}
