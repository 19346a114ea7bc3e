//! Which user and group ids exist inside a worker, and which ids of the host stand behind them.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::process::Command;

use rustix::process::{getegid, geteuid};
use rustix::thread::CapabilitySet;

use super::SandboxError;

mod ranges;

use ranges::{offered, pick, read, subordinate, subordinate_ranges, table};

/// Ids 0 to 9999 exist inside.
const COMMON: u32 = 10_000;
/// QEMU's user on Debian, the one id that exists besides the common ones.
const QEMU: u32 = 64_055;

/// Consecutive ids inside, and the host ids that stand for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// First user and group id inside.
    pub inside: u32,
    /// First user id as the starting process names it.
    pub uid: u32,
    /// First group id as the starting process names it.
    pub gid: u32,
    /// How many.
    pub count: u32,
}

/// Who writes the maps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MapWriter {
    /// `newuidmap` and `newgidmap`, which check `/etc/subuid` and `/etc/subgid`.
    Newuidmap,
    /// This process, which has the privilege.
    Direct,
}

/// The ids of a worker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IdMap {
    /// Ids 0 to 9999 and 64055. The overflow id 65534 stays unmapped, so that an unmapped owner can be told apart.
    Range {
        /// What stands behind them.
        extents: Vec<Extent>,
        /// Who writes the maps.
        by: MapWriter,
    },
    /// Id 0 only; it stands for the user who runs this.
    Single,
}

impl IdMap {
    /// The widest map that this process may use.
    ///
    /// With the privilege to set ids: an unused range high in what `/proc/self/uid_map` and `gid_map` offer. Without:
    /// the subordinate range of this user, if it is long enough and `newuidmap` and `newgidmap` are on PATH.
    /// Otherwise a single id.
    ///
    /// # Errors
    ///
    /// [`SandboxError::SetUp`] when `/proc/self` can't be read, [`SandboxError::Unavailable`] for a root user who may
    /// not set ids: the single id would be the host's 0.
    pub fn choose() -> Result<Self, SandboxError> {
        if may_set_ids() {
            let busy = [
                subordinate_ranges("/etc/subuid"),
                subordinate_ranges("/etc/subgid"),
            ]
            .concat();
            let uid = pick(&offered("/proc/self/uid_map")?, &busy);
            let gid = pick(&offered("/proc/self/gid_map")?, &busy);
            if let (Some(uid), Some(gid)) = (uid, gid) {
                return Ok(Self::range(uid, gid, MapWriter::Direct));
            }
        }
        let single = Self::Single;
        if let Some((uid, gid)) = find("newuidmap")
            .and(find("newgidmap"))
            .and_then(|_| subordinate())
        {
            return Ok(Self::range(uid, gid, MapWriter::Newuidmap));
        }
        single.refuse_host_root()?;
        Ok(single)
    }

    /// Whether only one id exists inside.
    #[must_use]
    pub fn is_single(&self) -> bool {
        matches!(self, Self::Single)
    }

    fn range(uid: u32, gid: u32, by: MapWriter) -> Self {
        let common = Extent {
            inside: 0,
            uid,
            gid,
            count: COMMON,
        };
        let qemu = Extent {
            inside: QEMU,
            uid: uid + COMMON,
            gid: gid + COMMON,
            count: 1,
        };
        Self::Range {
            extents: vec![common, qemu],
            by,
        }
    }

    /// A single map stands for the caller's own ids, which must not be root's.
    pub(super) fn refuse_host_root(&self) -> Result<(), SandboxError> {
        let root = geteuid().is_root() && (may_set_ids() || outer_root()?);
        if !self.is_single() || !root {
            return Ok(());
        }
        Err(SandboxError::Unavailable {
            reason: "the only id to map would be the host's root".to_owned(),
            hint:
                "run as an ordinary user, or give root CAP_SETUID and CAP_SETGID and a range of ids"
                    .to_owned(),
        })
    }

    /// Writes the maps of process `pid`, which has just made its user namespace.
    pub(super) fn write(&self, pid: u32) -> Result<(), SandboxError> {
        match self {
            Self::Single => {
                write_proc(pid, "setgroups", "deny")?;
                write_proc(pid, "uid_map", &format!("0 {} 1", geteuid().as_raw()))?;
                write_proc(pid, "gid_map", &format!("0 {} 1", getegid().as_raw()))
            }
            Self::Range {
                extents,
                by: MapWriter::Direct,
            } => {
                write_proc(pid, "uid_map", &lines(extents, |extent| extent.uid))?;
                write_proc(pid, "gid_map", &lines(extents, |extent| extent.gid))
            }
            Self::Range {
                extents,
                by: MapWriter::Newuidmap,
            } => {
                helper("newuidmap", pid, &lines(extents, |extent| extent.uid))?;
                helper("newgidmap", pid, &lines(extents, |extent| extent.gid))
            }
        }
    }
}

fn lines(extents: &[Extent], host: fn(&Extent) -> u32) -> String {
    extents
        .iter()
        .map(|extent| format!("{} {} {}\n", extent.inside, host(extent), extent.count))
        .collect()
}

/// Writes a map file in one call, as the kernel demands.
pub(super) fn write_proc(pid: u32, file: &str, content: &str) -> Result<(), SandboxError> {
    let path = format!("/proc/{pid}/{file}");
    fs::OpenOptions::new()
        .write(true)
        .open(&path)
        .and_then(|mut file| io::Write::write_all(&mut file, content.as_bytes()))
        .map_err(|error| SandboxError::at(format!("write {file}"), error))
}

fn helper(name: &str, pid: u32, map: &str) -> Result<(), SandboxError> {
    let program = find(name).ok_or_else(|| SandboxError::at(name, io::ErrorKind::NotFound))?;
    let output = Command::new(program)
        .arg(pid.to_string())
        .args(map.split_whitespace())
        .output()
        .map_err(|error| SandboxError::at(name, error))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(SandboxError::at(
        name,
        io::Error::other(said.trim().to_owned()),
    ))
}

fn find(name: &str) -> Option<PathBuf> {
    which::which(name).ok()
}

fn may_set_ids() -> bool {
    let wanted = CapabilitySet::SETUID | CapabilitySet::SETGID;
    rustix::thread::capabilities(None).is_ok_and(|sets| sets.effective.contains(wanted))
}

/// Whether id 0 here is the host's: its map leads to 0 outside.
fn outer_root() -> Result<bool, SandboxError> {
    let text = read("/proc/self/uid_map")?;
    Ok(table(&text).any(|[inside, outside, _]| inside == 0 && outside == 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_overflow_id_is_never_mapped() {
        let IdMap::Range { extents, .. } = IdMap::range(1_000_000, 2_000_000, MapWriter::Direct)
        else {
            panic!("a range was asked for")
        };
        assert_eq!(
            lines(&extents, |extent| extent.uid),
            "0 1000000 10000\n64055 1010000 1\n"
        );
        assert_eq!(
            lines(&extents, |extent| extent.gid),
            "0 2000000 10000\n64055 2010000 1\n"
        );
    }
}
