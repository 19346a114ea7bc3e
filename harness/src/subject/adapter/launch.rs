//! Everything that a worker has to know to run an adapter.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::manifest::Manifest;
use super::one_shot::OneShot;
use crate::sandbox::{Limits, Settings};

/// Where a worker shows the folder of an adapter, and the one that adapters share beside it.
const ADAPTERS_DIR: &str = "/adapter";

/// How an adapter is started.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Launch {
    /// The program with its arguments.
    pub command: Vec<String>,
    /// The command lines of a program that speaks no protocol; `command` doesn't count then.
    #[serde(default)]
    pub one_shot: Option<OneShot>,
    /// Environment variables beside the usual ones.
    pub env: Vec<(String, String)>,
    /// A folder of the machine that takes the place of the whole system.
    pub root: Option<PathBuf>,
    /// Files and folders that it needs, each with its path inside.
    pub visible: Vec<(PathBuf, PathBuf)>,
    /// Whether it changes owners and labels.
    pub labels: bool,
    /// How long a process lives.
    pub lives: Lives,
    /// Beginnings of the names of extended attributes in which it keeps records.
    pub records: Vec<String>,
    /// What it may use.
    pub limits: LaunchLimits,
}

/// How long a process of an adapter lives.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Lives {
    /// For the run, as long as it behaves.
    #[default]
    Run,
    /// For one case.
    Case,
}

/// What an adapter may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct LaunchLimits {
    /// Seconds for each answer.
    pub seconds: u64,
    /// Processes and threads alive at once.
    pub processes: u64,
    /// MiB of memory of its own for each process.
    pub memory: u64,
    /// MiB of address space for each process; 0 for any, which Node and Go need.
    pub address_space: u64,
    /// KiB of standard output, and of standard error, for each question.
    pub output: u64,
    /// MiB of the largest file that it may write.
    pub file_size: u64,
}

impl Default for LaunchLimits {
    fn default() -> Self {
        LaunchLimits {
            seconds: 15,
            processes: 64,
            memory: 2 << 10,
            address_space: 8 << 10,
            output: 4 << 10,
            file_size: 64,
        }
    }
}

impl LaunchLimits {
    /// Time for each answer.
    #[must_use]
    pub fn time(&self) -> Duration {
        Duration::from_secs(self.seconds)
    }

    /// The same for the sandbox.
    #[must_use]
    pub(super) fn for_sandbox(&self) -> Limits {
        let mib = |count: u64| count.saturating_mul(1 << 20);
        let output = self.output.saturating_mul(1 << 10);
        Limits {
            time: self.time(),
            address_space: match self.address_space {
                0 => u64::MAX,
                count => mib(count),
            },
            memory: mib(self.memory),
            output: usize::try_from(output).unwrap_or(usize::MAX),
            processes: self.processes,
            file_size: mib(self.file_size),
        }
    }
}

impl Launch {
    /// How to start the adapter of a manifest, whose files lie in `folder`, with what was installed
    /// for it in `install`.
    #[must_use]
    pub fn of(manifest: &Manifest, variant: &str, folder: &Path, install: &Path) -> Self {
        let inside = Path::new(ADAPTERS_DIR).join(folder.file_name().unwrap_or_default());
        let fill = |text: &String| {
            text.replace("{adapter}", &inside.to_string_lossy())
                .replace("{install}", &install.to_string_lossy())
                .replace("{variant}", variant)
        };
        let run = &manifest.run;
        let mut visible = vec![(folder.to_owned(), inside.clone())];
        let common = folder.with_file_name("common");
        if common.is_dir() {
            visible.push((common, Path::new(ADAPTERS_DIR).join("common")));
        }
        if run.root.is_none() && install.exists() {
            visible.push((install.to_owned(), install.to_owned()));
        }
        let more = run.visible.iter().map(fill).map(PathBuf::from);
        visible.extend(more.map(|path| (path.clone(), path)));
        let env = run.env.iter();
        Launch {
            command: run.command.iter().map(fill).collect(),
            one_shot: None,
            env: env
                .map(|(name, value)| (name.clone(), fill(value)))
                .collect(),
            root: run.root.as_ref().map(fill).map(PathBuf::from),
            visible,
            labels: run.labels,
            lives: if run.labels { Lives::Case } else { run.lives },
            records: run.records.clone(),
            limits: manifest.limits,
        }
    }

    /// How to start a program that has no manifest.
    #[must_use]
    pub fn bare(program: &Path) -> Self {
        Launch {
            command: vec![program.to_string_lossy().into_owned()],
            visible: vec![(program.to_owned(), program.to_owned())],
            ..Launch::default()
        }
    }

    /// The settings of a worker for this adapter.
    #[must_use]
    pub fn settings(&self, usual: &Settings) -> Settings {
        Settings {
            placed: self.visible.clone(),
            root: self.root.clone(),
            ..usual.clone()
        }
    }
}
