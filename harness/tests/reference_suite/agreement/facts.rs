//! Every fact that both `inspect` and `qemu-img info` tell of an image.

use qconform::reference::bytes::Name;
use qconform::reference::inspection::{Inspection, NameFacts};
use qconform::reference::probe::LISTED_MAX;
use serde_json::{Value, json};

/// How our facts differ from those that `qemu-img info` prints.
pub(super) fn difference(ours: &Inspection, info: &Value) -> Option<String> {
    let (ours, theirs) = (of_ours(ours), of_theirs(info));
    (ours != theirs).then(|| format!("we: {ours}\n  qemu-img: {theirs}"))
}

/// A name of QEMU's as we show it, with passwords hidden.
fn shown(name: &Value) -> Option<String> {
    let raw = name.as_str()?.as_bytes().to_vec();
    Some(Name { raw }.text())
}

fn of_ours(ours: &Inspection) -> Value {
    let has = |names: &Option<Vec<String>>, name: &str| {
        let names = names.as_ref().unwrap();
        names.iter().any(|found| found == name)
    };
    let version_3 = ours.version == Some(3);
    let only_3 = |value: bool| version_3.then_some(value);
    let name = |name: &NameFacts| name.name.clone();
    let data_file = ours.data_file.as_ref();
    // QEMU shows a name that it doesn't use.
    let unused = ours.unused_data_file.as_ref().filter(|_| version_3);
    let data_file_name = data_file
        .and_then(|data_file| data_file.name.clone())
        .or(unused.map(name));
    // QEMU doesn't list those of an image with a data file, which must not have any
    // (requirement header.snapshots-with-data-file), and prints sizes as signed numbers.
    let snapshots = ours.snapshots.iter().filter(|_| data_file.is_none());
    let snapshots = snapshots.flat_map(|snapshots| &snapshots.listed);
    let snapshots = snapshots.map(|snapshot| {
        json!({
            "id": snapshot.id,
            "name": name(&snapshot.name),
            "vm-state-size": snapshot.vm_state_size.cast_signed(),
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
    let compression = match ours.compression.unwrap() {
        "deflate" => "zlib",
        other => other,
    };
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
        "compression": compression,
        "refcount-bits": ours.refcount_bits,
        "lazy-refcounts": only_3(has(&ours.compatible, "lazy-refcounts")),
        "corrupt": only_3(has(&ours.incompatible, "corrupt")),
        "extended-l2": only_3(has(&ours.incompatible, "extended-l2")),
        "data-file": data_file_name,
        "data-file-raw": data_file.map(|data_file| data_file.raw),
        "encryption": ours.encryption.filter(|method| *method != "none"),
    })
}

fn of_theirs(info: &Value) -> Value {
    let data = &info["format-specific"]["data"];
    let list = |value: &Value| {
        let mut list = value.as_array().cloned().unwrap_or_default();
        list.truncate(LISTED_MAX);
        list
    };
    let snapshots = list(&info["snapshots"]).into_iter().map(|snapshot| {
        json!({
            "id": snapshot["id"],
            "name": shown(&snapshot["name"]),
            "vm-state-size": snapshot["vm-state-size"],
        })
    });
    let bitmaps = list(&data["bitmaps"]).into_iter().map(|bitmap| {
        json!({
            "name": shown(&bitmap["name"]),
            "granularity": bitmap["granularity"],
            "flags": bitmap["flags"],
        })
    });
    json!({
        "virtual-size": info["virtual-size"],
        "cluster-size": info["cluster-size"],
        "dirty": info["dirty-flag"],
        "encrypted": info["encrypted"],
        "backing": shown(&info["backing-filename"]),
        "backing-format": info["backing-filename-format"],
        "snapshots": snapshots.collect::<Vec<_>>(),
        "bitmaps": bitmaps.collect::<Vec<_>>(),
        "compat": data["compat"],
        "compression": data["compression-type"],
        "refcount-bits": data["refcount-bits"],
        "lazy-refcounts": data["lazy-refcounts"],
        "corrupt": data["corrupt"],
        "extended-l2": data["extended-l2"],
        "data-file": shown(&data["data-file"]),
        "data-file-raw": data["data-file-raw"],
        "encryption": data["encrypt"]["format"],
    })
}
