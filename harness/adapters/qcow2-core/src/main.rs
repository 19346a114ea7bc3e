//! Answers for qcow2-core: `inspect` for headers, the reader for bytes.

use std::io::{Read, Seek, SeekFrom};

use qconform_adapter::{Declined, Question, hex, read, serve};
use serde_json::{Value, json};

/// Bit 2 of the incompatible features.
const DATA_FILE: u64 = 4;

fn header(question: &Question) -> Result<Value, Declined> {
    question.only_qcow2()?;
    let info = qcow2::inspect(&question.path())?;
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
    question.only_qcow2()?;
    let mut image = qcow2::Qcow2Reader::open(&question.path())?;
    let mut reads = Vec::new();
    for (offset, mut buffer) in question.buffers() {
        image.seek(SeekFrom::Start(offset))?;
        image.read_exact(&mut buffer)?;
        reads.push(read(offset, &buffer));
    }
    Ok(json!({ "reads": reads }))
}

fn main() {
    serve(
        "qcow2-core",
        "0.3.4",
        &["data-file", "backing", "encryption", "compressed", "zstd", "extended-l2"],
        &[("header", header), ("read", reads)],
    );
}
