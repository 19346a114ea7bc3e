//! A domain that is about to take a step, and what its files must look like in the end.

use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};

use qconform::reference::chain::policy::Follow;
use qconform::reference::chain::resolve;
use qconform::reference::domain::Domain;
use qconform::reference::label::{
    ApplyError, Changed, Commit, Config, Intent, Plan, Relabeller, Running, Side, Stopped, plan,
};
use rustix::fs::XattrFlags;

use crate::lab::Lab;
use crate::sample::Sample;

/// The steps that are interrupted.
pub(crate) const STEPS: [Step; 7] = [
    Step::Start,
    Step::Stop,
    Step::Attach,
    Step::Detach,
    Step::Snapshot,
    Step::Commit,
    Step::Pivot,
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    Start,
    Stop,
    Attach,
    Detach,
    Snapshot,
    Commit,
    Pivot,
}

const FILES: [&str; 8] = [
    "overlay.qcow2",
    "overlay.raw",
    "disk.qcow2",
    "disk.raw",
    "base.qcow2",
    "base.raw",
    "meta.qcow2",
    "plain.raw",
];

pub(crate) const VM: u32 = 64_055;
pub(crate) const READ_ONLY: &str = "system_u:object_r:virt_content_t:s0\0";

/// A fresh folder with a running domain, or one that starts.
pub(crate) struct Scene {
    pub(crate) lab: Lab,
    pub(crate) step: Step,
    pub(crate) intent: Intent,
    config: Config,
    plan: Plan,
}

impl Scene {
    /// Records go to a journal or to attributes.
    pub(crate) fn new(step: Step, journal: bool) -> Self {
        Self::on(Lab::new(), step, journal)
    }

    /// The same in that folder.
    pub(crate) fn on(lab: Lab, step: Step, journal: bool) -> Self {
        write_files(&lab);
        std::fs::create_dir(lab.path("journal")).unwrap();
        let mut config = Config {
            category_pair: Some((10, 20)),
            ..Config::default()
        };
        if journal {
            config.record_namespaces.clear();
            config.state_directory = Some(lab.path("journal"));
        }
        let vda = |image: &str| disk(image, "qcow2", "vda");
        let vdb = disk("plain.raw", "raw", "vdb");
        let both = vda("disk.qcow2") + &vdb;
        let (before, after, commit) = match step {
            Step::Start => (None, both, None),
            Step::Stop => (Some(both), String::new(), None),
            Step::Attach => (Some(vda("disk.qcow2")), both, None),
            Step::Detach => (Some(both), vda("disk.qcow2"), None),
            Step::Snapshot => (Some(both), vda("overlay.qcow2") + &vdb, None),
            Step::Commit => {
                let over = vda("overlay.qcow2") + &vdb;
                (Some(over.clone()), over, Some("disk.qcow2"))
            }
            Step::Pivot => {
                let meta = disk("meta.qcow2", "qcow2", "vdb");
                (Some(both), vda("disk.qcow2") + &meta, None)
            }
        };
        let plan_of = |disks: &str, commit| planned(&lab, disks, commit, &config);
        let plan = plan_of(&after, commit);
        let before = match before {
            Some(disks) => {
                let plan = plan_of(&disks, None);
                Relabeller::default()
                    .start(&plan, &config, "guest")
                    .unwrap()
            }
            None => Running::of(&Plan::default(), &config, "guest"),
        };
        let after = before.with_files(Running::of(&plan, &config, "guest").files);
        Self {
            intent: Intent { before, after },
            lab,
            step,
            config,
            plan,
        }
    }

    /// Takes the step.
    pub(crate) fn take(&self, relabeller: &Relabeller<'_>) -> Result<Stopped, ApplyError> {
        match self.step {
            Step::Start => relabeller
                .start(&self.plan, &self.config, "guest")
                .map(|_| Stopped::default()),
            Step::Stop => Ok(relabeller.stop(&self.intent.before)),
            _ => relabeller
                .change(&self.intent)
                .map(|changed| changed.stopped),
        }
    }

    /// What a new relabeller does after a kill: it learns how far the domain came, and later the
    /// domain stops.
    pub(crate) fn recover_and_stop(&self, side: Side) {
        let Changed { running, stopped } =
            Relabeller::default().recover(&self.intent, side).unwrap();
        assert_eq!(stopped.errors, [], "{:?}", self.step);
        let stopped = Relabeller::default().stop(&running);
        assert_eq!(stopped.errors, [], "{:?}", self.step);
    }

    /// After the end every file is where its kind says, and nothing is recorded.
    pub(crate) fn check_end(&self, side: Side) {
        for (number, name) in (1..).zip(FILES) {
            let found = State::of(&self.lab.path(name));
            let original = State::original(number);
            let kept = State {
                owner: (VM, VM),
                label: Some(READ_ONLY.to_owned()),
            };
            let free = self.may_be_kept(name, side);
            let right = found == original || (free && found == kept);
            assert!(right, "{:?} {side:?}: {name} is {found:?}", self.step);
            assert_eq!(
                records(&self.lab.path(name)),
                Vec::<String>::new(),
                "{name}"
            );
        }
        assert_eq!(self.journal(), Vec::new());
    }

    fn may_be_kept(&self, name: &str, side: Side) -> bool {
        if (self.step, side) == (Step::Start, Side::Before) {
            return false;
        }
        let below_overlay = match self.step {
            Step::Snapshot => side == Side::After,
            Step::Commit => side == Side::Before,
            _ => false,
        };
        name.starts_with("base") || (below_overlay && name.starts_with("disk"))
    }

    /// Everything that a step could change, records included.
    pub(crate) fn snapshot(&self) -> Vec<(State, Vec<String>)> {
        let paths = FILES.map(|name| self.lab.path(name));
        paths
            .map(|path| (State::of(&path), records(&path)))
            .to_vec()
    }

    /// The files of the journal, with what they say.
    pub(crate) fn journal(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let entries = std::fs::read_dir(self.lab.path("journal")).unwrap();
        let entries = entries.map(|entry| {
            let path = entry.unwrap().path();
            let text = std::fs::read(&path).unwrap();
            (path, text)
        });
        let mut entries: Vec<_> = entries.collect();
        entries.sort();
        entries
    }
}

pub(crate) fn disk(image: &str, format: &str, target: &str) -> String {
    format!(
        "<disk type='file' device='disk'><driver name='qemu' type='{format}'/>\
         <source file='$D/{image}'/><target dev='{target}'/></disk>"
    )
}

pub(crate) fn planned(lab: &Lab, disks: &str, commit: Option<&str>, config: &Config) -> Plan {
    let domain: Domain = lab.domain_with("", disks);
    let mut chain = resolve(&domain, &Follow).unwrap();
    if let Some(base) = commit {
        let commit = Commit {
            disk: "vda".to_owned(),
            base: lab.path(base),
            top: None,
        };
        commit.open(&mut chain).unwrap();
    }
    plan(&domain, &chain, config).unwrap()
}

pub(crate) fn write_files(lab: &Lab) {
    let over = |base: &str, data: &str| {
        let sample = Sample::new().backing(base).backing_format("qcow2");
        sample.data_file(data)
    };
    lab.image("overlay.qcow2", over("disk.qcow2", "overlay.raw"))
        .image("disk.qcow2", over("base.qcow2", "disk.raw"))
        .image("base.qcow2", Sample::new().data_file("base.raw"))
        .image("meta.qcow2", Sample::new().data_file("plain.raw"));
    for name in ["overlay.raw", "disk.raw", "base.raw", "plain.raw"] {
        lab.data(name);
    }
    for (number, name) in (1..).zip(FILES) {
        dress(&lab.path(name), number);
    }
}

/// Gives a file an owner and a label of its own; every fourth has no label.
pub(crate) fn dress(path: &Path, number: u32) {
    let State { owner, label } = State::original(number);
    if let Some(label) = label {
        let value = label.as_bytes();
        rustix::fs::setxattr(path, "security.selinux", value, XattrFlags::empty()).unwrap();
    }
    chown(path, Some(owner.0), Some(owner.1)).unwrap();
    std::fs::set_permissions(path, PermissionsExt::from_mode(0o600)).unwrap();
}

/// Owner and label of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct State {
    pub(crate) owner: (u32, u32),
    pub(crate) label: Option<String>,
}

impl State {
    pub(crate) fn of(path: &Path) -> Self {
        let metadata = std::fs::symlink_metadata(path).unwrap();
        let mut value = [0; 256];
        let length = rustix::fs::lgetxattr(path, "security.selinux", &mut value).ok();
        Self {
            owner: (metadata.uid(), metadata.gid()),
            label: length.map(|length| String::from_utf8_lossy(&value[..length]).into_owned()),
        }
    }

    pub(crate) fn original(number: u32) -> Self {
        let label = format!("system_u:object_r:fixture{number}_t:s0\0");
        Self {
            owner: (4000 + number, 5000 + number),
            label: (!number.is_multiple_of(4)).then_some(label),
        }
    }
}

/// Every record of a file, with what it says.
pub(crate) fn records(path: &Path) -> Vec<String> {
    let mut names = [0; 4096];
    let length = rustix::fs::llistxattr(path, &mut names).unwrap();
    let names = names[..length].split(|byte| *byte == 0);
    let names = names.map(|name| String::from_utf8_lossy(name).into_owned());
    let mut records: Vec<_> = names.filter(|name| name.contains("qconform")).collect();
    for name in &mut records {
        let mut value = vec![0; 65_536];
        let length = rustix::fs::lgetxattr(path, name.as_str(), &mut value).unwrap();
        let value = String::from_utf8_lossy(&value[..length]).into_owned();
        *name = format!("{name}={value}");
    }
    records.sort();
    records
}
