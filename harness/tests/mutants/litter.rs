//! What a worker keeps of one case's files for the next: everything if a subject leaves them alone,
//! and nothing that it changed.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, lchown, symlink};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use libtest_mimic::Failed;
use qconform::observe::{SELINUX, set_attribute};
use qconform::subject::reference::Reference;
use qconform::subject::{Answer, Description, Question, Subject};
use qconform::worker::STATE_DIR;
use qconform_scenarios::verdict::{Level, Verdict};

use crate::{LABELLING, SUITE, TIMEOUT, of_levels, run_in_turn};

pub(crate) const NAME: &str = "littering";
pub(crate) const TIDY: &str = "tidy";

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

/// Changes nothing, and tells which file it found: a new one has another inode.
pub(crate) struct Tidy;

impl Subject for Tidy {
    fn describe(&mut self) -> Result<Description, String> {
        Reference::default().describe()
    }

    fn answer(&mut self, _: &Question<'_>, dir: &Path) -> Answer {
        let inode = file_of(dir, 0).and_then(|file| Some(file.symlink_metadata().ok()?.ino()));
        Answer::Crashed {
            how: format!("{inode:?}"),
        }
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

/// Cases of a scenario with the same files find the very same.
pub(crate) fn files_stay_for_the_next_case() -> Result<(), Failed> {
    let selection = of_levels(&[Level::Blockdev]);
    let keys: BTreeMap<_, _> = SUITE
        .select(&selection)
        .map(|it| (it.id, (&it.scenario.id, it.scenario.fixture_key(it.number))))
        .collect();
    let mut found = BTreeMap::new();
    for case in run_in_turn(&[TIDY], selection.clone(), TIMEOUT) {
        let inode = found
            .entry(&keys[&*case.case])
            .or_insert_with(|| case.message.clone());
        if *inode != case.message {
            return Err(format!("{}: {} and not {inode}", case.case, case.message).into());
        }
    }
    // Otherwise nothing had to stay.
    assert!(
        found.len() * 2 < keys.len(),
        "{} of {}",
        found.len(),
        keys.len()
    );
    Ok(())
}
