//! Answers for qcow2-core: its reader for bytes, and `inspect` for headers. `inspect` tells what a
//! header says and refuses next to nothing, as documented; whether an image is in order is the
//! reader's to say, except for what it says that it can't read.

use std::io::{Read, Seek, SeekFrom};

use qconform_adapter::{Declined, Question, hex, serve};
use qcow2::{Qcow2Error, Qcow2Reader};
use serde_json::{Value, json};

/// Bit 2 of the incompatible features.
const DATA_FILE: u64 = 4;

fn header(question: &Question) -> Result<Value, Declined> {
    let path = question.qcow2()?;
    match Qcow2Reader::open(&path) {
        Ok(_)
        | Err(Qcow2Error::EncryptedNotSupported)
        | Err(Qcow2Error::BackingFileNotSupported)
        | Err(Qcow2Error::UnsupportedIncompatibleFeatures(_)) => {}
        Err(error) => return Err(error.into()),
    }
    let info = qcow2::inspect(&path)?;
    let name = info.backing_file.map(|name| hex(name.as_bytes()));
    let backing = info
        .has_backing_file
        .then(|| json!({ "name": name, "format": info.backing_format }));
    // It tells that there is a data file, not which.
    let uses_data_file = info.incompatible_features & DATA_FILE != 0;
    Ok(json!({ "header": {
        "format": "qcow2", "version": info.version, "virtual_size": info.virtual_disk_size,
        "backing": backing, "data_file": uses_data_file.then(|| json!({})),
    }}))
}

fn reads(question: &Question) -> Result<Value, Declined> {
    let mut image = Qcow2Reader::open(&question.qcow2()?)?;
    question.reads(|offset, buffer| {
        image.seek(SeekFrom::Start(offset))?;
        image.read_exact(buffer)
    })
}

fn main() {
    serve(
        "qcow2-core",
        "0.3.4",
        &["data-file", "backing", "encryption", "zstd", "extended-l2"],
        &[("header", header), ("read", reads)],
    );
}
