//! What the harness says.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Hex;

/// A line to an adapter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum Request {
    /// The first line: say who you are.
    Hello {
        /// Version of the protocol.
        protocol: u32,
    },
    /// A question.
    Run(Box<RunRequest>),
    /// The last line: end, with exit status 0. An adapter must also bear to be killed instead, and
    /// that is what this harness does.
    Bye,
}

/// A question. Which keys there are depends on the level; all others are absent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RunRequest {
    /// Number of the question; the answer bears it, too.
    pub seq: u64,
    /// Number of the case. Another number: the fixture is another one, and whatever ran is gone.
    /// Steps of one domain have the same.
    pub case: u64,
    /// `header`, `open`, `read`, `access`, `blockdev`, `label` or `xml`; others may come later.
    pub level: String,
    /// Folder of the fixture: an absolute path. Nothing else may be changed, and this only when
    /// labelling.
    pub folder: Hex,
    /// The image, where one is asked about (`header`, `open`, `read`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<ImageRequest>,
    /// Guest offsets in bytes (`read`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offsets: Option<Vec<u64>>,
    /// Bytes to read at each offset (`read`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub length: Option<u32>,
    /// The domain (`access`, `blockdev`, `label`, `xml`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub domain: Option<DomainRequest>,
    /// How the domain is to be written (`xml`): `runtime`, as it runs, with what headers name, or
    /// `persistent`, as it is defined.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub form: Option<String>,
    /// The step (`label`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<StepRequest>,
    /// The host's configuration (`label`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config: Option<ConfigRequest>,
}

/// An image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ImageRequest {
    /// Its absolute path.
    pub path: Hex,
    /// The format that it is declared to have; null: it is to be probed.
    pub format: Option<String>,
}

/// A domain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DomainRequest {
    /// libvirt XML. In a step: as the domain is once the step is done.
    pub xml: String,
}

/// One step of a domain's life. The domain of a `second-...` step is another one than the first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StepRequest {
    /// `start`, `stop`, `attach` and so on, as in docs/scenarios.md.
    pub name: String,
    /// Target of the disk that the step is about; null where it is about none.
    pub disk: Option<String>,
    /// What a commit moves where; null for other steps.
    pub commit: Option<CommitRequest>,
}

/// The images of a commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CommitRequest {
    /// Absolute path of the image that is written.
    pub base: Hex,
    /// Absolute path of the topmost image that moves; null for the disk's own top image.
    pub top: Option<Hex>,
}

/// The host's configuration, as in libvirt's qemu.conf.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ConfigRequest {
    /// User that domains run as.
    pub user: u32,
    /// Group that domains run as.
    pub group: u32,
    /// Whether original owners and labels are remembered (`remember_owner`).
    pub remember: bool,
    /// Whether owners are changed at all (`dynamic_ownership`).
    pub dynamic_ownership: bool,
    /// The drivers in use: `dac`, `selinux`.
    pub drivers: Vec<String>,
    /// The first domain's pair of SELinux categories.
    pub categories: [u32; 2],
    /// The second domain's pair.
    pub second_categories: [u32; 2],
    /// Whether records of files that can't carry them may be kept in a folder.
    pub state_directory: bool,
    /// Whether records may be kept where a file's owner can forge them.
    pub user_records: bool,
}
