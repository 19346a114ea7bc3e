//! What a fixture lies on: a folder of the worker's tmpfs, or a mount over it.

use std::ffi::CString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use qconform_scenarios::file::FileSystem;
use rustix::mount::{MountFlags, UnmountFlags, mount, mount_bind, mount_remount, unmount};

use super::STATE_DIR;

/// Layers of an overlay.
const LAYERS: &str = "/tmp/layers";

/// The folder of one case.
#[derive(Debug)]
pub(super) struct Ground<'a> {
    filesystem: FileSystem,
    dir: &'a Path,
}

impl<'a> Ground<'a> {
    /// Makes the folder, and what must be there before the first file; whatever an earlier case
    /// left is gone.
    pub(super) fn prepare(filesystem: FileSystem, dir: &'a Path) -> io::Result<Self> {
        let ground = Self { filesystem, dir };
        ground.clear()?;
        fs::create_dir(dir)?;
        fs::create_dir(STATE_DIR)?;
        match filesystem {
            FileSystem::Tmpfs | FileSystem::ReadOnly => {}
            FileSystem::Ramfs => mount("ramfs", dir, "ramfs", MountFlags::empty(), None)?,
            FileSystem::Overlay => {
                for layer in ["lower", "upper", "work"] {
                    fs::create_dir_all(Path::new(LAYERS).join(layer))?;
                }
            }
        }
        Ok(ground)
    }

    /// Where the fixture is written.
    pub(super) fn folder(&self) -> &Path {
        match self.filesystem {
            FileSystem::Overlay => Path::new("/tmp/layers/lower"),
            _ => self.dir,
        }
    }

    /// Makes the mounts that come over the written fixture.
    pub(super) fn ready(&self) -> io::Result<()> {
        match self.filesystem {
            FileSystem::Tmpfs | FileSystem::Ramfs => Ok(()),
            FileSystem::ReadOnly => {
                mount_bind(self.dir, self.dir)?;
                let flags = MountFlags::BIND | MountFlags::RDONLY | MountFlags::NOSUID;
                Ok(mount_remount(self.dir, flags | MountFlags::NODEV, "")?)
            }
            FileSystem::Overlay => overlay(self.dir),
        }
    }

    /// Removes everything again.
    pub(super) fn clear(&self) -> io::Result<()> {
        // One mount at most; where there is none, that is just as well.
        let _ = unmount(self.dir, UnmountFlags::DETACH);
        for folder in [self.dir, Path::new(STATE_DIR), Path::new(LAYERS)] {
            if folder.exists() {
                fs::remove_dir_all(folder)?;
            }
        }
        Ok(())
    }
}

fn overlay(dir: &Path) -> io::Result<()> {
    let layer = |name: &str| PathBuf::from(LAYERS).join(name);
    let options = format!(
        "lowerdir={},upperdir={},workdir={},userxattr",
        layer("lower").display(),
        layer("upper").display(),
        layer("work").display(),
    );
    let options = CString::new(options).map_err(io::Error::other)?;
    let flags = MountFlags::NOSUID | MountFlags::NODEV;
    Ok(mount("overlay", dir, "overlay", flags, options.as_c_str())?)
}

/// Whether files can be copied up in an overlay, found by trying it.
///
/// # Errors
///
/// What the kernel says.
pub(crate) fn try_overlay() -> io::Result<String> {
    with_file(FileSystem::Overlay, |file| fs::write(file, b"new"))?;
    Ok("overlay".to_owned())
}

/// Whether a mount can be made read-only, found by trying it.
///
/// # Errors
///
/// What the kernel says, or that the file could be written.
pub(crate) fn try_read_only() -> io::Result<String> {
    let written = with_file(FileSystem::ReadOnly, |file| fs::write(file, b"new"));
    match written {
        Err(error) if error.kind() == io::ErrorKind::ReadOnlyFilesystem => {
            Ok("read-only bind mount".to_owned())
        }
        Err(error) => Err(error),
        Ok(()) => Err(io::Error::other("the mount can be written")),
    }
}

fn with_file(filesystem: FileSystem, act: impl Fn(&Path) -> io::Result<()>) -> io::Result<()> {
    let dir = Path::new("/tmp/.ground");
    let ground = Ground::prepare(filesystem, dir)?;
    let tried = fs::write(ground.folder().join("file"), b"old")
        .and_then(|()| ground.ready())
        .and_then(|()| act(&dir.join("file")));
    ground.clear()?;
    tried
}
