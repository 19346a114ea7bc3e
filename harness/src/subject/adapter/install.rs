//! Installs a shipped adapter into the cache folder.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::find::{self, FindError, Place};
use super::manifest::{Apt, Install};
use super::shipped::{self, Shipped};

/// Why an adapter is not installed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InstallError {
    /// The adapter, its place or its files.
    #[error(transparent)]
    Find(#[from] FindError),
    /// A command that it needs is missing.
    #[error("`{command}` is needed to install it and is not there")]
    Missing {
        /// The command.
        command: String,
    },
    /// A command failed.
    #[error("`{command}` failed: {how}")]
    Failed {
        /// The command.
        command: String,
        /// Exit status or why it did not start.
        how: String,
    },
    /// A file or folder can't be made or removed.
    #[error("{}: {source}", path.display())]
    File {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Installs an adapter anew; what an earlier version left is removed first. What its installers
/// print goes to standard error.
///
/// # Errors
///
/// [`InstallError`]; the adapter counts as not installed then.
pub fn install(name: &str) -> Result<Place, InstallError> {
    let shipped = shipped::named(name)?;
    let place = find::place(name)?;
    let base = find::base(name)?;
    if base.exists() {
        fs::remove_dir_all(&base).map_err(file(&base))?;
    }
    let staged = base.join("staged");
    shipped::write(&shipped, &staged)?;
    let folder = staged.join(&shipped.folder);
    fs::create_dir_all(&place.install).map_err(file(&place.install))?;
    let work = Work {
        name,
        folder: &folder,
        install: &place.install,
    };
    work.all(&shipped)?;
    // Only what is complete counts as installed.
    fs::rename(&staged, &place.files).map_err(file(&place.files))?;
    Ok(place)
}

fn file(path: &Path) -> impl Fn(io::Error) -> InstallError {
    move |source| InstallError::File {
        path: path.to_owned(),
        source,
    }
}

/// One installation.
struct Work<'a> {
    name: &'a str,
    folder: &'a Path,
    install: &'a Path,
}

impl Work<'_> {
    fn all(&self, shipped: &Shipped) -> Result<(), InstallError> {
        let nothing = Install::default();
        let install = shipped.manifest.install.as_ref().unwrap_or(&nothing);
        let of_apt = install.apt.iter().map(|_| "mmdebstrap");
        for command in install.needs.iter().map(String::as_str).chain(of_apt) {
            which::which(command).map_err(|_| InstallError::Missing {
                command: command.to_owned(),
            })?;
        }
        if let Some(apt) = &install.apt {
            self.apt(apt)?;
        }
        if install.pip {
            self.pip()?;
        }
        if install.cargo {
            self.cargo()?;
        }
        if install.npm {
            self.npm()?;
        }
        match install.command.split_first() {
            Some((program, args)) => self.run(program, args),
            None => Ok(()),
        }
    }

    /// A tree of its own, by the script that adapters share: nothing on the machine changes.
    fn apt(&self, apt: &Apt) -> Result<(), InstallError> {
        let script = [OsStr::new("../common/debian-tree"), OsStr::new(&apt.suite)];
        let packages = apt.packages.iter().map(OsStr::new);
        let args: Vec<&OsStr> = script
            .into_iter()
            .chain([self.install.as_os_str()])
            .chain(packages)
            .collect();
        self.run("sh", &args)
    }

    fn pip(&self) -> Result<(), InstallError> {
        // The system's own: one below a home is not there for whoever runs the adapter.
        let python = "/usr/bin/python3";
        let venv = [
            OsStr::new("-m"),
            OsStr::new("venv"),
            self.install.as_os_str(),
        ];
        self.run(python, &venv)?;
        let pip = self.install.join("bin/pip");
        let args = ["install", "--quiet", "--requirement", "requirements.txt"];
        self.run(pip, &args)
    }

    /// All adapters build in one folder, so that what they share is built once.
    fn cargo(&self) -> Result<(), InstallError> {
        let target = find::cache()?.join("target");
        let args = [
            OsStr::new("install"),
            OsStr::new("--quiet"),
            OsStr::new("--locked"),
            OsStr::new("--path"),
            OsStr::new("."),
            OsStr::new("--target-dir"),
            target.as_os_str(),
            OsStr::new("--root"),
            self.install.as_os_str(),
        ];
        self.run("cargo", &args)
    }

    fn npm(&self) -> Result<(), InstallError> {
        for name in ["package.json", "package-lock.json"] {
            let to = self.install.join(name);
            fs::copy(self.folder.join(name), &to).map_err(file(&to))?;
        }
        let args = [
            "ci",
            "--silent",
            "--ignore-scripts",
            "--no-audit",
            "--no-fund",
        ];
        self.run_in(self.install, "npm", &args)
    }

    fn run(
        &self,
        program: impl AsRef<OsStr>,
        args: &[impl AsRef<OsStr>],
    ) -> Result<(), InstallError> {
        self.run_in(self.folder, program, args)
    }

    fn run_in(
        &self,
        dir: &Path,
        program: impl AsRef<OsStr>,
        args: &[impl AsRef<OsStr>],
    ) -> Result<(), InstallError> {
        let variant = self.name.split_once('@').map_or("", |(_, variant)| variant);
        let mut command = Command::new(program.as_ref());
        command
            .args(args)
            .current_dir(dir)
            .env("QCONFORM_INSTALL", self.install)
            .env("QCONFORM_VARIANT", variant)
            .env_remove("PYTHONPATH")
            .stdin(Stdio::null())
            .stdout(io::stderr());
        let how = match command.status() {
            Ok(status) if status.success() => return Ok(()),
            Ok(status) => status.to_string(),
            Err(error) => error.to_string(),
        };
        Err(InstallError::Failed {
            command: program.as_ref().to_string_lossy().into_owned(),
            how,
        })
    }
}
