//! A case: one question to a subject, with everything needed to ask and judge it.

use std::sync::Arc;

use qconform_generators::recipe::{Bytes, Content};
use serde::{Deserialize, Serialize};

use crate::expect::Expectation;
use crate::file::{CaseFiles, FileSystem, Owner};
use crate::secret::Secrets;
use crate::verdict::Level;

mod step;

pub use step::{CommitAsk, Step, StepAsk};

/// The pair of SELinux categories of a case's second domain.
pub const SECOND_CATEGORY_PAIR: (u32, u32) = (55, 201);

/// Where a case finds a block device of the host, if there is one. It can be looked at only.
pub const BLOCK_DEVICE: &str = "/dev/block-device";

/// One choice of every axis of a scenario, fully typed.
#[derive(Debug, Clone, Serialize)]
pub struct Case {
    /// Stable id: the scenario's path and the choices.
    pub id: String,
    /// One sentence on what is shown.
    pub title: String,
    /// Ids of the requirements that this case tests.
    pub requirements: Vec<String>,
    /// The fixture, which cases beside each other may share.
    pub files: Arc<CaseFiles>,
    /// What the fixture lies on.
    pub filesystem: FileSystem,
    /// The question.
    pub ask: Ask,
    /// Credentials in the files or the domain that no answer may show.
    #[serde(skip_serializing_if = "Secrets::is_empty")]
    pub secrets: Secrets,
    /// The answer that is right.
    pub expectation: Expectation,
}

/// The question of a case. This is all that a subject's side ever sees of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "level", rename_all = "kebab-case")]
pub enum Ask {
    /// The facts in an image's header.
    Header(ImageAsk),
    /// Open an image and everything that it needs, for reading.
    Open(ImageAsk),
    /// Guest bytes of an image.
    Read {
        /// The image.
        image: ImageAsk,
        /// Guest offsets in bytes.
        offsets: Vec<u64>,
        /// Bytes to read at each offset.
        length: u32,
    },
    /// Every file that a domain would use.
    Access(DomainAsk),
    /// Relabelling, step by step.
    Label(LabelAsk),
    /// The graph of block nodes that QEMU would be given for a domain.
    Blockdev(DomainAsk),
    /// A domain read and written again.
    Xml(XmlAsk),
}

/// An image and how its format is declared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageAsk {
    /// File name in the fixture.
    pub file: String,
    /// The declared format; `None` means it is to be probed.
    pub format: Option<String>,
}

/// A domain whose chain or block nodes are asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DomainAsk {
    /// libvirt XML.
    pub xml: String,
}

/// A domain that is to be written again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct XmlAsk {
    /// libvirt XML.
    pub xml: String,
    /// How it is to be written.
    pub form: Form,
}

/// A form of a domain's XML.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Form {
    /// As it runs, with everything that headers name.
    #[default]
    Runtime,
    /// As it is defined, for the next start.
    Persistent,
}

impl Form {
    /// The name used in scenarios and by the protocol.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Form::Runtime => "runtime",
            Form::Persistent => "persistent",
        }
    }
}

/// A domain that is taken through steps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LabelAsk {
    /// libvirt XML of the domain as it starts.
    pub xml: String,
    /// What stands in libvirt's qemu.conf.
    pub config: LabelConfig,
    /// The steps, in order.
    pub steps: Vec<StepAsk>,
}

impl LabelAsk {
    /// Whether no domain runs any more after the last step.
    #[must_use]
    pub fn ends_idle(&self) -> bool {
        step::all_ended(self.steps.iter().map(|ask| ask.step))
    }
}

/// A security driver.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Driver {
    /// Owner and group.
    Dac,
    /// SELinux label.
    Selinux,
}

impl Driver {
    /// The name used in scenarios and reports.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Driver::Dac => "dac",
            Driver::Selinux => "selinux",
        }
    }
}

/// The host's configuration of relabelling, as in libvirt's qemu.conf.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LabelConfig {
    /// User and group that a domain runs as.
    pub user: Owner,
    /// Whether original owners and labels are remembered.
    pub remember: bool,
    /// Whether owners are changed at all.
    pub dynamic_ownership: bool,
    /// The drivers in use.
    pub drivers: Vec<Driver>,
    /// The domain's pair of SELinux categories.
    pub category_pair: (u32, u32),
    /// Whether records of files that can't carry them may be kept in a folder.
    pub state_directory: bool,
    /// Whether records may be kept where a file's owner can forge them.
    pub user_records: bool,
}

impl Default for LabelConfig {
    fn default() -> Self {
        LabelConfig {
            user: Owner {
                uid: 64055,
                gid: 64055,
            },
            remember: true,
            dynamic_ownership: true,
            drivers: vec![Driver::Dac, Driver::Selinux],
            category_pair: (107, 642),
            state_directory: false,
            user_records: false,
        }
    }
}

impl Case {
    /// What the case asks.
    #[must_use]
    pub fn level(&self) -> Level {
        self.ask.level()
    }

    /// Names of the capabilities of a machine without which the case can't be run.
    #[must_use]
    pub fn needs(&self) -> Vec<&'static str> {
        let states_differ = self
            .files
            .values()
            .any(|file| file.owner != Owner { uid: 0, gid: 0 });
        let mut needs = Vec::new();
        if states_differ || self.level() == Level::Label {
            needs.extend(["id-range", "chown"]);
        }
        if self.level() == Level::Label {
            needs.extend(["selinux-xattr", "no-selinux-kernel", "security-xattr"]);
        }
        needs.extend(self.filesystem.capability());
        if self.mentions_block_device() {
            needs.push("device-nodes");
        }
        needs
    }

    /// Whether the domain or a header names [`BLOCK_DEVICE`].
    fn mentions_block_device(&self) -> bool {
        let named = |name: &Option<Bytes>| {
            let name = name.as_ref().map(Bytes::to_bytes);
            name.is_some_and(|name| name == BLOCK_DEVICE.as_bytes())
        };
        let mut contents = self.files.values().map(|file| &file.content);
        let in_header = contents.any(|content| match content {
            Content::Qcow2(image) => named(&image.data_file) || named(&image.backing),
            _ => false,
        });
        in_header || self.ask.xml().is_some_and(|xml| xml.contains(BLOCK_DEVICE))
    }
}

impl Ask {
    /// The domain that the question is about.
    fn xml(&self) -> Option<&str> {
        match self {
            Ask::Header(_) | Ask::Open(_) | Ask::Read { .. } => None,
            Ask::Access(ask) | Ask::Blockdev(ask) => Some(&ask.xml),
            Ask::Xml(ask) => Some(&ask.xml),
            Ask::Label(ask) => Some(&ask.xml),
        }
    }

    /// The level of the question.
    #[must_use]
    pub fn level(&self) -> Level {
        match self {
            Ask::Header(_) => Level::Header,
            Ask::Open(_) => Level::Open,
            Ask::Read { .. } => Level::Read,
            Ask::Access(_) => Level::Access,
            Ask::Label(_) => Level::Label,
            Ask::Blockdev(_) => Level::Blockdev,
            Ask::Xml(_) => Level::Xml,
        }
    }
}
