//! The fixture of a case: written anew, or the last one put back into the state it started from.
//!
//! Neighbours in a run often have the same files and differ in the domain or the steps.

use std::borrow::Cow;
use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt, lchown};
use std::path::Path;
use std::sync::Arc;

use qconform_generators::file_name;
use qconform_generators::recipe::Content;
use qconform_scenarios::FIXTURE_DIR;
use qconform_scenarios::file::{CaseFile, FileSystem, recipe};

use super::ground::Ground;
use super::{CaseOrder, Observation, STATE_DIR};
use crate::observe::{self, FileState, Observer, SELINUX, Snapshot};

/// Mode of the fixture's folder.
const FOLDER_MODE: u32 = 0o755;

/// The fixture that stands in the sandbox, if one does.
#[derive(Debug, Default)]
pub(super) struct Fixture {
    ground: Option<Ground<'static>>,
    last: Option<Last>,
}

/// A case that has ended, and what was seen of its files.
#[derive(Debug)]
struct Last {
    case: CaseOrder,
    before: Snapshot,
    after: Snapshot,
}

impl Fixture {
    /// Makes the fixture of a case, and says what is seen of it.
    pub(super) fn prepare(
        &mut self,
        case: &CaseOrder,
        observer: &mut Observer,
    ) -> io::Result<Snapshot> {
        if let Some(last) = self.last.take().filter(|last| last.has_files_of(case))
            && last.put_back(observer).unwrap_or(false)
        {
            return Ok(last.before);
        }
        self.clear()?;
        let dir = Path::new(FIXTURE_DIR);
        let ground = self.ground.insert(Ground::prepare(case.filesystem, dir)?);
        make(case, ground.folder())?;
        ground.ready()?;
        observer.snapshot(dir, &case.records)
    }

    /// Ends a case. Its files stay where the next case may use them: after a built-in subject,
    /// which leaves no process behind that could still hold them.
    pub(super) fn leave(&mut self, case: CaseOrder, seen: Option<&Observation>) -> io::Result<()> {
        let last = seen.filter(|_| may_stay(&case)).and_then(|seen| {
            let after = seen.stages.last()?.after.clone();
            let before = seen.before.clone();
            Some(Last {
                case,
                before,
                after,
            })
        });
        match last {
            Some(last) => {
                self.last = Some(last);
                Ok(())
            }
            None => self.clear(),
        }
    }

    /// Removes the fixture.
    pub(super) fn clear(&mut self) -> io::Result<()> {
        self.last = None;
        self.ground.take().map_or(Ok(()), |ground| ground.clear())
    }
}

/// Whether a snapshot tells everything that a subject can have changed about the files: it
/// doesn't tell whether two names are one file.
fn may_stay(case: &CaseOrder) -> bool {
    let is_link = |file: &CaseFile| matches!(file.content, Content::HardLink(_));
    case.launch.is_none()
        && case.filesystem == FileSystem::Tmpfs
        && !case.files.values().any(is_link)
}

impl Last {
    fn has_files_of(&self, case: &CaseOrder) -> bool {
        let this = &self.case;
        (this.filesystem, this.seed) == (case.filesystem, case.seed)
            && case.launch.is_none()
            && (Arc::ptr_eq(&this.files, &case.files) || this.files == case.files)
            && this.records == case.records
    }

    /// Gives every file the state back that it had before the first question; whether that was
    /// possible, which is seen by looking again.
    fn put_back(&self, observer: &mut Observer) -> io::Result<bool> {
        let dir = Path::new(FIXTURE_DIR);
        empty(Path::new(STATE_DIR))?;
        if !is_as_made(dir)? {
            return Ok(false);
        }
        if self.after == self.before {
            return Ok(true);
        }
        for (name, state) in &self.after {
            if self.before.get(name) == Some(state) {
                continue;
            }
            let Some(file) = self.case.files.get(&**name) else {
                return Ok(false);
            };
            let path = file_name::join(dir, name);
            strip(&path, state)?;
            dress(&path, file)?;
        }
        Ok(observer.snapshot(dir, &self.case.records)? == self.before)
    }
}

/// Empties the subject's state folder.
fn empty(state: &Path) -> io::Result<()> {
    if fs::read_dir(state)?.next().is_some() {
        fs::remove_dir_all(state)?;
        fs::create_dir(state)?;
    }
    Ok(())
}

/// Whether the fixture's folder, which no snapshot shows, is as [`Ground`] makes it.
fn is_as_made(dir: &Path) -> io::Result<bool> {
    let folder = dir.symlink_metadata()?;
    let is_plain = folder.is_dir() && folder.mode() & 0o7777 == FOLDER_MODE;
    let attributes = rustix::fs::llistxattr(dir, &mut [0; 0])?;
    Ok(is_plain && (folder.uid(), folder.gid(), attributes) == (0, 0, 0))
}

/// Takes away what a new file doesn't have.
fn strip(path: &Path, state: &FileState) -> io::Result<()> {
    let label = state.label.iter().map(|_| SELINUX);
    let xattrs = state.xattrs.keys().chain(&state.records);
    for name in label.chain(xattrs.map(String::as_str)) {
        rustix::fs::lremovexattr(path, name)?;
    }
    lchown(path, Some(0), Some(0))
}

fn make(case: &CaseOrder, dir: &Path) -> io::Result<()> {
    let recipe = recipe(&case.files, case.seed);
    qconform_generators::fixture::write(&recipe, dir).map_err(io::Error::other)?;
    for (name, file) in &*case.files {
        dress(&file_name::join(dir, name), file)
            .map_err(|error| io::Error::new(error.kind(), format!("{name}: {error}")))?;
    }
    Ok(())
}

/// Gives a file the state that the case starts from. The mode comes after the owner,
/// because a change of owner clears set-id bits.
fn dress(path: &Path, file: &CaseFile) -> io::Result<()> {
    if let Some(label) = &file.label {
        observe::set_attribute(path, SELINUX, format!("{label}\0").as_bytes())?;
    }
    for (name, value) in &file.xattrs {
        observe::set_attribute(path, &settable(name), &value.to_bytes())?;
    }
    if (file.owner.uid, file.owner.gid) != (0, 0) {
        lchown(path, Some(file.owner.uid), Some(file.owner.gid))?;
    }
    if path.is_symlink() {
        return Ok(());
    }
    fs::set_permissions(path, fs::Permissions::from_mode(file.mode))
}

/// Only root of the host can set `trusted.*`. Stand-ins of subjects that keep records there, such
/// as a preloaded library, put `security.` in front, and so does this.
fn settable(name: &str) -> Cow<'_, str> {
    if name.starts_with("trusted.") {
        format!("security.{name}").into()
    } else {
        name.into()
    }
}
