//! The file system of a worker: host folders cloned read-only, put together on a private tmpfs.

use std::fs;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, symlink};
use std::path::{Component, Path, PathBuf};

use qconform_scenarios::case::BLOCK_DEVICE;
use rustix::fs::CWD;
use rustix::mount::{
    MountFlags, MountPropagationFlags, MoveMountFlags, OpenTreeFlags, UnmountFlags, mount,
    mount_change, move_mount, open_tree, unmount,
};

use super::SandboxError;
use super::sys::{Restriction, restrict};
use super::wire::SetUp;

const SYSTEM: [&str; 8] = [
    "/usr",
    "/bin",
    "/sbin",
    "/lib",
    "/lib64",
    "/nix",
    "/etc/ld.so.cache",
    "/etc/alternatives",
];
/// Folders of another root that the worker has itself.
const OWN_FOLDERS: [&str; 5] = ["dev", "proc", "run", "sys", "tmp"];
const DEVICES: [&str; 5] = [
    "/dev/null",
    "/dev/zero",
    "/dev/full",
    "/dev/random",
    "/dev/urandom",
];
/// Where a worker finds the program that it is.
const OWN_PROGRAM: &str = "/qconform";

/// One thing of the host that shows inside.
struct Item {
    /// Absolute path inside.
    path: PathBuf,
    what: What,
}

enum What {
    Link(PathBuf),
    Tree { mount: OwnedFd, folder: bool },
}

/// What the host lends, taken while the process can still reach all of it.
pub(super) struct Lent(Vec<Item>);

impl Lent {
    /// Clones everything that must be visible.
    ///
    /// Comes before the id switch: afterwards a folder behind somebody's 0700 home is out of reach.
    pub(super) fn take(
        visible: &[(PathBuf, PathBuf)],
        root: Option<&Path>,
    ) -> Result<Self, SandboxError> {
        let mut items = match root {
            Some(root) => system_of(root)?,
            None => system()?,
        };
        for path in DEVICES.map(Path::new) {
            items.push(tree(path, path, Restriction::Device)?);
        }
        // Cases with block devices are skipped where there is none.
        items.extend(block_device());
        items.push(own_program()?);
        let mut visible = visible.to_vec();
        // A folder comes before what lies in it.
        visible.sort_by(|(_, a), (_, b)| a.cmp(b));
        for (source, path) in &visible {
            acceptable(path)?;
            if !items.iter().any(|item| path.starts_with(&item.path)) {
                items.push(tree(source, path, Restriction::Folder)?);
            }
        }
        Ok(Self(items))
    }

    /// Makes the private tmpfs with everything lent in it the root of this process; true when `/proc` is there.
    pub(super) fn become_root(self, set_up: &SetUp) -> Result<bool, SandboxError> {
        let whole = MountPropagationFlags::REC | MountPropagationFlags::PRIVATE;
        mount_change("/", whole).map_err(|error| SandboxError::at("make mounts private", error))?;
        // Any folder does as a place: what it hides was cloned before.
        let base = Path::new(if Path::new("/tmp").is_dir() {
            "/tmp"
        } else {
            "/usr"
        });
        mount_tmpfs(base, set_up)?;
        make_folders(base)?;
        if set_up.root.is_some() {
            fs::create_dir(base.join("run"))
                .map_err(|error| SandboxError::at("make folders on the tmpfs", error))?;
        }
        for item in &self.0 {
            place(base, item)?;
        }
        let proc = mount_proc(base);
        enter(base)?;
        Ok(proc)
    }
}

fn acceptable(path: &Path) -> Result<(), SandboxError> {
    let plain = path
        .components()
        .all(|part| matches!(part, Component::RootDir | Component::Normal(_)));
    if path.is_absolute() && plain && path.parent().is_some() {
        return Ok(());
    }
    let step = format!("show {}", path.display());
    Err(SandboxError::at(
        step,
        io::Error::new(
            io::ErrorKind::InvalidInput,
            "not an absolute path of a file or folder",
        ),
    ))
}

/// The host's system.
fn system() -> Result<Vec<Item>, SandboxError> {
    let mut items = Vec::new();
    for path in SYSTEM.map(Path::new) {
        items.extend(system_item(path, path)?);
    }
    Ok(items)
}

/// Everything in a folder that holds another system.
fn system_of(root: &Path) -> Result<Vec<Item>, SandboxError> {
    let failed = |error| SandboxError::at(format!("look at {}", root.display()), error);
    let mut items = Vec::new();
    for entry in fs::read_dir(root).map_err(failed)? {
        let name = entry.map_err(failed)?.file_name();
        if !OWN_FOLDERS.iter().any(|own| name == *own) {
            items.extend(system_item(&root.join(&name), &Path::new("/").join(&name))?);
        }
    }
    Ok(items)
}

/// A folder of a system: a symlink stays one, what is missing is left out.
fn system_item(source: &Path, path: &Path) -> Result<Option<Item>, SandboxError> {
    let failed = |error| SandboxError::at(format!("look at {}", source.display()), error);
    match fs::symlink_metadata(source) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed(error)),
        Ok(found) if found.is_symlink() => {
            let target = fs::read_link(source).map_err(failed)?;
            Ok(Some(Item {
                path: path.to_owned(),
                what: What::Link(target),
            }))
        }
        Ok(_) => tree(source, path, Restriction::Folder).map(Some),
    }
}

/// A block device of the host under a name of its own. Without device access in its mount it can
/// be looked at, but not opened.
fn block_device() -> Option<Item> {
    let nodes = fs::read_dir("/dev").ok()?.flatten();
    let is_block = |path: &PathBuf| {
        fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_block_device())
    };
    let node = nodes.map(|node| node.path()).filter(is_block).min()?;
    tree(&node, Path::new(BLOCK_DEVICE), Restriction::Folder).ok()
}

fn own_program() -> Result<Item, SandboxError> {
    let failed = |error| SandboxError::at("find the running program", error);
    let path = fs::read_link("/proc/self/exe").map_err(failed)?;
    let running = fs::metadata("/proc/self/exe").map_err(failed)?;
    let found = fs::metadata(&path).map_err(failed)?;
    if (running.dev(), running.ino()) != (found.dev(), found.ino()) {
        return Err(failed(io::Error::other(
            "its file was replaced while it ran",
        )));
    }
    tree(&path, Path::new(OWN_PROGRAM), Restriction::Folder)
}

fn tree(source: &Path, path: &Path, restriction: Restriction) -> Result<Item, SandboxError> {
    let failed =
        |error: io::Error| SandboxError::at(format!("open_tree {}", source.display()), error);
    // Recursive: a mount below, handed down from another user namespace, must not be uncovered.
    let flags = OpenTreeFlags::OPEN_TREE_CLONE
        | OpenTreeFlags::OPEN_TREE_CLOEXEC
        | OpenTreeFlags::AT_RECURSIVE;
    let mount = open_tree(CWD, source, flags).map_err(|error| failed(error.into()))?;
    restrict(mount.as_fd(), restriction)
        .map_err(|error| SandboxError::at(format!("mount_setattr {}", source.display()), error))?;
    let folder = fs::metadata(source).map_err(failed)?.is_dir();
    Ok(Item {
        path: path.to_owned(),
        what: What::Tree { mount, folder },
    })
}

fn mount_tmpfs(base: &Path, set_up: &SetUp) -> Result<(), SandboxError> {
    // Every access must move the access time, or a decoy could be read unnoticed.
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::STRICTATIME;
    let options = format!(
        "mode=0755,size={},nr_inodes={}",
        set_up.tmpfs_bytes, set_up.tmpfs_inodes
    );
    let options =
        std::ffi::CString::new(options).map_err(|error| SandboxError::at("mount tmpfs", error))?;
    mount("tmpfs", base, "tmpfs", flags, options.as_c_str())
        .map_err(|error| SandboxError::at("mount tmpfs", error))
}

fn make_folders(base: &Path) -> Result<(), SandboxError> {
    let failed = |error| SandboxError::at("make folders on the tmpfs", error);
    for folder in ["tmp", "dev", "etc", "proc"] {
        fs::create_dir(base.join(folder)).map_err(failed)?;
    }
    fs::set_permissions(base.join("tmp"), fs::Permissions::from_mode(0o1777)).map_err(failed)
}

fn place(base: &Path, item: &Item) -> Result<(), SandboxError> {
    let failed =
        |error: io::Error| SandboxError::at(format!("place {}", item.path.display()), error);
    let at = base.join(item.path.strip_prefix("/").unwrap_or(&item.path));
    if let Some(parent) = at.parent() {
        fs::create_dir_all(parent).map_err(failed)?;
    }
    match &item.what {
        What::Link(target) => symlink(target, &at).map_err(failed),
        What::Tree { mount, folder } => {
            let made = if *folder {
                fs::create_dir_all(&at)
            } else {
                fs::File::create_new(&at).map(drop)
            };
            made.map_err(failed)?;
            let moved = move_mount(mount, "", CWD, &at, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH);
            moved.map_err(|error| failed(error.into()))
        }
    }
}

/// The kernel refuses a new `/proc` where parts of the old one are covered, as in many containers.
fn mount_proc(base: &Path) -> bool {
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    mount("proc", base.join("proc"), "proc", flags, None).is_ok()
}

fn enter(base: &Path) -> Result<(), SandboxError> {
    let failed = |error| SandboxError::at("pivot_root", error);
    rustix::process::chdir(base).map_err(failed)?;
    // The old root ends up stacked on the new one, where the unmount takes it away.
    rustix::process::pivot_root(".", ".").map_err(failed)?;
    unmount(".", UnmountFlags::DETACH)
        .map_err(|error| SandboxError::at("unmount the old root", error))?;
    rustix::process::chdir("/").map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case::folder("/srv/images", true)]
    #[case::root("/", false)]
    #[case::relative("srv/images", false)]
    #[case::climbing("/srv/../etc", false)]
    #[case::empty("", false)]
    fn only_plain_absolute_paths_below_the_root_can_be_shown(
        #[case] path: &str,
        #[case] good: bool,
    ) {
        assert_eq!(acceptable(Path::new(path)).is_ok(), good);
    }
}
