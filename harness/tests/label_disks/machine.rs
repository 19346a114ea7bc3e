//! Loop devices and mounts, and what a machine needs for them.

use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use libtest_mimic::Failed;
use tempfile::TempDir;

use crate::needs;

/// Set in the process that has mounts of its own.
const INSIDE: &str = "QCONFORM_PRIVATE_MOUNTS";
/// Bytes of a volume; xfs takes no less than 300 MiB. They are a hole until they are written.
const VOLUME: u64 = 400 << 20;

/// Runs this program once more where its mounts are nobody else's; `None` inside of that.
pub(crate) fn in_private_mounts() -> Option<ExitCode> {
    if std::env::var_os(INSIDE).is_some() || !rustix::process::geteuid().is_root() {
        return None;
    }
    let mut command = Command::new("unshare");
    command.args(["--mount", "--propagation", "private", "--"]);
    command.arg(std::env::current_exe().unwrap());
    command.args(std::env::args_os().skip(1)).env(INSIDE, "1");
    let status = command.status().ok()?;
    let code = status.code().or(status.signal()).unwrap_or(1);
    Some(ExitCode::from(u8::try_from(code).unwrap_or(1)))
}

/// The reason to skip where there are no loop devices.
pub(crate) fn or_skip_loops() -> Option<String> {
    needs::or_skip("loop-devices", loops_missing())
}

fn loops_missing() -> Option<String> {
    if !rustix::process::geteuid().is_root() {
        return Some("loop-devices: needs root".to_owned());
    }
    if std::env::var_os(INSIDE).is_none() {
        return Some("loop-devices: unshare (util-linux) gives no private mounts".to_owned());
    }
    let found = Command::new("losetup").arg("--find").output();
    match found {
        Ok(output) if output.status.success() => None,
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            Some(format!("loop-devices: losetup --find: {said}"))
        }
        Err(error) => Some(format!("loop-devices: losetup: {error}")),
    }
}

/// The reason to skip where a file system can't be made or mounted.
pub(crate) fn or_skip_volume(name: &str) -> Option<String> {
    or_skip_loops().or_else(|| needs::or_skip(name, volume_missing(name)))
}

fn volume_missing(name: &str) -> Option<String> {
    let known = std::fs::read_to_string("/proc/filesystems").unwrap_or_default();
    if !known.split_whitespace().any(|word| word == name) {
        return Some(format!("{name}: this kernel has none"));
    }
    which::which(format!("mkfs.{name}"))
        .err()
        .map(|error| format!("mkfs.{name}: {error}"))
}

/// A mounted file system of its own, gone when this is dropped.
pub(crate) struct Volume {
    folder: TempDir,
}

impl Volume {
    pub(crate) fn new(name: &str) -> Result<Self, Failed> {
        let folder = tempfile::tempdir()?;
        let image = folder.path().join("image");
        std::fs::File::create(&image)?.set_len(VOLUME)?;
        let mut mkfs = Command::new(format!("mkfs.{name}"));
        if name == "ext4" {
            // What volumes of a usual size have.
            mkfs.args(["-b", "4096"]);
        }
        run(mkfs.arg("-q").arg(&image))?;
        let volume = Self { folder };
        std::fs::create_dir(volume.path())?;
        // The loop device of a mount is freed with it.
        run(Command::new("mount")
            .args(["-t", name, "-o", "loop"])
            .args([&image, &volume.path()]))?;
        Ok(volume)
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("mounted")
    }

    pub(crate) fn remount(&self, how: &str) -> Result<(), Failed> {
        run(Command::new("mount")
            .args(["-o", &format!("remount,{how}")])
            .arg(self.path()))
    }
}

impl Drop for Volume {
    fn drop(&mut self) {
        let _gone = run(Command::new("umount").arg(self.path()));
    }
}

/// A loop device with a node of its own, on a tmpfs that only this process sees.
pub(crate) struct Device {
    folder: TempDir,
    name: String,
}

impl Device {
    pub(crate) fn new() -> Result<Self, Failed> {
        use std::os::unix::fs::MetadataExt;

        use rustix::fs::{CWD, FileType, Mode, mknodat};
        let folder = tempfile::tempdir()?;
        run(Command::new("mount")
            .args(["-t", "tmpfs", "tmpfs"])
            .arg(folder.path()))?;
        let image = folder.path().join("image");
        std::fs::File::create(&image)?.set_len(1 << 20)?;
        let output = Command::new("losetup")
            .args(["--find", "--show"])
            .arg(&image)
            .output()?;
        let name = String::from_utf8(output.stdout)?.trim().to_owned();
        let device = Self { folder, name };
        // The host's own node stays as it is.
        let number = std::fs::metadata(&device.name)?.rdev();
        let mode = Mode::RUSR | Mode::WUSR;
        mknodat(CWD, device.node(), FileType::BlockDevice, mode, number)?;
        Ok(device)
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn node(&self) -> PathBuf {
        self.folder.path().join("node")
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        let _freed = run(Command::new("losetup").args(["--detach", &self.name]));
        let _gone = run(Command::new("umount").arg(self.folder.path()));
    }
}

fn run(command: &mut Command) -> Result<(), Failed> {
    let output = command.output()?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(format!("{command:?}: {said}").into())
}
