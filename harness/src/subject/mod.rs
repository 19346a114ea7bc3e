//! Subjects: the implementations under test, and what they answer.
//!
//! A subject lives inside a worker of the sandbox and is made anew for each case. It
//! sees the question of a case and the fixture, never what is expected.

use std::path::Path;

use qconform_scenarios::case::{Form, ImageAsk, LabelConfig, StepAsk};
use qconform_scenarios::verdict::Level;
use serde::{Deserialize, Serialize};

pub mod adapter;
pub mod protocol;
mod qemu;
pub mod reference;

use reference::Reference;

/// What a subject is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Description {
    /// Version of the implementation.
    pub version: String,
    /// Levels that it can be asked for.
    pub levels: Vec<Level>,
    /// Beginnings of the names of extended attributes in which it keeps records.
    pub records: Vec<String>,
    /// What it refuses by design.
    #[serde(default)]
    pub refusals: Refusals,
}

/// What a subject refuses by design.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusals {
    /// What a refusal is worth.
    pub role: protocol::Role,
    /// Features of images, as the protocol calls them.
    pub refuses: Vec<String>,
}

/// One question to a subject.
#[derive(Debug)]
pub enum Question<'a> {
    /// The facts in an image's header.
    Header(&'a ImageAsk),
    /// Open an image and everything that it needs, for reading.
    Open(&'a ImageAsk),
    /// Guest bytes of an image.
    Read {
        /// The image.
        image: &'a ImageAsk,
        /// Guest offsets in bytes.
        offsets: &'a [u64],
        /// Bytes to read at each offset.
        length: u32,
    },
    /// Every file that a domain would use.
    Access {
        /// libvirt XML.
        xml: &'a str,
    },
    /// The graph of block nodes that QEMU would be given for a domain.
    Blockdev {
        /// libvirt XML.
        xml: &'a str,
    },
    /// A domain read and written again.
    Xml {
        /// libvirt XML.
        xml: &'a str,
        /// How it is to be written.
        form: Form,
    },
    /// One step of relabelling.
    Label {
        /// What stands in libvirt's qemu.conf.
        config: &'a LabelConfig,
        /// The step, with the domain that it makes.
        step: &'a StepAsk,
    },
}

/// What a subject answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "kebab-case")]
pub enum Answer {
    /// It accepts the input; the facts belong to the question.
    Accepted(Facts),
    /// It refuses the input cleanly.
    Rejected {
        /// The kind of refusal, in the subject's own words.
        class: String,
        /// Its message.
        message: String,
    },
    /// It doesn't do what was asked.
    Unsupported {
        /// What it doesn't do.
        message: String,
    },
    /// It died or broke its protocol.
    Crashed {
        /// How.
        how: String,
    },
    /// It did not answer in time.
    TimedOut,
    /// It could not be asked.
    Failed {
        /// Why.
        message: String,
    },
}

/// Why a question is not answered with facts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Declined {
    /// The input is refused cleanly.
    Rejected {
        /// The kind of refusal.
        class: String,
        /// What is wrong with the input.
        message: String,
    },
    /// The subject doesn't do what was asked.
    Unsupported {
        /// What it doesn't do.
        message: String,
    },
}

impl From<Result<Facts, Declined>> for Answer {
    fn from(result: Result<Facts, Declined>) -> Self {
        match result {
            Ok(facts) => Answer::Accepted(facts),
            Err(Declined::Rejected { class, message }) => Answer::Rejected { class, message },
            Err(Declined::Unsupported { message }) => Answer::Unsupported { message },
        }
    }
}

/// What an accepting answer says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "facts", rename_all = "kebab-case")]
pub enum Facts {
    /// Header facts.
    Header(HeaderFacts),
    /// Guest bytes.
    Read {
        /// One for each offset asked for.
        reads: Vec<ReadFact>,
    },
    /// The files of the chain.
    Access {
        /// One for each use of a file.
        files: Vec<AccessFact>,
    },
    /// The graph of block nodes.
    Blockdev {
        /// One for each layer of each disk.
        layers: Vec<LayerFact>,
    },
    /// A domain as it was written.
    Xml {
        /// libvirt XML.
        xml: String,
    },
    /// A step is done, or an image opened; what that did is observed from outside.
    Done,
}

/// Header facts, `None` where the implementation doesn't tell.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeaderFacts {
    /// `qcow2`, `raw`, ...
    pub format: Option<String>,
    /// Header version.
    pub version: Option<u32>,
    /// Size of the virtual disk in bytes.
    pub virtual_size: Option<u64>,
    /// The backing file's name and format as stored.
    pub backing: Option<BackingFacts>,
    /// The data file, exactly when the image uses one.
    pub data_file: Option<DataFileFacts>,
    /// What the implementation doesn't tell at all.
    #[serde(default)]
    pub untold: Vec<HeaderFact>,
}

/// One fact in a header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HeaderFact {
    /// The format.
    Format,
    /// The header's version.
    Version,
    /// Size of the virtual disk.
    VirtualSize,
    /// Whether there is a backing file.
    Backing,
    /// Its name.
    BackingName,
    /// Its format.
    BackingFormat,
    /// Whether the image uses a data file.
    DataFile,
    /// Its name.
    DataFileName,
    /// The raw flag.
    RawFlag,
}

/// A backing file as a header names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackingFacts {
    /// The name as stored.
    pub name: String,
    /// The format as stored.
    pub format: Option<String>,
}

/// A data file as a header names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataFileFacts {
    /// The name up to the first NUL; `None` if the image names none.
    pub name: Option<String>,
    /// The raw flag.
    pub raw: bool,
}

/// Guest bytes at one offset.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadFact {
    /// Guest offset in bytes.
    pub offset: u64,
    /// The bytes, in hex.
    pub bytes: String,
}

/// One use of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessFact {
    /// Absolute path, text as [`qconform_generators::file_name`] says.
    pub path: String,
    /// `top`, `data-file`, `backing` or `backing-data-file`; `None` if that isn't told.
    pub role: Option<String>,
    /// `rw` or `ro`.
    pub access: String,
}

/// One layer of the graph of block nodes, as QEMU would see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LayerFact {
    /// Absolute path of the image.
    pub file: String,
    /// QEMU's driver for its format; `raw` also where there is no format node.
    pub driver: String,
    /// Whether the layer's topmost node is read-only.
    pub read_only: bool,
    /// The node that is given as data file.
    pub data_file: Option<DataFileNode>,
    /// Absolute path of the next layer's image; `None` where the graph says that there is none.
    pub backing: Option<String>,
}

/// The node of a data file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataFileNode {
    /// Absolute path, text as [`qconform_generators::file_name`] says.
    pub file: String,
    /// Whether the node is read-only.
    pub read_only: bool,
}

/// An implementation that can be asked.
pub trait Subject {
    /// What it is. Called once a run.
    fn describe(&mut self) -> Result<Description, String>;

    /// Answers a question about the fixture in `dir`. For a label case the steps come
    /// one after the other to the same subject.
    fn answer(&mut self, question: &Question<'_>, dir: &Path) -> Answer;
}

/// Makes subjects by name. Tests bring subjects of their own.
pub type Registry = dyn Fn(&str) -> Option<Box<dyn Subject>>;

/// The subjects that are part of this program.
#[must_use]
pub fn built_in(name: &str) -> Option<Box<dyn Subject>> {
    match name {
        "reference" => Some(Box::new(Reference::default())),
        "qemu" => Some(Box::new(qemu::Qemu)),
        _ => None,
    }
}

/// Names that [`built_in`] knows.
pub const BUILT_IN: [&str; 2] = ["reference", "qemu"];

/// What to say of a subject whose programs are missing.
pub const MISSING: &str = "qemu needs qemu-img and qemu-io, and qemu-storage-daemon at level \
    blockdev (Debian: qemu-utils; before 13 qemu-system-common has the daemon)";

/// What to say of a subject that is installed and can't be asked at each of its levels.
#[must_use]
pub fn lacking(name: &str) -> Option<&'static str> {
    let lacks = name == "qemu" && is_installed(name) && !qemu::has_daemon();
    lacks.then_some("without qemu-storage-daemon it isn't asked at level blockdev")
}

/// Whether a subject's programs are installed on this machine.
#[must_use]
pub fn is_installed(name: &str) -> bool {
    match name {
        "qemu" => qemu::PROGRAMS
            .iter()
            .all(|program| which::which(program).is_ok()),
        _ => BUILT_IN.contains(&name),
    }
}
