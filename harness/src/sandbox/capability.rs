//! What this machine can do, found by trying it in a worker.

use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, chown};
use std::path::Path;
use std::time::Duration;

use qconform_scenarios::case::BLOCK_DEVICE;
use rustix::fs::{XattrFlags, setxattr};
use rustix::io::Errno;
use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};
use serde::{Deserialize, Serialize};

use crate::worker::ground;

use super::inside::abilities;
use super::wire::SetUp;
use super::{SandboxError, Settings, Worker};

const ANSWER_WITHIN: Duration = Duration::from_secs(20);

/// One thing that this machine can or can't do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Capability {
    /// Its name, as `--require` takes it.
    pub name: &'static str,
    /// Whether it is there.
    pub present: bool,
    /// What was tried and seen.
    pub detail: String,
    /// What it means for a run.
    pub meaning: &'static str,
    /// How to get it, when it is missing.
    pub hint: Option<String>,
}

/// Name, meaning and how to get it.
struct Known(&'static str, &'static str, &'static str);

const KNOWN: [Known; 13] = [
    Known(
        "user-namespace",
        "cases run isolated from the host",
        "see the detail",
    ),
    Known(
        "id-range",
        "files can have several owners",
        "install newuidmap (package uidmap) and give the user 65536 ids in /etc/subuid and /etc/subgid",
    ),
    Known(
        "chown",
        "owners can be changed and observed",
        "needs id-range",
    ),
    Known(
        "selinux-xattr",
        "SELinux labels can be set and observed",
        "needs Linux with tmpfs security xattrs",
    ),
    Known(
        "user-xattr",
        "records in user.* can be tried",
        "needs Linux 6.6 for user.* on tmpfs",
    ),
    Known(
        "security-xattr",
        "the reference can keep its records",
        "needs Linux with tmpfs security xattrs",
    ),
    Known(
        "no-selinux-kernel",
        "no policy of the host objects to the labels of the cases",
        "run on a host, or in a virtual machine, without an active SELinux",
    ),
    Known(
        "proc",
        "subjects get a user namespace of their own, and programs that read /proc work",
        "in a container, unmask /proc: --security-opt systempaths=unconfined",
    ),
    Known(
        "read-only-bind",
        "host folders are visible and can't be written",
        "needs Linux 5.12",
    ),
    Known(
        "no-xattr-fs",
        "journal records can be tried, on a ramfs",
        "needs ramfs in the kernel",
    ),
    Known(
        "overlay",
        "files that are copied up when they change can be tried",
        "needs Linux 5.11 for overlays in user namespaces",
    ),
    Known(
        "read-only-mount",
        "files whose owner can't change can be tried",
        "needs a kernel that lets a user namespace remount its own mounts",
    ),
    Known(
        "device-nodes",
        "cases with block devices run",
        "run where /dev has a block device, such as a disk or a loop device",
    ),
];

/// What was found inside, one for each try.
#[derive(Debug, Serialize, Deserialize)]
struct Found {
    name: String,
    present: bool,
    detail: String,
}

impl Found {
    fn new(name: &str, result: Result<String, impl std::fmt::Display>) -> Self {
        let name = name.to_owned();
        match result {
            Ok(detail) => Self {
                name,
                present: true,
                detail,
            },
            Err(error) => Self {
                name,
                present: false,
                detail: error.to_string(),
            },
        }
    }
}

/// Finds by trying what workers with these settings can do, in a fixed order.
///
/// A machine without user namespaces gives the whole list with everything absent.
///
/// # Errors
///
/// A [`SandboxError`] when a worker fails for another reason than missing user namespaces.
pub fn capabilities(settings: &Settings) -> Result<Vec<Capability>, SandboxError> {
    let mut worker = match Worker::start_probe(settings) {
        Ok(worker) => worker,
        Err(SandboxError::Unavailable { reason, hint }) => return Ok(nothing(&reason, &hint)),
        Err(error) => return Err(error),
    };
    let not_ready = |how: String| SandboxError::NotReady { how };
    let reply = worker
        .call(b"capabilities", ANSWER_WITHIN)
        .map_err(|error| not_ready(error.to_string()))?;
    let mut found: Vec<Found> =
        serde_json::from_slice(&reply).map_err(|error| not_ready(error.to_string()))?;
    found.push(Found::new("no-selinux-kernel", no_selinux()));
    Ok(KNOWN.iter().map(|known| report(known, &found)).collect())
}

fn report(Known(name, meaning, hint): &Known, found: &[Found]) -> Capability {
    let seen = found.iter().find(|found| found.name == *name);
    let present = seen.is_some_and(|found| found.present);
    Capability {
        name,
        present,
        detail: seen.map_or_else(|| "not tried".to_owned(), |found| found.detail.clone()),
        meaning,
        hint: (!present).then(|| (*hint).to_owned()),
    }
}

fn nothing(reason: &str, hint: &str) -> Vec<Capability> {
    let found = [Found::new("user-namespace", Err::<String, _>(reason))];
    let mut list: Vec<_> = KNOWN.iter().map(|known| report(known, &found)).collect();
    for capability in &mut list {
        capability.hint = Some(hint.to_owned());
    }
    list
}

/// Tries everything, inside; one line of JSON.
pub(super) fn probe(set_up: &SetUp) -> Vec<u8> {
    let file = Path::new("/tmp/.capability");
    let made = fs::write(file, b"");
    let range = if set_up.single {
        Err("one id only")
    } else {
        Ok("ids 0-9999 and 64055".to_owned())
    };
    let proc = match abilities() {
        Some(abilities) if abilities.proc => Ok("mounted".to_owned()),
        _ => Err("the kernel refuses to mount it"),
    };
    let found = [
        Found::new(
            "user-namespace",
            made.map(|()| "made, with a private tmpfs".to_owned()),
        ),
        Found::new("id-range", range),
        Found::new("chown", try_chown(file)),
        Found::new(
            "selinux-xattr",
            label(
                file,
                "security.selinux",
                b"system_u:object_r:svirt_image_t:s0\0",
            ),
        ),
        Found::new("user-xattr", label(file, "user.qconform", b"1")),
        Found::new("security-xattr", label(file, "security.qconform", b"1")),
        Found::new("proc", proc),
        Found::new("read-only-bind", refused_write()),
        Found::new("no-xattr-fs", without_xattrs()),
        Found::new("overlay", ground::try_overlay()),
        Found::new("read-only-mount", ground::try_read_only()),
        Found::new("device-nodes", block_device()),
    ];
    // An empty answer can't be read as a list, which the parent reports.
    serde_json::to_vec(&found).unwrap_or_default()
}

fn try_chown(file: &Path) -> io::Result<String> {
    chown(file, Some(64_055), Some(4001))?;
    let owner = fs::metadata(file)?;
    let back = (owner.uid(), owner.gid());
    if back == (64_055, 4001) {
        Ok("64055:4001".to_owned())
    } else {
        Err(io::Error::other(format!("{back:?}")))
    }
}

fn label(file: &Path, name: &str, value: &[u8]) -> Result<String, Errno> {
    setxattr(file, name, value, XattrFlags::empty())?;
    let mut back = [0; 64];
    let length = rustix::fs::getxattr(file, name, &mut back)?;
    if back.get(..length) == Some(value) {
        Ok(format!("{name} on tmpfs"))
    } else {
        Err(Errno::IO)
    }
}

fn refused_write() -> Result<String, String> {
    match fs::write("/usr/.capability", b"") {
        Err(error) if error.raw_os_error() == Some(libc::EROFS) => {
            Ok("/usr can't be written".to_owned())
        }
        Err(error) => Err(error.to_string()),
        Ok(()) => Err("/usr can be written".to_owned()),
    }
}

fn without_xattrs() -> io::Result<String> {
    let folder = Path::new("/tmp/.ramfs");
    fs::create_dir(folder)?;
    mount("ramfs", folder, "ramfs", MountFlags::empty(), None)?;
    let file = folder.join("file");
    let labelled = fs::write(&file, b"").map(|()| label(&file, "security.selinux", b"x"));
    unmount(folder, UnmountFlags::empty())?;
    match labelled? {
        Err(Errno::NOTSUP) => Ok("ramfs".to_owned()),
        Err(error) => Err(error.into()),
        Ok(_) => Err(io::Error::other("ramfs takes xattrs")),
    }
}

/// The host's, which shows inside and must not open.
fn block_device() -> Result<String, String> {
    let found = fs::metadata(BLOCK_DEVICE);
    let found = found.map_err(|_| "the host has no block device in /dev".to_owned())?;
    if !found.file_type().is_block_device() {
        return Err("what was lent is no block device".to_owned());
    }
    match fs::File::open(BLOCK_DEVICE) {
        Err(_) => Ok("one of the host's, which can't be opened".to_owned()),
        Ok(_) => Err("the host's block device can be opened".to_owned()),
    }
}

/// Looked for outside: inside, `/sys` is hidden.
fn no_selinux() -> Result<String, String> {
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    if mounts.lines().any(|line| line.contains(" - selinuxfs ")) {
        return Err("selinuxfs is mounted".to_owned());
    }
    // A container may hide the file system, but not the context of a process.
    let context = fs::read_to_string("/proc/self/attr/current").unwrap_or_default();
    let context = context.trim_end_matches(['\0', '\n']);
    if is_context(context) {
        return Err(format!("this process runs as {context}"));
    }
    Ok("no active SELinux".to_owned())
}

/// User, role and type at least; AppArmor's names start with a colon or have none.
fn is_context(text: &str) -> bool {
    text.split(':').take_while(|part| !part.is_empty()).count() >= 3
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case::selinux("system_u:system_r:container_t:s0:c1,c2", true)]
    #[case::no_level("system_u:system_r:init_t", true)]
    #[case::apparmor("docker-default (enforce)", false)]
    #[case::apparmor_namespace(":lxd-c1://unconfined", false)]
    #[case::nothing("", false)]
    fn only_a_selinux_context_counts_as_one(#[case] text: &str, #[case] context: bool) {
        assert_eq!(is_context(text), context);
    }

    #[test]
    fn a_machine_without_namespaces_has_nothing_and_says_why() {
        let list = nothing("unshare: EPERM", "sysctl");
        assert!(
            list.iter()
                .all(|capability| !capability.present
                    && capability.hint.as_deref() == Some("sysctl"))
        );
        assert_eq!(
            list.first().map(|first| first.detail.as_str()),
            Some("unshare: EPERM")
        );
    }
}
