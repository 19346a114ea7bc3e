//! Follows a path one component at a time, and remembers the way.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use rustix::io::Errno;

/// As many links as the kernel follows.
const LINKS_MAX: usize = 40;

/// A symbolic link on the way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Link {
    /// Where it is, without links in its own path.
    pub(super) at: PathBuf,
    /// Where it points.
    pub(super) target: Vec<u8>,
    /// Whether the path ends with it, so that it stands for the file.
    pub(super) last: bool,
}

/// The way to a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Trace {
    /// Where it ends, without links; nothing needs to be there.
    pub(super) end: PathBuf,
    /// The links, in their order.
    pub(super) links: Vec<Link>,
    /// Folders that the way enters and leaves again by `..`.
    pub(super) left: Vec<PathBuf>,
    /// Folders that the way comes to by `..`.
    pub(super) reached: Vec<PathBuf>,
}

/// Follows a path; what is missing is taken for a folder or file without links.
///
/// # Errors
///
/// What the system says of too many links, or of a folder that may not be searched.
pub(super) fn trace(path: &Path) -> io::Result<Trace> {
    let mut way = Trace {
        end: PathBuf::from("/"),
        links: Vec::new(),
        left: Vec::new(),
        reached: Vec::new(),
    };
    let absolute = if path.is_absolute() {
        path.to_owned()
    } else {
        std::env::current_dir()?.join(path)
    };
    let mut rest = components(absolute.as_os_str().as_bytes());
    while let Some(next) = rest.pop_front() {
        if next == ".." {
            way.left.push(way.end.clone());
            way.end.pop();
            way.reached.push(way.end.clone());
            continue;
        }
        let here = way.end.join(next);
        let target = match std::fs::read_link(&here) {
            Ok(target) => target.into_os_string().into_vec(),
            Err(error) if is_no_link(&error) => {
                way.end = here;
                continue;
            }
            Err(error) => return Err(error),
        };
        if way.links.len() == LINKS_MAX {
            return Err(Errno::LOOP.into());
        }
        if target.starts_with(b"/") {
            way.end = PathBuf::from("/");
        }
        let last = rest.is_empty();
        for part in components(&target).into_iter().rev() {
            rest.push_front(part);
        }
        way.links.push(Link {
            at: here,
            target,
            last,
        });
    }
    Ok(way)
}

fn components(path: &[u8]) -> VecDeque<OsString> {
    path.split(|byte| *byte == b'/')
        .filter(|part| !matches!(*part, b"" | b"."))
        .map(|part| OsStr::from_bytes(part).to_owned())
        .collect()
}

/// Whatever isn't a link, or isn't there.
fn is_no_link(error: &io::Error) -> bool {
    let expected = [
        Errno::INVAL,
        Errno::NOENT,
        Errno::NOTDIR,
        Errno::NAMETOOLONG,
    ];
    expected
        .iter()
        .any(|errno| error.raw_os_error() == Some(errno.raw_os_error()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn links_and_detours_are_remembered() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        std::fs::create_dir_all(root.join("real/sub")).unwrap();
        symlink("real", root.join("link")).unwrap();
        let way = trace(&root.join("link/sub/../disk")).unwrap();
        assert_eq!(way.end, root.join("real/disk"));
        assert_eq!(way.links.len(), 1);
        assert_eq!(way.links[0].at, root.join("link"));
        assert!(!way.links[0].last);
        assert_eq!(way.left, [root.join("real/sub")]);
        assert_eq!(way.reached, [root.join("real")]);
    }

    #[test]
    fn a_circle_of_links_ends() {
        let dir = tempfile::tempdir().unwrap();
        symlink("b", dir.path().join("a")).unwrap();
        symlink("a", dir.path().join("b")).unwrap();
        let error = trace(&dir.path().join("a")).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(Errno::LOOP.raw_os_error()));
    }
}
