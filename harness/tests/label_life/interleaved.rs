//! Several relabellers on the same files, whose system calls come in a random order.
//!
//! Each relabeller is a thread, and one thread at a time has the baton. At each system call it is
//! handed on, or kept, at random.

use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use qconform::reference::label::{Config, Kernel, Owner, Plan, Relabeller, System};
use rustix::fs::{OFlags, Stat, XattrFlags};
use rustix::io::Errno;

use crate::lab::Lab;
use crate::scene::{READ_ONLY, State, VM, disk, dress, planned, records, write_files};

const INTERLEAVINGS: u64 = 10_000;
const THREADS: usize = 3;
const FILES: [(u32, &str); 4] = [
    (3, "disk.qcow2"),
    (4, "disk.raw"),
    (5, "base.qcow2"),
    (6, "base.raw"),
];

pub(crate) fn many() -> String {
    let lab = Lab::new();
    write_files(&lab);
    let rw = disk("disk.qcow2", "qcow2", "vda");
    let ro = disk("base.qcow2", "qcow2", "vda").replace("<target", "<readonly/><target");
    let domains = [
        Domain::new(&lab, "one", &rw, (1, 2)),
        Domain::new(&lab, "two", &rw, (3, 4)),
        Domain::new(&lab, "three", &ro, (5, 6)),
    ];
    let (mut started, mut refused) = (0, 0);
    for seed in 0..INTERLEAVINGS {
        for (number, name) in FILES {
            dress(&lab.path(name), number);
        }
        let (done, not) = interleave(&domains, seed);
        started += done;
        refused += not;
        check(&lab, seed);
    }
    assert!(started > INTERLEAVINGS && refused > INTERLEAVINGS / 10);
    format!("{INTERLEAVINGS} interleavings, {started} starts, {refused} refused")
}

struct Domain {
    name: &'static str,
    config: Config,
    plan: Plan,
}

impl Domain {
    fn new(lab: &Lab, name: &'static str, disks: &str, pair: (u32, u32)) -> Self {
        let config = Config {
            category_pair: Some(pair),
            ..Config::default()
        };
        let plan = planned(lab, disks, None, &config);
        Self { name, config, plan }
    }

    /// Starts and stops; gives how often it started, and how often it was refused.
    fn live(&self, system: &Gated, rounds: u64) -> (u64, u64) {
        let relabeller = Relabeller::default().with_system(system);
        let (mut started, mut refused) = (0, 0);
        for _ in 0..rounds {
            let Ok(running) = relabeller.start(&self.plan, &self.config, self.name) else {
                refused += 1;
                continue;
            };
            started += 1;
            // While it runs, every file is as it needs it, whatever the others do.
            for row in &self.plan.rows {
                let found = State::of(&row.path);
                let label = row.label.as_ref().map(|label| format!("{label}\0"));
                assert_eq!((found.owner.0, found.label), (VM, label), "{}", self.name);
            }
            let stopped = relabeller.stop(&running);
            assert_eq!(stopped.errors, []);
        }
        (started, refused)
    }
}

fn interleave(domains: &[Domain; THREADS], seed: u64) -> (u64, u64) {
    let baton = Arc::new(Baton::new(seed));
    std::thread::scope(|scope| {
        let lives: Vec<_> = domains
            .iter()
            .enumerate()
            .map(|(number, domain)| {
                let baton = Arc::clone(&baton);
                scope.spawn(move || {
                    let system = Gated { number, baton };
                    system.baton.take_turn(number, false);
                    domain.live(&system, 1 + (seed + number as u64) % 2)
                })
            })
            .collect();
        let ends = lives.into_iter().map(|life| life.join().unwrap());
        ends.fold((0, 0), |sum, end| (sum.0 + end.0, sum.1 + end.1))
    })
}

fn check(lab: &Lab, seed: u64) {
    for (number, name) in FILES {
        let path = lab.path(name);
        let found = State::of(&path);
        let kept = State {
            owner: (VM, VM),
            label: Some(READ_ONLY.to_owned()),
        };
        let free = name.starts_with("base") && found == kept;
        assert!(
            found == State::original(number) || free,
            "{seed}: {name} is {found:?}"
        );
        assert_eq!(records(&path), Vec::<String>::new(), "{seed}: {name}");
    }
}

/// Who may go on.
#[derive(Debug)]
struct Baton {
    state: Mutex<Turns>,
    passed: Condvar,
}

#[derive(Debug)]
struct Turns {
    holder: Option<usize>,
    arrived: usize,
    alive: [bool; THREADS],
    waits_for_lock: [bool; THREADS],
    random: u64,
}

impl Baton {
    fn new(seed: u64) -> Self {
        Self {
            state: Mutex::new(Turns {
                holder: None,
                arrived: 0,
                alive: [true; THREADS],
                waits_for_lock: [false; THREADS],
                random: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1,
            }),
            passed: Condvar::new(),
        }
    }

    /// Hands the baton on, or keeps it, and comes back when it is this thread's turn.
    fn take_turn(&self, number: usize, waits_for_lock: bool) {
        let mut turns = self.state.lock().unwrap();
        if turns.holder.is_none() {
            // Everybody has to be there before the first one goes.
            turns.arrived += 1;
            if turns.arrived < THREADS {
                turns = self
                    .passed
                    .wait_while(turns, |turns| turns.holder.is_none())
                    .unwrap();
            } else {
                turns.holder = Some(number);
                self.passed.notify_all();
            }
        } else {
            turns.waits_for_lock[number] = waits_for_lock;
            turns.choose(number);
        }
        if turns.holder != Some(number) {
            self.passed.notify_all();
            turns = self
                .passed
                .wait_while(turns, |turns| turns.holder != Some(number))
                .unwrap();
        }
        turns.waits_for_lock[number] = false;
    }

    fn leave(&self, number: usize) {
        let mut turns = self
            .state
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        turns.alive[number] = false;
        turns.choose(number);
        self.passed.notify_all();
    }
}

impl Turns {
    fn next(&mut self, below: u64) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random % below
    }

    /// Whoever waits for a lock rarely gets a turn before somebody else has had one.
    fn choose(&mut self, number: usize) {
        let rare = self.next(16) == 0;
        let eager = |turns: &Self, other: usize| turns.alive[other] && !turns.waits_for_lock[other];
        let mut able: Vec<_> = (0..THREADS).filter(|other| eager(self, *other)).collect();
        if able.is_empty() || rare {
            able = (0..THREADS).filter(|other| self.alive[*other]).collect();
        }
        let stays = able.contains(&number) && self.next(4) != 0;
        if able.is_empty() || stays {
            return;
        }
        let index = self.next(able.len() as u64);
        self.holder = able.get(usize::try_from(index).unwrap()).copied();
    }
}

/// The kernel, with a turn before each call.
#[derive(Debug)]
struct Gated {
    number: usize,
    baton: Arc<Baton>,
}

impl Gated {
    fn turn(&self) -> Kernel {
        self.baton.take_turn(self.number, false);
        Kernel
    }
}

impl Drop for Gated {
    fn drop(&mut self) {
        self.baton.leave(self.number);
    }
}

impl System for Gated {
    fn open(&self, path: &Path, flags: OFlags) -> Result<OwnedFd, Errno> {
        self.turn().open(path, flags)
    }

    fn stat(&self, file: BorrowedFd<'_>) -> Result<Stat, Errno> {
        self.turn().stat(file)
    }

    fn born(&self, file: BorrowedFd<'_>) -> Result<Option<i128>, Errno> {
        self.turn().born(file)
    }

    fn chown(&self, file: BorrowedFd<'_>, owner: Owner) -> Result<(), Errno> {
        self.turn().chown(file, owner)
    }

    fn xattr(&self, file: BorrowedFd<'_>, name: &str, value: &mut [u8]) -> Result<usize, Errno> {
        self.turn().xattr(file, name, value)
    }

    fn set_xattr(
        &self,
        file: BorrowedFd<'_>,
        name: &str,
        value: &[u8],
        flags: XattrFlags,
    ) -> Result<(), Errno> {
        self.turn().set_xattr(file, name, value, flags)
    }

    fn remove_xattr(&self, file: BorrowedFd<'_>, name: &str) -> Result<(), Errno> {
        self.turn().remove_xattr(file, name)
    }

    fn lock(&self, file: BorrowedFd<'_>) -> Result<(), Errno> {
        self.turn().lock(file)
    }

    fn pause(&self, _: Duration) {
        self.baton.take_turn(self.number, true);
    }

    fn read(&self, file: BorrowedFd<'_>) -> Result<Vec<u8>, Errno> {
        self.turn().read(file)
    }

    fn write(&self, file: BorrowedFd<'_>, bytes: &[u8]) -> Result<(), Errno> {
        self.turn().write(file, bytes)
    }

    fn sync(&self, file: BorrowedFd<'_>) -> Result<(), Errno> {
        self.turn().sync(file)
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<(), Errno> {
        self.turn().rename(from, to)
    }

    fn remove(&self, path: &Path) -> Result<(), Errno> {
        self.turn().remove(path)
    }
}
