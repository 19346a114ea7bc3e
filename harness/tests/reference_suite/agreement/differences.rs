//! Everything that an inspection and `qemu-img info` tell differently of one image, with what
//! explains it. Nothing else may differ.

use qconform::reference::bytes::Name;
use qconform::reference::inspection::Inspection;
use qconform::reference::probe::LISTED_MAX;
use serde_json::{Value, json};

use super::{Bench, IMAGE, facts, info};
use crate::sample::Sample;

/// One difference in a fact of an image that both accept.
pub(super) struct Difference {
    /// The member of [`facts::of_ours`].
    pub(super) fact: &'static str,
    /// What both say, in a sentence.
    pub(super) what: &'static str,
    /// The requirement that it follows from, or the rule of the format or of this kit.
    pub(super) because: Because,
    /// Makes QEMU's answer and ours alike: the inspection, our facts, QEMU's.
    align: fn(&Inspection, &mut Value, &mut Value),
    /// An image on which they differ.
    example: fn() -> Sample,
}

/// What explains a difference.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Because {
    /// A requirement of `scenarios/requirements.toml`.
    Requirement(&'static str),
    /// A sentence elsewhere.
    Rule(&'static str),
}

/// Bytes that QEMU keeps of a snapshot's id and of its name.
const ID_KEPT: usize = 127;
const NAME_KEPT: usize = 255;

pub(super) const ALL: [Difference; 8] = [
    // Before any other difference touches the names.
    Difference {
        fact: "snapshots",
        what: "qemu-img prints 127 bytes of a snapshot's id and 255 of its name",
        because: Because::Rule("docs/format.md, 1. Bytes"),
        align: |image, ours, _| {
            let listed = image.snapshots.iter().flat_map(|all| &all.listed);
            let shown = ours["snapshots"].as_array_mut().into_iter().flatten();
            for (shown, snapshot) in shown.zip(listed) {
                shown["id"] = json!(kept(snapshot.id.as_bytes(), ID_KEPT));
                shown["name"] = json!(kept(&from_hex(&snapshot.name.name_hex), NAME_KEPT));
            }
        },
        example: || snapshots(&[long_name(NAME_KEPT + 1)]),
    },
    Difference {
        fact: "data-file",
        what: "qemu-img prints the data-file name of an image that uses none",
        because: Because::Requirement("header.data-file-name-without-bit"),
        align: |image, ours, _| {
            let unused = image.unused_data_file.as_ref();
            if let Some(unused) = unused.filter(|_| image.version == Some(3)) {
                ours["data-file"] = json!(unused.name);
            }
        },
        example: || Sample::new().extension(0x4441_5441, b"x"),
    },
    Difference {
        fact: "snapshots",
        what: "qemu-img lists no snapshots of an image that uses a data file",
        because: Because::Requirement("header.snapshots-with-data-file"),
        align: |image, ours, _| {
            if image.data_file.is_some() {
                ours["snapshots"] = json!([]);
            }
        },
        example: || one_snapshot(24, 0).data_file("x"),
    },
    Difference {
        fact: "snapshots",
        what: "qemu-img prints the size of a machine state as a signed number",
        because: Because::Rule("qcow2 specification, Snapshots: vm_state_size has 64 bits"),
        align: |_, ours, _| {
            for snapshot in ours["snapshots"].as_array_mut().into_iter().flatten() {
                let size = snapshot["vm-state-size"].as_u64().map(u64::cast_signed);
                snapshot["vm-state-size"] = json!(size);
            }
        },
        example: || one_snapshot(24, u64::MAX),
    },
    Difference {
        fact: "backing",
        what: "qemu-img prints passwords that stand in names",
        because: Because::Rule("docs/design.md, Credentials"),
        align: |_, _, theirs| {
            each_name(theirs, |name| kept(name.as_bytes(), usize::MAX));
        },
        example: || Sample::new().backing("nbd://u:password@h/x"),
    },
    Difference {
        fact: "backing",
        what: "qemu-img counts bytes that aren't UTF-8 otherwise, and takes noncharacters for such",
        because: Because::Rule("docs/format.md, 1. Bytes"),
        align: |_, ours, theirs| {
            each_name(ours, one_replacement);
            each_name(theirs, one_replacement);
        },
        example: || Sample::new().backing_bytes(b"./\xf5\x80\x80\x80"),
    },
    Difference {
        fact: "snapshots",
        what: "qemu-img lists every snapshot and bitmap, not the first 256",
        because: Because::Rule("docs/format.md, 1. Bytes"),
        align: |_, _, theirs| {
            for list in ["snapshots", "bitmaps"] {
                let listed = theirs[list].as_array_mut();
                listed
                    .into_iter()
                    .for_each(|list| list.truncate(LISTED_MAX));
            }
        },
        example: || snapshots(&vec![entry(24, 0); LISTED_MAX + 1]),
    },
    Difference {
        fact: "compression",
        what: "qemu-img calls deflate zlib",
        because: Because::Rule(
            "qcow2 specification, compression_type: deflate, without a zlib header",
        ),
        align: |_, ours, _| {
            if ours["compression"] == "deflate" {
                ours["compression"] = json!("zlib");
            }
        },
        example: Sample::new,
    },
];

/// Our facts and QEMU's, alike wherever only a listed difference was between them.
pub(super) fn aligned(image: &Inspection, info: &Value) -> (Value, Value) {
    let (mut ours, mut theirs) = (facts::of_ours(image), facts::of_theirs(info));
    for difference in ALL {
        (difference.align)(image, &mut ours, &mut theirs);
    }
    (ours, theirs)
}

/// Changes every text that comes out of the image.
fn each_name(facts: &mut Value, change: fn(&str) -> String) {
    let change = |name: &mut Value| {
        if let Some(text) = name.as_str() {
            *name = json!(change(text));
        }
    };
    for name in ["backing", "data-file"] {
        change(&mut facts[name]);
    }
    for list in ["snapshots", "bitmaps"] {
        let listed = facts[list].as_array_mut().into_iter().flatten();
        listed.for_each(|entry| change(&mut entry["name"]));
    }
}

/// The first bytes of a name as the kit shows them.
fn kept(name: &[u8], bytes: usize) -> String {
    let raw = name[..name.len().min(bytes)].to_vec();
    Name { raw }.text()
}

/// One replacement character for each run of what either side may not print as it stands.
fn one_replacement(name: &str) -> String {
    let noncharacter =
        |c: char| matches!(c, '\u{fdd0}'..='\u{fdef}') || c as u32 & 0xfffe == 0xfffe;
    let mut shown: Vec<char> = name.chars().collect();
    for c in &mut shown {
        if noncharacter(*c) {
            *c = char::REPLACEMENT_CHARACTER;
        }
    }
    shown.dedup_by(|a, b| *a == char::REPLACEMENT_CHARACTER && a == b);
    shown.into_iter().collect()
}

fn from_hex(hex: &str) -> Vec<u8> {
    let digits = |at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
    (0..hex.len()).step_by(2).map(digits).collect()
}

/// An entry of the snapshot table whose name has that many bytes.
fn long_name(length: usize) -> Vec<u8> {
    let mut entry = entry(24, 0);
    entry[14..16].copy_from_slice(&u16::try_from(length).unwrap().to_be_bytes());
    entry.truncate(40 + 24 + 1);
    entry.resize(40 + 24 + 1 + length, b'n');
    entry.resize(entry.len().next_multiple_of(8), 0);
    entry
}

/// An entry of the snapshot table.
fn entry(extra: u32, vm_state_size: u64) -> Vec<u8> {
    let mut entry = [&[0; 12][..], &1_u16.to_be_bytes(), &1_u16.to_be_bytes()].concat();
    entry.resize(36, 0);
    entry.extend(extra.to_be_bytes());
    entry.extend(vm_state_size.to_be_bytes());
    entry.resize(40 + usize::try_from(extra).unwrap(), 0);
    entry.extend(b"is");
    entry.resize(entry.len().next_multiple_of(8), 0);
    entry
}

fn one_snapshot(extra: u32, vm_state_size: u64) -> Sample {
    snapshots(&[entry(extra, vm_state_size)])
}

fn snapshots(entries: &[Vec<u8>]) -> Sample {
    let (count, offset) = (u32::try_from(entries.len()).unwrap(), 5_usize << 16);
    Sample::new()
        .patch(60, &count.to_be_bytes())
        .patch(64, &(offset as u64).to_be_bytes())
        .patch(offset, &entries.concat())
}

#[test]
fn every_difference_is_one() {
    let Some(bench) = Bench::new() else { return };
    for difference in ALL {
        let what = difference.what;
        (difference.example)().write(bench.folder.path(), IMAGE);
        let ours = Inspection::of(&bench.path(), None).unwrap();
        let info = info(&bench.qemu_img, &bench.path()).unwrap();
        let (plain, theirs) = (facts::of_ours(&ours), facts::of_theirs(&info));
        assert_ne!(plain[difference.fact], theirs[difference.fact], "{what}");
        let (ours, theirs) = aligned(&ours, &info);
        assert_eq!(ours, theirs, "{what}");
    }
}

#[test]
fn every_difference_has_its_reason_and_stands_in_the_documentation() {
    let requirements = include_str!("../../../../scenarios/requirements.toml");
    let page = include_str!("../../../../docs/format.md");
    for Difference { what, because, .. } in ALL {
        let reason = match because {
            Because::Requirement(id) => {
                assert!(requirements.contains(&format!("id = \"{id}\"")), "{id}");
                format!("`{id}`")
            }
            Because::Rule(rule) => rule.to_owned(),
        };
        let row = format!("| {what} | {reason} |");
        assert!(page.contains(&row), "docs/format.md lacks\n{row}");
    }
}
