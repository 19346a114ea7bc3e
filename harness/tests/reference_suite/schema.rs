//! Both forms of a domain against libvirt's own grammar.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use proptest::prelude::*;
use qconform::reference::domain::{DeclaredBacking, Domain, Form, Image};

use crate::agreement::values;
use crate::document::{completed, domain, shapes};
use crate::lab::{Lab, disk_with, store};
use crate::needs;
use crate::sample::Sample;

/// How many random domains are written.
const DOMAINS: usize = 200;

/// Where libvirt's grammars are; `.ci/schemas` puts them into the build folder.
fn schemas() -> Result<PathBuf, String> {
    let built = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/libvirt-schemas");
    let knows = |folder: &PathBuf| {
        let grammar = std::fs::read_to_string(folder.join("domaincommon.rng"));
        grammar.is_ok_and(|text| text.contains("dataStore"))
    };
    [built, "/usr/share/libvirt/schemas"]
        .map(PathBuf::from)
        .into_iter()
        .find(knows)
        .ok_or_else(|| "libvirt's schemas (10.10.0 or newer) are missing: .ci/schemas".to_owned())
}

/// libvirt's grammar and the program that knows how to read it.
struct Grammar {
    xmllint: PathBuf,
    domain: PathBuf,
}

impl Grammar {
    /// `None` where either is missing.
    fn find() -> Option<Self> {
        let xmllint =
            which::which("xmllint").map_err(|_| "xmllint is missing: libxml2-utils".to_owned());
        match schemas().and_then(|schemas| Ok((schemas, xmllint?))) {
            Ok((schemas, xmllint)) => Some(Self {
                xmllint,
                domain: schemas.join("domain.rng"),
            }),
            Err(reason) => {
                let reason = needs::or_skip("libvirt-schemas", Some(reason));
                println!("skipped: {}", reason.unwrap_or_default());
                None
            }
        }
    }

    /// Whether it accepts all of these files, and what it says of those that it doesn't.
    fn accepts(&self, files: &[PathBuf]) -> Result<(), String> {
        let output = Command::new(&self.xmllint)
            .args(["--noout", "--nonet", "--relaxng"])
            .arg(&self.domain)
            .args(files)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        let faults: String = said
            .lines()
            .filter(|line| !line.ends_with(" validates"))
            .collect();
        match output.status.success() {
            true => Ok(()),
            false => Err(faults),
        }
    }
}

fn write(folder: &Path, name: &str, xml: &str) -> PathBuf {
    let path = folder.join(format!("{name}.xml"));
    std::fs::write(&path, xml).unwrap();
    path
}

#[test]
fn libvirts_grammar_accepts_both_forms_of_every_shape() {
    let Some(grammar) = Grammar::find() else {
        return;
    };
    let lab = Lab::new();
    let folder = tempfile::tempdir().unwrap();
    for (shape, disk) in shapes(&lab) {
        let (document, _) = completed(&domain(&lab, &disk));
        for form in [Form::Runtime, Form::Persistent] {
            let xml = document.write(form);
            let file = write(folder.path(), "domain", &xml);
            assert_eq!(grammar.accepts(&[file]), Ok(()), "{shape}, {form:?}\n{xml}");
        }
    }
    // The grammar would notice: a store's format is not optional.
    let broken =
        domain(&lab, &disk_with("disk.qcow2", &store("x"), "")).replace("<format type='raw'/>", "");
    assert!(
        grammar
            .accepts(&[write(folder.path(), "broken", &broken)])
            .is_err()
    );
}

/// One layer of a random disk, from what is in its header to what the XML says of it.
#[derive(Debug, Clone)]
struct Layer {
    has_data_file: bool,
    /// Whether the XML names the data file, and with which label.
    store: Option<&'static str>,
    /// Whether the XML names the image; the top one always.
    is_declared: bool,
    label: &'static str,
}

#[derive(Debug, Clone)]
struct Disk {
    layers: Vec<Layer>,
    is_terminated: bool,
    driver: String,
    extra: String,
    device: &'static str,
}

const LABELS: [&str; 5] = [
    "",
    "<seclabel model='dac' relabel='no'/>",
    "<seclabel model='dac' relabel='yes'><label>+7:+8</label></seclabel>",
    "<seclabel relabel='no'/>",
    "<seclabel model='selinux' relabel='yes'><label>u:object_r:t:s0</label></seclabel>",
];

fn layer() -> impl Strategy<Value = Layer> {
    let label = || prop::sample::select(LABELS.to_vec());
    (
        any::<bool>(),
        prop::option::of(label()),
        any::<bool>(),
        label(),
    )
        .prop_map(|(has_data_file, store, is_declared, label)| Layer {
            has_data_file,
            store: store.filter(|_| has_data_file),
            is_declared,
            label,
        })
}

fn random_disk() -> impl Strategy<Value = Disk> {
    let driver = prop::sample::subsequence(
        vec![
            "cache='none'",
            "io='native'",
            "discard='unmap'",
            "detect_zeroes='on'",
        ],
        0..=4,
    );
    let extra = prop::sample::subsequence(
        vec![
            "<readonly/>",
            "<shareable/>",
            "<transient/>",
            "<serial>a b</serial>",
        ],
        0..=4,
    );
    (
        prop::collection::vec(layer(), 1..4),
        any::<bool>(),
        driver,
        extra,
        prop::sample::select(vec!["disk", "cdrom", "floppy"]),
    )
        .prop_map(|(layers, is_terminated, driver, extra, device)| Disk {
            layers,
            is_terminated,
            driver: driver.join(" "),
            // What shares writes has no overlay of its own.
            extra: extra
                .concat()
                .replace("<shareable/><transient/>", "<transient/>"),
            device,
        })
}

impl Disk {
    /// Writes its images, named after the disk, and gives its XML.
    fn write(&self, lab: &Lab, number: usize) -> String {
        for (depth, layer) in self.layers.iter().enumerate() {
            let mut image = Sample::new();
            if layer.has_data_file {
                image = image.data_file(&format!("{number}-{depth}.raw"));
                lab.data(&format!("{number}-{depth}.raw"));
            }
            if depth + 1 < self.layers.len() {
                let below = format!("{number}-{}.qcow2", depth + 1);
                image = image.backing(&below).backing_format("qcow2");
            }
            lab.image(&format!("{number}-{depth}.qcow2"), image);
        }
        let declared = self.layers[1..]
            .iter()
            .take_while(|layer| layer.is_declared)
            .count();
        let end = if self.is_terminated {
            "<backingStore/>"
        } else {
            ""
        };
        let below = (1..=declared).rev().fold(end.to_owned(), |below, depth| {
            format!(
                "<backingStore type='file'><format type='qcow2'/>{}{below}</backingStore>",
                self.source(number, depth)
            )
        });
        let device = char::from(b'a' + u8::try_from(number % 26).unwrap());
        format!(
            "<disk type='file' device='{}'><driver name='qemu' type='qcow2' {}/>{}{below}\
             <target dev='sd{device}' bus='scsi'/>{}</disk>",
            self.device,
            self.driver,
            self.source(number, 0),
            self.extra
        )
    }

    fn source(&self, number: usize, depth: usize) -> String {
        let layer = &self.layers[depth];
        let store = layer.store.map_or_else(String::new, |label| {
            format!(
                "<dataStore type='file'><format type='raw'/>\
                 <source file='$D/{number}-{depth}.raw'>{label}</source></dataStore>"
            )
        });
        let label = layer.label;
        format!("<source file='$D/{number}-{depth}.qcow2'>{label}{store}</source>")
    }
}

/// What a domain says of one disk's images: how many there are, and how many have a store.
fn declared(domain: &Domain) -> (usize, usize) {
    let mut counted = (0, 0);
    let mut next = Some(&domain.disks[0].image);
    while let Some(Image {
        data_store,
        backing,
        ..
    }) = next
    {
        counted.0 += 1;
        counted.1 += usize::from(data_store.is_some());
        next = match backing {
            DeclaredBacking::Image(image) => Some(image),
            DeclaredBacking::Open | DeclaredBacking::Terminated => None,
        };
    }
    counted
}

#[test]
fn libvirts_grammar_accepts_both_forms_of_any_domain() {
    let Some(grammar) = Grammar::find() else {
        return;
    };
    let lab = Lab::new();
    let folder = tempfile::tempdir().unwrap();
    let mut files = Vec::new();
    for (number, disk) in values(random_disk(), DOMAINS).enumerate() {
        let xml = domain(&lab, &disk.write(&lab, number));
        // The input is libvirt's, too.
        files.push(write(folder.path(), &format!("{number}-input"), &xml));
        let (document, chain) = completed(&xml);
        let runtime = document.write(Form::Runtime);
        let stores = chain
            .files
            .iter()
            .filter(|file| file.role.as_str().ends_with("data-file"));
        let stores = stores.count();
        let shown = declared(&Domain::parse(runtime.as_bytes()).unwrap());
        assert_eq!(
            shown,
            (chain.files.len() - stores, stores),
            "{disk:?}\n{runtime}"
        );
        files.push(write(folder.path(), &format!("{number}-runtime"), &runtime));
        let persistent = document.write(Form::Persistent);
        files.push(write(
            folder.path(),
            &format!("{number}-persistent"),
            &persistent,
        ));
    }
    assert_eq!(grammar.accepts(&files), Ok(()));
}
