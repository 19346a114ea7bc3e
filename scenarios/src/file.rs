//! The files of a case: what each holds, and its state before the first step.

use std::collections::BTreeMap;

use qconform_generators::recipe::{
    Bytes, Content, Directory, Fifo, HardLink, Qcow2, Raw, Socket, Symlink,
};
use serde::{Deserialize, Serialize};

use crate::error::Fault;
use crate::verdict::Level;

/// Owner and group, as ids of the sandbox's user namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Owner {
    /// User id.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
}

impl Owner {
    /// Reads `uid:gid`, both decimal; libvirt's leading `+` is allowed.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (uid, gid) = text.split_once(':')?;
        let number = |text: &str| text.strip_prefix('+').unwrap_or(text).parse().ok();
        Some(Owner {
            uid: number(uid)?,
            gid: number(gid)?,
        })
    }
}

impl std::fmt::Display for Owner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.uid, self.gid)
    }
}

/// What a fixture lies on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FileSystem {
    /// The worker's own tmpfs, which has every extended attribute.
    #[default]
    Tmpfs,
    /// A ramfs, which has none.
    Ramfs,
    /// An overlay, whose files are copied up when they first change.
    Overlay,
    /// The tmpfs, seen through a mount that can't be written.
    ReadOnly,
}

impl FileSystem {
    /// The capability of a machine that it takes.
    #[must_use]
    pub fn capability(self) -> Option<&'static str> {
        match self {
            Self::Tmpfs => None,
            Self::Ramfs => Some("no-xattr-fs"),
            Self::Overlay => Some("overlay"),
            Self::ReadOnly => Some("read-only-mount"),
        }
    }

    /// Whether files can have labels and records.
    #[must_use]
    pub fn has_attributes(self) -> bool {
        self != Self::Ramfs
    }
}

/// One file of a fixture with the state it starts from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CaseFile {
    /// What it holds.
    pub content: Content,
    /// Who owns it.
    pub owner: Owner,
    /// Permission bits.
    pub mode: u32,
    /// SELinux label; `None` for a file that has none.
    pub label: Option<String>,
    /// Further extended attributes, which nobody may change. A `trusted.NAME`, which only the
    /// host's root could set, is set as `security.trusted.NAME`.
    pub xattrs: BTreeMap<String, Bytes>,
    /// Whether no subject may open or touch it.
    pub decoy: bool,
}

/// All files of a case, by name relative to the fixture's folder.
pub type CaseFiles = BTreeMap<String, CaseFile>;

/// A file as a scenario writes it.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct FileSpec {
    qcow2: Option<Box<Qcow2>>,
    raw: Option<Raw>,
    symlink: Option<Symlink>,
    directory: Option<Directory>,
    fifo: Option<Fifo>,
    socket: Option<Socket>,
    hard_link: Option<HardLink>,
    owner: Option<String>,
    mode: Option<String>,
    label: Option<String>,
    #[serde(default)]
    xattrs: BTreeMap<String, Bytes>,
    #[serde(default)]
    decoy: bool,
}

impl FileSpec {
    fn content(&self) -> Result<Content, String> {
        let contents = [
            self.qcow2.clone().map(Content::Qcow2),
            self.raw.clone().map(Content::Raw),
            self.symlink.clone().map(Content::Symlink),
            self.directory.clone().map(Content::Directory),
            self.fifo.clone().map(Content::Fifo),
            self.socket.clone().map(Content::Socket),
            self.hard_link.clone().map(Content::HardLink),
        ];
        let mut given = contents.into_iter().flatten();
        match (given.next(), given.next()) {
            (Some(content), None) => Ok(content),
            (None, _) => Err(
                "say what the file holds: qcow2, raw, symlink, directory, fifo, socket or \
                 hard-link"
                    .to_owned(),
            ),
            (Some(_), Some(_)) => Err("a file holds one thing only".to_owned()),
        }
    }

    /// The typed file; `number` is its place in the fixture, from 1.
    fn build(
        &self,
        level: Level,
        filesystem: FileSystem,
        number: u32,
    ) -> Result<CaseFile, (&'static str, String)> {
        let content = self.content().map_err(|message| ("", message))?;
        let state = State::of(level, number, &content);
        let owner = match &self.owner {
            Some(text) => Owner::parse(text)
                .ok_or_else(|| ("owner", format!("`{text}` is not of the form uid:gid")))?,
            None => state.owner,
        };
        let mode = match &self.mode {
            Some(text) => u32::from_str_radix(text, 8)
                .ok()
                .filter(|mode| *mode <= 0o7777)
                .ok_or_else(|| ("mode", format!("`{text}` is not an octal mode")))?,
            None => state.mode,
        };
        let label = match self.label.as_deref() {
            Some("none") => None,
            Some(text) => Some(text.to_owned()),
            None => state.label.filter(|_| filesystem.has_attributes()),
        };
        let xattrs = self.xattrs.clone();
        Ok(CaseFile {
            content,
            owner,
            mode,
            label,
            xattrs,
            decoy: self.decoy,
        })
    }
}

/// The state a file starts from unless the scenario says otherwise.
struct State {
    owner: Owner,
    mode: u32,
    label: Option<String>,
}

impl State {
    /// Label cases give every file an owner and a label of its own, so that a file
    /// restored to another file's state is noticed. Other levels need files that a
    /// reader without privileges can open. A folder is open to all at every level.
    fn of(level: Level, number: u32, content: &Content) -> Self {
        if let Content::Directory(_) = content {
            return State {
                owner: Owner { uid: 0, gid: 0 },
                mode: 0o755,
                label: None,
            };
        }
        if level != Level::Label {
            return State {
                owner: Owner { uid: 0, gid: 0 },
                mode: 0o644,
                label: None,
            };
        }
        State {
            owner: Owner {
                uid: 4000 + number,
                gid: 5000 + number,
            },
            mode: 0o600,
            label: Some(format!("system_u:object_r:fixture{number}_t:s0")),
        }
    }
}

/// Types all files of a scenario and checks the recipe they make.
pub(crate) fn build(
    specs: &BTreeMap<String, FileSpec>,
    level: Level,
    filesystem: FileSystem,
) -> Result<CaseFiles, Fault> {
    let mut files = CaseFiles::new();
    for (number, (name, spec)) in (1..).zip(specs) {
        let file = spec
            .build(level, filesystem, number)
            .map_err(|(key, message)| {
                let fault = Fault::at(["files", name], message);
                if key.is_empty() {
                    fault
                } else {
                    fault.at_key(key)
                }
            })?;
        files.insert(name.clone(), file);
    }
    recipe(&files, 0)
        .check()
        .map_err(|error| Fault::at(["files"], error.to_string()))?;
    Ok(files)
}

/// The recipe that writes these files.
#[must_use]
pub fn recipe(files: &CaseFiles, seed: u64) -> qconform_generators::recipe::Recipe {
    let files = files
        .iter()
        .map(|(name, file)| (name.clone(), file.content.clone()))
        .collect();
    qconform_generators::recipe::Recipe { seed, files }
}
