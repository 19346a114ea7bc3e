//! What libvirt was measured to do, beside what the reference plans and does.
//!
//! Where they agree, so must they; where they differ, the table says which requirement wants it.

use std::collections::BTreeMap;
use std::path::Path;

use qconform::reference::chain::policy::Follow;
use qconform::reference::chain::resolve;
use qconform::reference::domain::Domain;
use qconform::reference::label::{Config, Plan, Relabeller, plan};
use qconform_scenarios::suite::Suite;
use serde::Deserialize;

use crate::lab::Lab;
use crate::sample::Sample;
use crate::scene::{State, dress, records};

const TABLE: &str = include_str!("../data/libvirt-12.8.0.toml");

#[derive(Deserialize)]
struct Table {
    libvirt: String,
    row: Vec<Row>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    name: String,
    files: BTreeMap<String, String>,
    disks: Vec<String>,
    #[serde(default)]
    domain: String,
    #[serde(default)]
    config: String,
    measured: String,
    differs: Option<Differs>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Differs {
    reference: String,
    requirement: String,
}

pub(crate) fn table() -> String {
    let table: Table = toml::from_str(TABLE).unwrap();
    let suite = Suite::embedded().unwrap();
    let mut differing = Vec::new();
    for row in &table.row {
        let expected = match &row.differs {
            Some(differs) => &differs.reference,
            None => &row.measured,
        };
        assert_eq!(row.seen(), outcome(expected), "{}", row.name);
        if let Some(Differs {
            reference,
            requirement,
        }) = &row.differs
        {
            assert_ne!(outcome(reference), outcome(&row.measured), "{}", row.name);
            assert!(
                suite.requirements.get(requirement).is_some(),
                "{requirement}"
            );
            differing.push(format!("{} ({requirement})", row.name));
        }
    }
    let (count, version) = (table.row.len(), &table.libvirt);
    let differing = differing.join(", ");
    format!("{count} rows of libvirt {version}; the reference differs in {differing}")
}

/// Files with what happened to each, or nothing where the domain didn't start.
type Outcome = Option<BTreeMap<String, String>>;

fn outcome(text: &str) -> Outcome {
    if text == "fail" {
        return None;
    }
    let cell = |cell: &str| {
        let (name, what) = cell.split_once(' ').unwrap();
        (name.replace("%20", " "), what.to_owned())
    };
    Some(text.split(", ").map(cell).collect())
}

impl Row {
    /// What the reference does, in the words of the table.
    fn seen(&self) -> Outcome {
        let lab = Lab::new();
        let originals = self.write(&lab);
        let state = |name: &str| State::of(&lab.path(name));
        let config = self.config();
        let Some(plan) = self.plan(&lab, &config) else {
            for (name, original) in &originals {
                assert_eq!(state(name), *original, "{}: {name}", self.name);
            }
            return None;
        };
        let running = Relabeller::default()
            .start(&plan, &config, "guest")
            .unwrap();
        let mut cells = BTreeMap::new();
        for (name, original) in &originals {
            let found = state(name);
            let recorded = !records(&lab.path(name)).is_empty();
            let mut planned = plan
                .rows
                .iter()
                .filter(|row| same(&row.path, &lab.path(name)));
            let planned = planned.find_map(|row| Some((row.owner?, row.restore)));
            let mut cell = match planned {
                None => {
                    assert_eq!(
                        (&found, recorded),
                        (original, false),
                        "{}: {name}",
                        self.name
                    );
                    "u".to_owned()
                }
                Some((owner, _)) => {
                    assert_eq!(
                        found.owner,
                        (owner.user, owner.group),
                        "{}: {name}",
                        self.name
                    );
                    assert_eq!(recorded, config.remember, "{}: {name}", self.name);
                    "L".to_owned()
                }
            };
            // The reference records every file; libvirt those that it gives back.
            if planned.is_some_and(|(_, restore)| restore) {
                cell.push('r');
            }
            cells.insert(name.clone(), (cell, found));
        }
        assert_eq!(Relabeller::default().stop(&running).errors, []);
        let after = |(name, (mut cell, running)): (String, (String, State))| {
            let found = state(&name);
            cell.push(match () {
                () if found == originals[&name] => '=',
                () if found == running => 'K',
                () if found.owner == (0, 0) => '0',
                () => '?',
            });
            assert_eq!(records(&lab.path(&name)), Vec::<String>::new(), "{name}");
            (name, cell)
        };
        Some(cells.into_iter().map(after).collect())
    }

    fn config(&self) -> Config {
        let mut config = Config {
            selinux: false,
            ..Config::default()
        };
        match self.config.split_once('=') {
            None => {}
            Some(("remember", _)) => config.remember = false,
            Some(("dynamic-ownership", _)) => config.dynamic_ownership = false,
            Some((_, ids)) => {
                let (user, group) = ids.split_once(':').unwrap();
                config.user = user.parse().unwrap();
                config.group = group.parse().unwrap();
            }
        }
        config
    }

    fn plan(&self, lab: &Lab, config: &Config) -> Option<Plan> {
        let disks = self.disks.iter().enumerate();
        let disks: String = disks.map(|(number, words)| disk(number, words)).collect();
        let folder = lab.path("").display().to_string();
        let folder = folder.trim_end_matches('/');
        let xml = format!(
            "<domain type='kvm'><name>guest</name>{}<devices>{disks}</devices></domain>",
            self.domain
        );
        let domain = Domain::parse(xml.replace("$D", folder).as_bytes()).ok()?;
        let chain = resolve(&domain, &Follow).ok()?;
        Some(plan(&domain, &chain, config).unwrap())
    }

    /// Writes the files and gives each regular one's original state.
    fn write(&self, lab: &Lab) -> BTreeMap<String, State> {
        let mut originals = BTreeMap::new();
        let links = |words: &&String| words.starts_with("hard-link=");
        let (last, first): (Vec<_>, Vec<_>) = self.files.iter().partition(|it| links(&it.1));
        for (number, (name, words)) in (1..).zip(first.into_iter().chain(last)) {
            let path = lab.path(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            if write(lab, name, words) {
                dress(&path, number);
                originals.insert(name.clone(), State::of(&path));
            }
        }
        for (name, original) in &mut originals {
            *original = State::of(&lab.path(name));
        }
        originals
    }
}

/// Whether a path and a file of the table are the same file.
fn same(path: &Path, file: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let key = |path: &Path| {
        std::fs::metadata(path)
            .map(|it| (it.dev(), it.ino()))
            .unwrap()
    };
    key(path) == key(file)
}

/// Writes one file; false for a symbolic link, which has no state.
fn write(lab: &Lab, name: &str, words: &str) -> bool {
    let folder = lab.path("").display().to_string();
    let words = words.replace("DIR", folder.trim_end_matches('/'));
    let mut words = words.split(' ').map(|word| word.replace("%20", " "));
    let path = lab.path(name);
    let kind = words.next().unwrap();
    match kind.split_once('=') {
        Some(("symlink", target)) => {
            std::os::unix::fs::symlink(target, path).unwrap();
            return false;
        }
        Some((_, target)) => std::fs::hard_link(lab.path(target), path).unwrap(),
        None if kind == "qcow2" => {
            let sample = words.fold(Sample::new(), |sample, word| qcow2(sample, &word));
            sample.write(Path::new(""), path.to_str().unwrap());
        }
        None => std::fs::write(path, b"data").unwrap(),
    }
    true
}

fn qcow2(sample: Sample, word: &str) -> Sample {
    match word.split_once('=') {
        Some(("data", name)) => sample.data_file(name),
        Some(("back", name)) => sample.backing(name),
        Some(("back-format", format)) => sample.backing_format(format),
        Some(("bit", "alone")) => sample.incompatible(4),
        // Incompatible features stand at offset 72.
        Some(("bit", _)) => sample.patch(72, &[0; 8]),
        _ => {
            assert_eq!(word, "raw-flag");
            sample.autoclear(2)
        }
    }
}

fn disk(number: usize, words: &str) -> String {
    let mut words = words.split(' ').map(|word| word.replace("%20", " "));
    let image = words.next().unwrap();
    let (mut format, mut device, mut flag) = ("qcow2".to_owned(), "disk", String::new());
    let (mut inner, mut store, mut store_label) = (String::new(), None, String::new());
    let (mut backing, mut end) = (None, "");
    for word in words {
        match word.split_once('=') {
            Some(("type", name)) => name.clone_into(&mut format),
            Some(("dac", label)) => inner = seclabel(label),
            Some(("store", file)) => store = Some(file.to_owned()),
            Some(("store-dac", label)) => store_label = seclabel(label),
            Some(("backing", file)) => backing = Some(file.to_owned()),
            _ if word == "terminated" => end = "<backingStore/>",
            _ if word == "cdrom" => device = "cdrom",
            _ if word == "floppy" => device = "floppy",
            _ => flag = format!("<{word}/>"),
        }
    }
    if let Some(file) = store {
        inner = format!(
            "{inner}<dataStore type='file'><format type='raw'/>\
             <source file='$D/{file}'>{store_label}</source></dataStore>"
        );
    }
    let below = match backing {
        Some(file) => format!(
            "<backingStore type='file'><format type='qcow2'/><source file='$D/{file}'/>{end}\
             </backingStore>"
        ),
        None => end.to_owned(),
    };
    format!(
        "<disk type='file' device='{device}'><driver name='qemu' type='{format}'/>\
         <source file='$D/{image}'>{inner}</source>{below}{flag}<target dev='d{number}'/></disk>"
    )
}

fn seclabel(label: &str) -> String {
    match label {
        "no" => "<seclabel model='dac' relabel='no'/>".to_owned(),
        _ => format!("<seclabel model='dac'><label>{label}</label></seclabel>"),
    }
}
