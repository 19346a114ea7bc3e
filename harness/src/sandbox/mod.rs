//! Long-lived worker processes, each in namespaces of its own with a private tmpfs as the only writable place.
//!
//! A worker is this binary executed again: [`run_if_worker`] as the first statement of `main` turns such a process
//! into one, [`Worker::start`] makes it and [`Worker::call`] sends it a line and waits for the answer. Inside a
//! worker, [`Confined`] runs other programs in a user namespace narrower still. What the machine allows is found by
//! trying, with [`capabilities`].

mod capability;
mod companion;
mod confined;
mod fence;
mod id_map;
mod inside;
mod root;
mod streams;
mod sys;
mod unavailable;
mod wire;
mod worker;

use std::io;
use std::path::PathBuf;

pub use capability::{Capability, capabilities};
pub use companion::{Companion, Lost};
pub use confined::{Confined, Finished, How, Limits};
pub use id_map::{Extent, IdMap, MapWriter};
pub use inside::run_if_worker;
pub use worker::{CallError, Worker};

/// How a worker is set up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Which ids exist inside.
    pub id_map: IdMap,
    /// Size of the private tmpfs, in bytes.
    pub tmpfs_bytes: u64,
    /// Number of files that the private tmpfs can hold.
    pub tmpfs_inodes: u64,
    /// Extra files and folders of the host, absolute paths, visible read-only at the same path.
    pub visible: Vec<PathBuf>,
    /// The same at paths of their own: where on the host, where inside.
    pub placed: Vec<(PathBuf, PathBuf)>,
    /// A folder of the host that takes the place of its system, read-only; `/dev`, `/proc`, `/run`, `/sys` and `/tmp`
    /// in it don't count.
    pub root: Option<PathBuf>,
}

impl Settings {
    /// The usual sizes (256 MiB, 65,536 files) and nothing extra visible.
    #[must_use]
    pub fn new(id_map: IdMap) -> Self {
        Self {
            id_map,
            tmpfs_bytes: 256 << 20,
            tmpfs_inodes: 1 << 16,
            visible: Vec::new(),
            placed: Vec::new(),
            root: None,
        }
    }
}

/// Why a sandbox, or a program in it, could not be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SandboxError {
    /// This machine gives us no user namespace.
    #[error("user namespaces are not available: {reason}")]
    Unavailable {
        /// What was seen, with the most likely cause.
        reason: String,
        /// What the user can do about it.
        hint: String,
    },
    /// One step of the set-up failed.
    #[error("sandbox set-up failed at {step}: {source}")]
    SetUp {
        /// The system call or file, such as `mount tmpfs`.
        step: String,
        /// The error of that step.
        source: io::Error,
    },
    /// The worker ended, hung or answered nonsense before it was ready.
    #[error("the worker did not become ready: {how}")]
    NotReady {
        /// What happened to it.
        how: String,
    },
    /// A subject's program could not be started.
    #[error("{}: can't be started: {source}", program.display())]
    Subject {
        /// The program as it was asked for.
        program: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// [`Confined::run`] was called in a process that is no worker.
    #[error("programs are confined inside a worker only")]
    NotInWorker,
}

impl SandboxError {
    fn at(step: impl Into<String>, source: impl Into<io::Error>) -> Self {
        Self::SetUp {
            step: step.into(),
            source: source.into(),
        }
    }
}
