//! What a file is besides its content: owner, mode, label, records.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use qconform_generators::recipe::Bytes;
use rustix::io::Errno;

use super::CaptureError;
use crate::observe::SELINUX;
use crate::reference::label::Owner;

/// Largest extended attribute that Linux has, in bytes.
const VALUE_MAX: usize = 64 << 10;

/// Beginnings of the names of attributes in which relabellers keep records.
const RECORDS: [&str; 4] = [
    "trusted.",
    "user.trusted.",
    "security.qconform.",
    "user.qconform.",
];

/// The state of a file.
#[derive(Debug, Clone)]
pub(super) struct State {
    pub(super) owner: Owner,
    /// Permission bits; none for a symbolic link.
    pub(super) mode: Option<u32>,
    /// SELinux label, without its trailing NUL.
    pub(super) label: Option<String>,
    /// Records.
    pub(super) xattrs: BTreeMap<String, Bytes>,
    /// Names of other attributes, which are nobody's business.
    pub(super) others: Vec<String>,
}

impl State {
    /// Looks at a file, and not at what it links to.
    pub(super) fn of(path: &Path) -> Result<State, CaptureError> {
        let fail = |what| {
            let path = path.to_owned();
            move |source: io::Error| CaptureError::State { path, what, source }
        };
        let metadata = path.symlink_metadata().map_err(fail("state"))?;
        let names = names(path).map_err(fail("attributes"))?;
        let mut state = State {
            owner: Owner {
                user: metadata.uid(),
                group: metadata.gid(),
            },
            mode: (!metadata.is_symlink()).then_some(metadata.mode() & 0o7777),
            label: None,
            xattrs: BTreeMap::new(),
            others: Vec::new(),
        };
        for name in names {
            let is_record = RECORDS.iter().any(|record| name.starts_with(record));
            if name != SELINUX && !is_record {
                state.others.push(name);
                continue;
            }
            let Some(value) = value(path, &name).map_err(fail("attributes"))? else {
                continue;
            };
            if name == SELINUX {
                let text = String::from_utf8_lossy(&value);
                state.label = Some(text.trim_end_matches('\0').to_owned());
            } else {
                state.xattrs.insert(name, Bytes::verbatim(value));
            }
        }
        Ok(state)
    }
}

fn names(path: &Path) -> io::Result<Vec<String>> {
    let mut list = vec![0; VALUE_MAX];
    let length = match rustix::fs::llistxattr(path, &mut list) {
        Ok(length) => length,
        Err(Errno::NOTSUP) => 0,
        Err(error) => return Err(error.into()),
    };
    let names = list[..length].split(|byte| *byte == 0);
    let names = names.filter(|name| !name.is_empty());
    Ok(names
        .map(|name| String::from_utf8_lossy(name).into_owned())
        .collect())
}

/// Nothing if it is gone meanwhile.
fn value(path: &Path, name: &str) -> io::Result<Option<Vec<u8>>> {
    let mut value = vec![0; VALUE_MAX];
    match rustix::fs::lgetxattr(path, name, &mut value) {
        Ok(length) => {
            value.truncate(length);
            Ok(Some(value))
        }
        Err(Errno::NODATA) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// From ids of this machine to those of the sandbox. The same id is the same everywhere, as user
/// and as group.
#[derive(Debug)]
pub(super) struct Ids {
    new: BTreeMap<u32, u32>,
}

impl Ids {
    pub(super) fn new(used: &BTreeSet<u32>) -> Ids {
        let mut free = (1..=LAST).rev().filter(|id| !used.contains(id));
        let foreign = used.iter().filter(|id| !is_of_sandbox(**id));
        // Nobody has ten thousand files with other owners; if so, the rest share the last id.
        let new = foreign.map(|id| (*id, free.next().unwrap_or(1))).collect();
        Ids { new }
    }

    pub(super) fn id(&self, id: u32) -> u32 {
        self.new.get(&id).copied().unwrap_or(id)
    }

    pub(super) fn owner(&self, owner: Owner) -> Owner {
        Owner {
            user: self.id(owner.user),
            group: self.id(owner.group),
        }
    }

    /// A label of the DAC driver; what isn't two numbers stays as it is.
    pub(super) fn label(&self, label: &str) -> String {
        match label.parse::<Owner>() {
            Ok(owner) if self.owner(owner) != owner => self.owner(owner).to_string(),
            _ => label.to_owned(),
        }
    }

    /// The ids that are others in the sandbox.
    pub(super) fn changed(&self) -> impl Iterator<Item = (u32, u32)> {
        self.new.iter().map(|(old, new)| (*old, *new))
    }
}

/// The last id that the sandbox has in one piece, and the one it has besides.
const LAST: u32 = 9999;
const QEMU: u32 = 64_055;

fn is_of_sandbox(id: u32) -> bool {
    id <= LAST || id == QEMU
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_ids_get_free_ones() {
        let ids = Ids::new(&[0, 9999, 64_055, 65_534, 100_000].into());
        assert_eq!([0, 9999, 64_055].map(|id| ids.id(id)), [0, 9999, 64_055]);
        assert_eq!([65_534, 100_000].map(|id| ids.id(id)), [9998, 9997]);
        assert_eq!(ids.label("+100000:+0"), "9997:0");
        assert_eq!(ids.label("qemu:qemu"), "qemu:qemu");
    }
}
