//! A label cycle: a domain's start and stop over an image and its data file, records and all,
//! beside the same system calls in a loop.
//!
//! Which calls those are is not written down here: one cycle runs through a [`System`] that writes
//! them down, and the loop repeats them on the same files. Needs root, for the change of owner.

use std::cell::RefCell;
use std::hint::black_box;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::time::Duration;

use qconform::reference::chain::policy::Follow;
use qconform::reference::chain::resolve;
use qconform::reference::domain::Domain;
use qconform::reference::label::{Config, Kernel, Owner, Plan, Relabeller, System, plan};
use qconform_bench::{Piece, side_by_side};
use qconform_generators::fixture;
use qconform_generators::recipe::{Content, Qcow2, Raw, Recipe};
use rustix::fs::{OFlags, Stat, XattrFlags};
use rustix::io::Errno;

/// One system call of a cycle; files are numbered in the order in which they were opened.
#[derive(Debug)]
enum Call {
    Open(PathBuf, OFlags),
    /// Of the descriptor that was opened as this number.
    Reopen(usize, OFlags),
    Stat(usize),
    Chown(usize, Owner),
    Xattr(usize, String, usize),
    SetXattr(usize, String, Vec<u8>, XattrFlags),
    RemoveXattr(usize, String),
    Lock(usize),
}

/// The kernel, with a list of what was asked of it.
#[derive(Debug, Default)]
struct Recorder {
    calls: RefCell<Vec<Call>>,
    /// Descriptors by number of their opening, the latest last.
    opened: RefCell<Vec<i32>>,
}

impl Recorder {
    fn note(&self, call: Call) {
        self.calls.borrow_mut().push(call);
    }

    fn number(&self, descriptor: i32) -> usize {
        let opened = self.opened.borrow();
        let latest = opened.iter().rposition(|known| *known == descriptor);
        latest.expect("only what was opened is used")
    }

    fn of(&self, file: BorrowedFd<'_>) -> usize {
        self.number(file.as_raw_fd())
    }
}

impl System for Recorder {
    fn open(&self, path: &Path, flags: OFlags) -> Result<OwnedFd, Errno> {
        let file = Kernel.open(path, flags)?;
        let link = path.strip_prefix("/proc/self/fd").ok();
        let link = link.and_then(|number| number.to_str()?.parse().ok());
        self.note(match link {
            Some(descriptor) => Call::Reopen(self.number(descriptor), flags),
            None => Call::Open(path.to_owned(), flags),
        });
        self.opened.borrow_mut().push(file.as_raw_fd());
        Ok(file)
    }

    fn stat(&self, file: BorrowedFd<'_>) -> Result<Stat, Errno> {
        self.note(Call::Stat(self.of(file)));
        Kernel.stat(file)
    }

    fn born(&self, _: BorrowedFd<'_>) -> Result<Option<i128>, Errno> {
        unreachable!("there is no journal")
    }

    fn chown(&self, file: BorrowedFd<'_>, owner: Owner) -> Result<(), Errno> {
        self.note(Call::Chown(self.of(file), owner));
        Kernel.chown(file, owner)
    }

    fn xattr(&self, file: BorrowedFd<'_>, name: &str, value: &mut [u8]) -> Result<usize, Errno> {
        self.note(Call::Xattr(self.of(file), name.to_owned(), value.len()));
        Kernel.xattr(file, name, value)
    }

    fn set_xattr(
        &self,
        file: BorrowedFd<'_>,
        name: &str,
        value: &[u8],
        flags: XattrFlags,
    ) -> Result<(), Errno> {
        let (name_too, value_too) = (name.to_owned(), value.to_owned());
        self.note(Call::SetXattr(self.of(file), name_too, value_too, flags));
        Kernel.set_xattr(file, name, value, flags)
    }

    fn remove_xattr(&self, file: BorrowedFd<'_>, name: &str) -> Result<(), Errno> {
        self.note(Call::RemoveXattr(self.of(file), name.to_owned()));
        Kernel.remove_xattr(file, name)
    }

    fn lock(&self, file: BorrowedFd<'_>) -> Result<(), Errno> {
        self.note(Call::Lock(self.of(file)));
        Kernel.lock(file)
    }

    fn pause(&self, _: Duration) {}

    fn read(&self, _: BorrowedFd<'_>) -> Result<Vec<u8>, Errno> {
        unreachable!("there is no journal")
    }

    fn write(&self, _: BorrowedFd<'_>, _: &[u8]) -> Result<(), Errno> {
        unreachable!("there is no journal")
    }

    fn sync(&self, _: BorrowedFd<'_>) -> Result<(), Errno> {
        unreachable!("there is no journal")
    }

    fn rename(&self, _: &Path, _: &Path) -> Result<(), Errno> {
        unreachable!("there is no journal")
    }

    fn remove(&self, _: &Path) -> Result<(), Errno> {
        unreachable!("there is no journal")
    }
}

/// Makes the same calls, on what they open themselves; everything is closed at the end.
fn replay(calls: &[Call], links: &mut Vec<OwnedFd>) {
    let mut value = [0; 512];
    for call in calls {
        let file = |number: &usize| links[*number].as_fd();
        match call {
            Call::Open(path, flags) => {
                links.push(Kernel.open(path, *flags).expect("the file opens"));
            }
            Call::Reopen(number, flags) => {
                let link = format!("/proc/self/fd/{}", links[*number].as_raw_fd());
                let file = Kernel.open(Path::new(&link), *flags);
                links.push(file.expect("the file opens"));
            }
            Call::Stat(number) => {
                black_box(Kernel.stat(file(number)).is_ok());
            }
            Call::Chown(number, owner) => {
                Kernel
                    .chown(file(number), *owner)
                    .expect("the owner changes");
            }
            Call::Xattr(number, name, length) => {
                let value = &mut value[..*length];
                black_box(Kernel.xattr(file(number), name, value).is_ok());
            }
            Call::SetXattr(number, name, value, flags) => {
                let set = Kernel.set_xattr(file(number), name, value, *flags);
                set.expect("the attribute is set");
            }
            Call::RemoveXattr(number, name) => {
                let removed = Kernel.remove_xattr(file(number), name);
                removed.expect("the attribute is there");
            }
            Call::Lock(number) => {
                // The cycle's own start and stop don't overlap, and neither do these.
                black_box(Kernel.lock(file(number)).is_ok());
            }
        }
    }
    links.clear();
}

fn planned(folder: &Path, config: &Config) -> Plan {
    let image = Qcow2 {
        data_file: Some("disk.raw".into()),
        ..Qcow2::default()
    };
    let files = [
        ("disk.qcow2".to_owned(), image.into()),
        ("disk.raw".to_owned(), Content::Raw(Raw::default())),
    ];
    let recipe = Recipe {
        seed: 0,
        files: files.into(),
    };
    fixture::write(&recipe, folder).expect("the fixture is written");
    for (number, name) in (1..).zip(["disk.qcow2", "disk.raw"]) {
        let path = folder.join(name);
        let label = format!("system_u:object_r:fixture{number}_t:s0\0");
        let flags = XattrFlags::empty();
        rustix::fs::setxattr(&path, "security.selinux", label.as_bytes(), flags)
            .expect("the label is set");
        chown(&path, Some(4000 + number), Some(5000 + number)).expect("the owner is set");
    }
    let xml = format!(
        "<domain type='kvm'><name>guest</name><uuid>5c0f6a52-7d7a-4b8c-9e0e-0d1f2a3b4c5d</uuid>\
         <devices><disk type='file' device='disk'><driver name='qemu' type='qcow2'/>\
         <source file='{}/disk.qcow2'/><target dev='vda'/></disk></devices></domain>",
        folder.display()
    );
    let domain = Domain::parse(xml.as_bytes()).expect("the domain is read");
    let chain = resolve(&domain, &Follow).expect("the chain is found");
    plan(&domain, &chain, config).expect("the plan is made")
}

fn cycle(relabeller: &Relabeller<'_>, plan: &Plan, config: &Config) {
    let started = relabeller.start(plan, config, "5c0f6a527d7a4b8c9e0e0d1f2a3b4c5d");
    let running = started.expect("the domain starts");
    let stopped = relabeller.stop(&running);
    assert!(stopped.errors.is_empty(), "{stopped:?}");
}

fn main() {
    if !rustix::process::geteuid().is_root() {
        println!("label cycle skipped: needs root");
        return;
    }
    let folder = tempfile::tempdir_in("/dev/shm").expect("a folder on a tmpfs");
    let config = Config {
        category_pair: Some((107, 642)),
        ..Config::default()
    };
    let plan = planned(folder.path(), &config);
    let recorder = Recorder::default();
    cycle(
        &Relabeller::default().with_system(&recorder),
        &plan,
        &config,
    );
    let calls = recorder.calls.into_inner();
    let mut files = Vec::new();
    let pieces: Vec<Piece<'_>> = vec![
        (
            "bare system calls of a cycle",
            Box::new(|| replay(&calls, &mut files)),
        ),
        (
            "start and stop, two files",
            Box::new(|| cycle(&Relabeller::default(), &plan, &config)),
        ),
    ];
    let title = format!("label cycle: {} system calls, and closing", calls.len());
    side_by_side(&title, pieces);
}
