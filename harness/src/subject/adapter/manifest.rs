//! An adapter's manifest, `adapter.toml`: what it is, how to install it, how to run it.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;

use super::launch::{LaunchLimits, Lives};

/// Name of a manifest in an adapter's folder.
pub const FILE: &str = "adapter.toml";

/// A manifest.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Manifest {
    /// What the implementation is, in one line.
    pub description: String,
    /// Its homepage.
    pub homepage: String,
    /// Licence of the implementation, which is not copied but run.
    pub licence: String,
    /// The version that is installed.
    pub version: String,
    /// Names of variants, such as the suites of a distribution; an adapter with variants is called
    /// `NAME@VARIANT`.
    #[serde(default)]
    pub variants: Vec<String>,
    /// How to install it; absent if nothing has to be.
    #[serde(default)]
    pub install: Option<Install>,
    /// How to run it.
    pub run: Run,
    /// What it may use.
    #[serde(default)]
    pub limits: LaunchLimits,
}

/// How an adapter is installed, once each, in this order.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Install {
    /// Commands that have to be there.
    #[serde(default)]
    pub needs: Vec<String>,
    /// Debian packages that are unpacked into the folder, as a system of their own: `root` says that
    /// the adapter runs in it.
    #[serde(default)]
    pub apt: Option<Apt>,
    /// A virtual environment of Python with `requirements.txt`.
    #[serde(default)]
    pub pip: bool,
    /// The cargo project in the adapter's folder, with its lock file.
    #[serde(default)]
    pub cargo: bool,
    /// The npm project in the adapter's folder, with its lock file.
    #[serde(default)]
    pub npm: bool,
    /// A command of the adapter's own, run in its folder. `QCONFORM_INSTALL` is the folder to
    /// install into, `QCONFORM_VARIANT` the variant.
    #[serde(default)]
    pub command: Vec<String>,
}

/// Debian packages.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Apt {
    /// The suite, such as `trixie`.
    pub suite: String,
    /// The packages; what they need comes with them.
    pub packages: Vec<String>,
}

/// How an adapter is run. In every value `{adapter}` stands for the adapter's folder, `{install}`
/// for what was installed and `{variant}` for the variant.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Run {
    /// The program with its arguments.
    pub command: Vec<String>,
    /// A folder that takes the place of the whole system, read-only.
    #[serde(default)]
    pub root: Option<String>,
    /// More of the machine's files and folders that it needs.
    #[serde(default)]
    pub visible: Vec<String>,
    /// Environment variables.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// Whether it changes owners and labels, for which it is root over the fixture.
    #[serde(default)]
    pub labels: bool,
    /// How long a process lives. One that labels lives for a case.
    #[serde(default)]
    pub lives: Lives,
    /// Beginnings of the names of extended attributes in which it keeps records.
    #[serde(default)]
    pub records: Vec<String>,
}

/// Why a manifest can't be used.
#[derive(Debug, thiserror::Error)]
#[error("{file}: {message}")]
pub struct ManifestError {
    /// The file.
    pub file: String,
    /// What is wrong.
    pub message: String,
}

impl Manifest {
    /// Reads a manifest. `file` is used in errors.
    ///
    /// # Errors
    ///
    /// [`ManifestError`] where it is no manifest.
    pub fn parse(file: &Path, text: &str) -> Result<Self, ManifestError> {
        let fail = |message: String| ManifestError {
            file: file.display().to_string(),
            message,
        };
        let manifest: Manifest =
            toml::from_str(text).map_err(|error| fail(error.to_string().trim_end().to_owned()))?;
        if manifest.run.command.is_empty() {
            return Err(fail("`command` is empty".to_owned()));
        }
        Ok(manifest)
    }
}
