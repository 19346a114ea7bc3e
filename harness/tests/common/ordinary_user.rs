//! Runs a test program once more as an ordinary user.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::process::Command;

/// The output of this program's copy when it fails as another user; `None` if it passes,
/// or if this isn't root.
pub(crate) fn fails() -> Option<String> {
    if !rustix::process::geteuid().is_root() {
        return None;
    }
    let folder = tempfile::tempdir_in("/tmp").unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let copy = folder.path().join("copy");
    fs::copy(std::env::current_exe().unwrap(), &copy).unwrap();
    let output = Command::new(&copy)
        .uid(12_345)
        .gid(12_345)
        .current_dir("/")
        .output()
        .unwrap();
    let failed = !output.status.success();
    failed.then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}
