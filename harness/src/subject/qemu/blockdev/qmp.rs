//! The conversation with `qemu-storage-daemon`: QMP, JSON over its standard streams.
//!
//! All commands are given at once; they are answered in their order. What comes back is read as
//! types that keep no more than what is needed, so that it takes no more memory than its text.

use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Serialize};
use serde_json::de::SliceRead;

use super::given::Disk;

/// QMP over the standard streams.
pub(super) const ARGUMENTS: [&str; 4] = ["--chardev", "stdio,id=qmp", "--monitor", "chardev=qmp"];

const NODES: &str = "query-named-block-nodes";
const GRAPH: &str = "x-debug-query-block-graph";

/// Why the nodes are not known.
#[derive(Debug, thiserror::Error)]
pub(super) enum QmpError {
    /// QEMU doesn't make the nodes of a disk.
    #[error("{message}")]
    Refused {
        /// QEMU's own words.
        message: String,
    },
    /// It has no answer to a question about its nodes, as another version may.
    #[error("qemu-storage-daemon doesn't answer {command}: {message}")]
    Unanswered {
        /// The question.
        command: &'static str,
        /// QEMU's own words.
        message: String,
    },
    /// What it wrote is no answer.
    #[error("the answer to {command} can't be read: {source}")]
    Unreadable {
        /// The question.
        command: &'static str,
        /// What is wrong, with line and column.
        source: serde_json::Error,
    },
}

/// What QEMU tells of its nodes.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) blocks: Vec<Block>,
    pub(super) graph: Graph,
}

/// A node.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Block {
    pub(super) node_name: String,
    /// Its driver.
    pub(super) drv: String,
    /// What it was opened by: the path, of a node that is a file.
    pub(super) file: String,
    /// Whether it is read-only.
    pub(super) ro: bool,
}

/// Which node uses which.
#[derive(Debug, Deserialize)]
pub(super) struct Graph {
    pub(super) nodes: Vec<Node>,
    pub(super) edges: Vec<Edge>,
}

/// The number that edges have for a node.
#[derive(Debug, Deserialize)]
pub(super) struct Node {
    pub(super) id: u64,
    pub(super) name: String,
}

/// One node's use of another.
#[derive(Debug, Deserialize)]
pub(super) struct Edge {
    pub(super) parent: u64,
    pub(super) child: u64,
    /// As what it is used: `file`, `data-file`, `backing`.
    pub(super) name: String,
}

#[derive(Serialize)]
struct Command<T> {
    execute: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    arguments: Option<T>,
}

/// Without it each node is told together with everything below it.
#[derive(Serialize)]
struct Flat {
    flat: bool,
}

/// A greeting and an event have neither.
#[derive(Deserialize)]
#[serde(bound = "T: DeserializeOwned")]
struct Reply<T> {
    #[serde(rename = "return")]
    value: Option<T>,
    error: Option<Failure>,
}

#[derive(Deserialize)]
struct Failure {
    desc: String,
}

/// Everything that is said to the daemon: make the nodes, tell of them, end.
pub(super) fn script(disks: &[Disk]) -> serde_json::Result<Vec<u8>> {
    let mut text = Vec::new();
    command::<()>(&mut text, "qmp_capabilities", None)?;
    for disk in disks {
        command(&mut text, "blockdev-add", Some(disk))?;
    }
    command(&mut text, NODES, Some(Flat { flat: true }))?;
    command::<()>(&mut text, GRAPH, None)?;
    command::<()>(&mut text, "quit", None)?;
    Ok(text)
}

fn command<T: Serialize>(
    text: &mut Vec<u8>,
    execute: &'static str,
    arguments: Option<T>,
) -> serde_json::Result<()> {
    serde_json::to_writer(&mut *text, &Command { execute, arguments })?;
    text.push(b'\n');
    Ok(())
}

/// What the daemon wrote about the nodes of so many disks.
pub(super) fn told(output: &[u8], disks: usize) -> Result<Told, QmpError> {
    let mut replies = Replies(serde_json::Deserializer::from_slice(output));
    replies.next::<IgnoredAny>("qmp_capabilities")?;
    for _ in 0..disks {
        match replies.next::<IgnoredAny>("blockdev-add") {
            Err(QmpError::Unanswered { message, .. }) => return Err(QmpError::Refused { message }),
            other => other?,
        };
    }
    Ok(Told {
        blocks: replies.next(NODES)?,
        graph: replies.next(GRAPH)?,
    })
}

struct Replies<'a>(serde_json::Deserializer<SliceRead<'a>>);

impl Replies<'_> {
    /// The next reply, which is this command's.
    fn next<T: DeserializeOwned>(&mut self, command: &'static str) -> Result<T, QmpError> {
        loop {
            let reply = Reply::deserialize(&mut self.0);
            let reply: Reply<T> =
                reply.map_err(|source| QmpError::Unreadable { command, source })?;
            if let Some(Failure { desc: message }) = reply.error {
                return Err(QmpError::Unanswered { command, message });
            }
            if let Some(value) = reply.value {
                return Ok(value);
            }
        }
    }
}
