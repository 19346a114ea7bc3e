//! Answers for rust-img-qcow2, whose reader opens backing images, too.

use img_qcow2::Qcow2Reader;
use qconform_adapter::{Declined, Question, read, serve};
use serde_json::{Value, json};

/// Bit 2 of the incompatible features.
const DATA_FILE: u64 = 4;

fn opened(question: &Question) -> Result<Qcow2Reader, Declined> {
    question.only_qcow2()?;
    Ok(Qcow2Reader::open(question.path())?)
}

fn header(question: &Question) -> Result<Value, Declined> {
    let image = opened(question)?;
    // It tells that there is a backing file, not which.
    let uses_data_file = image.header().incompatible_features & DATA_FILE != 0;
    Ok(json!({ "header": {
        "format": "qcow2", "version": image.version(), "virtual_size": image.virtual_size(),
        "backing": image.has_backing().then(|| json!({})),
        "data_file": uses_data_file.then(|| json!({})),
    }}))
}

fn open(question: &Question) -> Result<Value, Declined> {
    opened(question)?;
    Ok(json!({}))
}

fn reads(question: &Question) -> Result<Value, Declined> {
    let image = opened(question)?;
    let mut reads = Vec::new();
    for (offset, mut buffer) in question.buffers() {
        image.read_at(offset, &mut buffer)?;
        reads.push(read(offset, &buffer));
    }
    Ok(json!({ "reads": reads }))
}

fn main() {
    serve(
        "rust-img-qcow2",
        "0.6.1",
        &["data-file", "encryption", "zstd", "extended-l2"],
        &[("header", header), ("open", open), ("read", reads)],
    );
}
