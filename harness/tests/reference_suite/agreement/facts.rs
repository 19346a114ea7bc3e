//! Every fact that both `inspect` and `qemu-img info` tell of an image.

use std::collections::BTreeSet;

use qconform::reference::inspection::{Inspection, NameFacts};
use serde_json::{Value, json};

use super::differences;

/// What QEMU tells and an inspection doesn't: it is about the file, the run, or another file.
const QEMU_ALONE: [&str; 6] = [
    "actual-size",
    "children",
    "filename",
    "format",
    "format-specific.type",
    "full-backing-filename",
];

/// The members of QEMU's answer that are compared below.
const COMPARED: [&str; 18] = [
    "backing-filename",
    "backing-filename-format",
    "cluster-size",
    "dirty-flag",
    "encrypted",
    "format-specific.data.bitmaps",
    "format-specific.data.compat",
    "format-specific.data.compression-type",
    "format-specific.data.corrupt",
    "format-specific.data.data-file",
    "format-specific.data.data-file-raw",
    "format-specific.data.encrypt",
    "format-specific.data.extended-l2",
    "format-specific.data.lazy-refcounts",
    "format-specific.data.refcount-bits",
    "snapshots",
    "virtual-size",
    "format-specific",
];

/// How our facts differ from those that `qemu-img info` prints.
pub(super) fn difference(ours: &Inspection, info: &Value) -> Option<String> {
    let forgotten = forgotten(info);
    if !forgotten.is_empty() {
        return Some(format!("nobody compares {forgotten:?}"));
    }
    let (ours, theirs) = differences::aligned(ours, info);
    (ours != theirs).then(|| format!("we: {ours}\n  qemu-img: {theirs}"))
}

/// Members of QEMU's answer that stand in neither list.
fn forgotten(info: &Value) -> BTreeSet<String> {
    let members = |value: &Value, prefix: &str| -> Vec<String> {
        let names = value
            .as_object()
            .into_iter()
            .flat_map(|members| members.keys());
        names.map(|name| format!("{prefix}{name}")).collect()
    };
    let specific = &info["format-specific"];
    [
        members(info, ""),
        members(specific, "format-specific."),
        members(&specific["data"], "format-specific.data."),
    ]
    .concat()
    .into_iter()
    .filter(|name| name != "format-specific.data")
    .filter(|name| !QEMU_ALONE.contains(&name.as_str()) && !COMPARED.contains(&name.as_str()))
    .collect()
}

/// Our facts under the names that stand in [`of_theirs`].
pub(super) fn of_ours(ours: &Inspection) -> Value {
    let has = |names: &Option<Vec<String>>, name: &str| {
        let names = names.as_ref().unwrap();
        names.iter().any(|found| found == name)
    };
    let version_3 = ours.version == Some(3);
    let only_3 = |value: bool| version_3.then_some(value);
    let name = |name: &NameFacts| name.name.clone();
    let data_file = ours.data_file.as_ref();
    let snapshots = ours.snapshots.iter();
    let snapshots = snapshots.flat_map(|snapshots| &snapshots.listed);
    let snapshots = snapshots.map(|snapshot| {
        json!({
            "id": snapshot.id,
            "name": name(&snapshot.name),
            "vm-state-size": snapshot.vm_state_size,
        })
    });
    let bitmaps = ours.bitmaps.iter().flat_map(|bitmaps| &bitmaps.listed);
    let bitmaps = bitmaps.map(|bitmap| {
        json!({
            "name": name(&bitmap.name),
            "granularity": bitmap.granularity,
            "flags": bitmap.flags,
        })
    });
    let backing = ours.backing.as_ref();
    json!({
        "virtual-size": ours.virtual_size,
        "cluster-size": 1_u64 << ours.cluster_bits.unwrap(),
        "dirty": has(&ours.incompatible, "dirty"),
        "encrypted": (ours.encryption != Some("none")).then_some(true),
        "backing": backing.map(|backing| name(&backing.name)),
        "backing-format": backing.and_then(|backing| backing.format.clone()),
        "snapshots": snapshots.collect::<Vec<_>>(),
        "bitmaps": bitmaps.collect::<Vec<_>>(),
        "compat": if version_3 { "1.1" } else { "0.10" },
        "compression": ours.compression,
        "refcount-bits": ours.refcount_bits,
        "lazy-refcounts": only_3(has(&ours.compatible, "lazy-refcounts")),
        "corrupt": only_3(has(&ours.incompatible, "corrupt")),
        "extended-l2": only_3(has(&ours.incompatible, "extended-l2")),
        "data-file": data_file.and_then(|data_file| data_file.name.clone()),
        "data-file-raw": data_file.map(|data_file| data_file.raw),
        "encryption": ours.encryption.filter(|method| *method != "none"),
    })
}

pub(super) fn of_theirs(info: &Value) -> Value {
    let data = &info["format-specific"]["data"];
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let snapshots = list(&info["snapshots"]).into_iter().map(|snapshot| {
        json!({
            "id": snapshot["id"],
            "name": snapshot["name"],
            "vm-state-size": snapshot["vm-state-size"],
        })
    });
    let bitmaps = list(&data["bitmaps"]).into_iter().map(|bitmap| {
        json!({
            "name": bitmap["name"],
            "granularity": bitmap["granularity"],
            "flags": bitmap["flags"],
        })
    });
    json!({
        "virtual-size": info["virtual-size"],
        "cluster-size": info["cluster-size"],
        "dirty": info["dirty-flag"],
        "encrypted": info["encrypted"],
        "backing": info["backing-filename"],
        "backing-format": info["backing-filename-format"],
        "snapshots": snapshots.collect::<Vec<_>>(),
        "bitmaps": bitmaps.collect::<Vec<_>>(),
        "compat": data["compat"],
        "compression": data["compression-type"],
        "refcount-bits": data["refcount-bits"],
        "lazy-refcounts": data["lazy-refcounts"],
        "corrupt": data["corrupt"],
        "extended-l2": data["extended-l2"],
        "data-file": data["data-file"],
        "data-file-raw": data["data-file-raw"],
        "encryption": data["encrypt"]["format"],
    })
}
