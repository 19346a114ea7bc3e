//! One domain's life, and what must hold after each step of it.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use qconform::reference::chain::policy::Follow;
use qconform::reference::chain::resolve;
use qconform::reference::label::{Commit, Config, Intent, Plan, Relabeller, Running, Side, plan};

use super::act::{Act, What};
use super::disk::{Disk, Kind, image, target};
use crate::faulty::{Fault, Faulty, unwind};
use crate::lab::Lab;
use crate::sample::Sample;
use crate::scene::{State, dress, records};

/// What a file is used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Purpose {
    /// The domain gives its original state back.
    GivenBack,
    /// It may stay as it is.
    Kept,
}

pub(super) struct Life {
    lab: Lab,
    /// Where records are, unless files carry them.
    journal: tempfile::TempDir,
    config: Config,
    disks: Vec<Disk>,
    /// The domain; absent while it is stopped.
    running: Option<Running>,
    /// What each used file was before the domain got it.
    before: BTreeMap<String, State>,
    /// Files and their originals.
    originals: BTreeMap<String, State>,
    /// Data files by the image that names them.
    data: Vec<(String, String)>,
    /// Every file that was ever used.
    ever: BTreeSet<String>,
}

impl Life {
    pub(super) fn new(disks: Vec<Disk>, journal: bool) -> Self {
        let lab = Lab::new();
        let mut data = vec![("common.qcow2".to_owned(), "common.raw".to_owned())];
        lab.image("common.qcow2", Sample::new().data_file("common.raw"))
            .data("common.raw")
            .data("bystander");
        for (number, disk) in disks.iter().enumerate() {
            for (layer, has_data) in disk.layers.iter().enumerate() {
                let name = image(number, layer);
                let mut sample = Sample::new();
                if layer > 0 {
                    sample = sample
                        .backing(&image(number, layer - 1))
                        .backing_format("qcow2");
                } else if disk.common {
                    sample = sample.backing("common.qcow2").backing_format("qcow2");
                }
                if *has_data {
                    let raw = name.replace("qcow2", "raw");
                    lab.data(&raw);
                    sample = sample.data_file(&raw);
                    data.push((name.clone(), raw));
                }
                lab.image(&name, sample);
            }
        }
        let mut originals = BTreeMap::new();
        let names = std::fs::read_dir(lab.path("")).unwrap();
        let mut names: Vec<_> = names
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        for (number, name) in (1..).zip(names) {
            dress(&lab.path(&name), number);
            originals.insert(name, State::original(number));
        }
        let mut config = Config {
            category_pair: Some((10, 20)),
            ..Config::default()
        };
        let folder = tempfile::tempdir().unwrap();
        if journal {
            config.record_namespaces.clear();
            config.state_directory = Some(folder.path().to_owned());
        }
        Self {
            config,
            journal: folder,
            lab,
            disks,
            running: None,
            before: BTreeMap::new(),
            originals,
            data,
            ever: BTreeSet::new(),
        }
    }

    /// Does one thing to the domain, and says what came of it.
    pub(super) fn act(&mut self, act: Act) -> &'static str {
        let was = self.disks.clone();
        let able = self.able();
        let (what, number) = able[act.choice % able.len()];
        self.wish(what, number);
        let before = self.running.clone().unwrap_or_else(|| self.nothing());
        let Some(after) = self.next(&before, what, number) else {
            self.disks = was;
            return "refused by the plan";
        };
        let (seen, states) = (self.seen(), self.states());
        let stops = matches!(what, What::StopOrStart) && self.running.is_some();
        let intent = Intent { before, after };
        let (at, fault) = act.fault.unwrap_or((u32::MAX, Fault::KillBefore));
        let faulty = Faulty::new(at, fault, unwind);
        let relabeller = Relabeller::default().with_system(&faulty);
        let taken = catch_unwind(AssertUnwindSafe(|| relabeller.change(&intent)));
        let (side, outcome) = match taken {
            Ok(Ok(changed)) if changed.stopped.errors.is_empty() => {
                self.became(changed.running, &was, &states);
                return "done";
            }
            // What could not be given back is tried again.
            Ok(Ok(_)) => (Side::After, "partly done, then finished"),
            Ok(Err(error)) => {
                assert_eq!(error.left_behind, Vec::<String>::new());
                assert_eq!(self.seen(), seen, "{error}");
                self.disks = was;
                return "refused or failed, and undone";
            }
            // Files are let go once the domain has none of them any more, so it can't be back.
            Err(_) if stops || self.lets_go(&was) => (Side::After, "killed and recovered"),
            Err(_) => (act.side, "killed and recovered"),
        };
        let recovered = Relabeller::default().recover(&intent, side).unwrap();
        assert_eq!(recovered.stopped.errors, []);
        if side == Side::After {
            self.became(recovered.running, &was, &states);
            return outcome;
        }
        let runs = self.running.is_some();
        self.disks = was;
        self.running = runs.then_some(recovered.running);
        outcome
    }

    /// Whether the step that is wished for ends the use of a file.
    fn lets_go(&self, was: &[Disk]) -> bool {
        let old = self.uses(was, self.running.is_some());
        let new = self.uses(&self.disks, self.running.is_some());
        old.keys().any(|name| !new.contains_key(name))
    }

    /// Everything that makes sense now.
    fn able(&self) -> Vec<(What, usize)> {
        let mut able = vec![(What::StopOrStart, 0)];
        if self.running.is_none() {
            return able;
        }
        for (number, disk) in self.disks.iter().enumerate() {
            able.push((What::AttachOrDetach, number));
            if !disk.present || disk.kind != Kind::Writable {
                continue;
            }
            // Rarer than the others, because they need one another.
            let more = match (disk.job, disk.top) {
                (true, 0) => vec![What::EndOfCommit],
                (true, _) => vec![What::EndOfCommit, What::Pivot, What::Pivot],
                (false, 0) if !disk.common => vec![],
                (false, _) => vec![What::Commit, What::Commit],
            };
            able.extend(more.into_iter().map(|what| (what, number)));
            if !disk.job && disk.top + 1 < disk.layers.len() {
                able.extend([(What::Snapshot, number); 2]);
            }
        }
        able
    }

    /// Changes the disks as the step would.
    fn wish(&mut self, what: What, number: usize) {
        let runs = self.running.is_some();
        let disk = &mut self.disks[number];
        match what {
            What::AttachOrDetach => {
                disk.present = !disk.present;
                disk.job = false;
            }
            What::Snapshot => disk.top += 1,
            What::Commit => disk.job = true,
            What::EndOfCommit => disk.job = false,
            What::Pivot => {
                disk.top -= 1;
                disk.job = false;
            }
            What::StopOrStart if runs => {
                for disk in &mut self.disks {
                    disk.job = false;
                }
            }
            What::StopOrStart => {}
        }
    }

    fn nothing(&self) -> Running {
        Running::of(&Plan::default(), &self.config, "guest")
    }

    /// What the domain would use next; absent where the plan is refused.
    fn next(&self, before: &Running, what: What, number: usize) -> Option<Running> {
        if matches!(what, What::StopOrStart) {
            if self.running.is_some() {
                return Some(before.with_files(Vec::new()));
            }
            let present = (0..self.disks.len()).filter(|number| self.disks[*number].present);
            let plan = self.plan(&present.collect::<Vec<_>>())?;
            return Some(Running::of(&plan, &self.config, "guest"));
        }
        let name = target(number);
        if !self.disks[number].present {
            return Some(before.without_disk(&name));
        }
        Some(before.with_disk(&name, &self.plan(&[number])?))
    }

    fn plan(&self, numbers: &[usize]) -> Option<Plan> {
        let mut xml = String::new();
        for number in numbers {
            xml += &self.disks[*number].xml(*number);
        }
        let domain = self.lab.domain_with("", &xml);
        let mut chain = resolve(&domain, &Follow).ok()?;
        for number in numbers {
            let disk = &self.disks[*number];
            if !disk.job {
                continue;
            }
            let base = match disk.top {
                0 => "common.qcow2".to_owned(),
                top => image(*number, top - 1),
            };
            let commit = Commit {
                disk: target(*number),
                base: self.lab.path(&base),
                top: None,
            };
            commit.open(&mut chain).ok()?;
        }
        plan(&domain, &chain, &self.config).ok()
    }

    /// The step is over: files that the domain has got or let go of are looked at. `states` is
    /// how every file was before it.
    fn became(&mut self, running: Running, was: &[Disk], states: &BTreeMap<String, State>) {
        let old = self.uses(was, self.running.is_some());
        let runs = !running.files.is_empty() || self.disks.iter().all(|disk| !disk.present);
        let stopped = self.running.is_some() && running.files.is_empty();
        self.running = (runs && !stopped).then_some(running);
        let new = self.uses(&self.disks, self.running.is_some());
        for name in new.keys().filter(|name| !old.contains_key(*name)) {
            self.ever.insert(name.clone());
            self.before.insert(name.clone(), states[name].clone());
        }
        for (name, purpose) in old.iter().filter(|(name, _)| !new.contains_key(*name)) {
            self.given_back(name, *purpose);
        }
    }

    fn given_back(&mut self, name: &str, purpose: Purpose) {
        let before = self.before.remove(name);
        if purpose == Purpose::GivenBack {
            let found = State::of(&self.lab.path(name));
            assert_eq!(Some(found), before, "{name} of {:?}", self.disks);
        }
    }

    /// Which files the domain uses, and what becomes of each afterwards.
    fn uses(&self, disks: &[Disk], runs: bool) -> BTreeMap<String, Purpose> {
        let mut uses = BTreeMap::new();
        let present = disks
            .iter()
            .enumerate()
            .filter(|(_, disk)| disk.present && runs);
        for (number, disk) in present {
            let own = (0..=disk.top).map(|layer| (layer, image(number, layer)));
            let common = disk.common.then(|| (usize::MAX, "common.qcow2".to_owned()));
            for (layer, name) in own.chain(common) {
                let top = layer == disk.top;
                let written = match disk.kind {
                    Kind::Writable => {
                        let below = disk.top.checked_sub(1).unwrap_or(usize::MAX);
                        top || (disk.job && layer == below)
                    }
                    Kind::Transient => top,
                    Kind::ReadOnly | Kind::Shareable => false,
                };
                let purpose = if written {
                    Purpose::GivenBack
                } else {
                    Purpose::Kept
                };
                let raw = self.data.iter().find(|(image, _)| *image == name);
                for file in raw.map(|(_, raw)| raw.clone()).into_iter().chain([name]) {
                    let entry = uses.entry(file).or_insert(purpose);
                    if purpose == Purpose::GivenBack {
                        *entry = purpose;
                    }
                }
            }
        }
        uses
    }

    fn states(&self) -> BTreeMap<String, State> {
        let names = self.originals.keys();
        names
            .map(|name| (name.clone(), State::of(&self.lab.path(name))))
            .collect()
    }

    fn seen(&self) -> Vec<(State, Vec<String>)> {
        let names = self.originals.keys();
        let paths = names.map(|name| self.lab.path(name));
        paths
            .map(|path| (State::of(&path), records(&path)))
            .collect()
    }

    pub(super) fn check(&self) {
        for (name, original) in &self.originals {
            let path = self.lab.path(name);
            if !self.ever.contains(name) {
                // A step that was taken back doesn't count as a use.
                assert_eq!(State::of(&path), *original, "bystander {name}");
                assert_eq!(records(&path), Vec::<String>::new(), "bystander {name}");
            }
            check_content(&path);
        }
        for (image, raw) in &self.data {
            let relative = |name: &str| {
                let (found, original) = (State::of(&self.lab.path(name)), &self.originals[name]);
                let owner = (found.owner != original.owner).then_some(found.owner);
                let label = (found.label != original.label).then_some(found.label);
                (owner, label)
            };
            assert_eq!(
                relative(raw),
                relative(image),
                "{raw} of {image}, {:?}",
                self.disks
            );
        }
    }

    /// The last stop.
    pub(super) fn end(&mut self) {
        if let Some(running) = self.running.take() {
            let uses = self.uses(&self.disks, true);
            let stopped = Relabeller::default().stop(&running);
            assert_eq!(stopped.errors, []);
            for (name, purpose) in uses {
                self.given_back(&name, purpose);
            }
        }
        self.check();
        for name in self.originals.keys() {
            let path = self.lab.path(name);
            assert_eq!(records(&path), Vec::<String>::new(), "{name}");
            assert_ne!(State::of(&path).owner.0, 0, "{name} was given to root");
        }
        let left = std::fs::read_dir(self.journal.path()).unwrap().count();
        assert_eq!(left, 0, "records are left in the journal");
    }
}

fn check_content(path: &Path) {
    use std::os::unix::fs::MetadataExt;
    let mode = std::fs::metadata(path).unwrap().mode() & 0o7777;
    assert_eq!(mode, 0o600, "{}", path.display());
    if path.extension().is_some_and(|extension| extension == "raw") {
        assert_eq!(std::fs::read(path).unwrap(), b"data", "{}", path.display());
    }
}
