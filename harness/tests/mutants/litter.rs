//! A subject that leaves the files changed: the case after it has the files that it describes all
//! the same, though a worker doesn't write again what two cases have in common.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{PermissionsExt, chown, lchown, symlink};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use libtest_mimic::Failed;
use qconform::observe::{SELINUX, set_attribute};
use qconform::subject::reference::Reference;
use qconform::subject::{Answer, Description, Question, Subject};
use qconform::worker::STATE_DIR;
use qconform_scenarios::verdict::Verdict;

use crate::{LABELLING, TIMEOUT, of_levels, run_in_turn};

pub(crate) const NAME: &str = "littering";

/// Does something to the fixture's folder, one of whose files is the second.
type Litter = fn(&Path, &Path) -> io::Result<()>;

const LITTER: [Litter; 16] = [
    |_, file| fs::write(file, b"other"),
    |_, file| {
        fs::OpenOptions::new()
            .write(true)
            .open(file)?
            .set_len(1 << 20)
    },
    |_, file| fs::set_permissions(file, Permissions::from_mode(0o4711)),
    |_, file| lchown(file, Some(7), Some(8)),
    |_, file| set_attribute(file, SELINUX, b"a:b:c:s0\0"),
    |_, file| set_attribute(file, "security.other", &[7; 9000]),
    |_, file| fs::remove_file(file),
    |_, file| fs::remove_file(file).and_then(|()| symlink("/fixture/elsewhere", file)),
    |dir, file| fs::rename(file, dir.join("renamed")),
    |dir, file| fs::hard_link(file, dir.join("second-name")),
    |dir, _| fs::write(dir.join("new"), b"new"),
    |dir, _| fs::create_dir_all(dir.join("new/folder")),
    |dir, _| fs::set_permissions(dir, Permissions::from_mode(0o700)),
    |dir, _| chown(dir, Some(7), Some(8)),
    |dir, _| set_attribute(dir, "security.other", b"other"),
    |_, _| fs::write(Path::new(STATE_DIR).join("left"), b"left"),
];

/// The reference, which leaves litter of another kind each time.
pub(crate) struct Littering(pub(crate) Reference);

impl Subject for Littering {
    fn describe(&mut self) -> Result<Description, String> {
        self.0.describe()
    }

    fn answer(&mut self, question: &Question<'_>, dir: &Path) -> Answer {
        static TURN: AtomicUsize = AtomicUsize::new(0);
        let answer = self.0.answer(question, dir);
        let turn = TURN.fetch_add(1, Ordering::Relaxed);
        if let Some(file) = file_of(dir, turn / LITTER.len()) {
            // A file system that can't be written stays clean.
            let _ = LITTER[turn % LITTER.len()](dir, &file);
        }
        answer
    }
}

/// One of the folder's files.
fn file_of(dir: &Path, turn: usize) -> Option<PathBuf> {
    let entries = fs::read_dir(dir).ok()?.flatten();
    let mut files: Vec<_> = entries.map(|entry| entry.path()).collect();
    files.sort();
    files.get(turn % files.len().max(1)).cloned()
}

/// The reference is asked about each case after the subject that left it changed.
pub(crate) fn the_next_case_has_its_own_files() -> Result<(), Failed> {
    let cases = run_in_turn(&[NAME, "reference"], of_levels(&LABELLING), TIMEOUT);
    let (littered, clean): (Vec<_>, Vec<_>) =
        cases.into_iter().partition(|case| &*case.subject == NAME);
    if let Some(case) = clean.iter().find(|case| case.verdict != Verdict::Pass) {
        return Err(format!("{}: {:?} {}", case.case, case.verdict, case.message).into());
    }
    // Most of the litter is seen, or this would prove nothing.
    let seen = littered.iter().filter(|case| case.verdict.is_failure());
    let (seen, all) = (seen.count(), littered.len());
    assert_eq!(all, clean.len());
    assert!(seen * 2 > all, "{seen} of {all}");
    Ok(())
}
