//! Answers for rust-img-qcow2, whose reader opens backing images, too. For a header its parser is
//! asked as the reader asks it before it opens any other file.

use img_qcow2::{Header, Qcow2Reader};
use qconform_adapter::{Declined, Question, opened, serve};
use serde_json::{Value, json};

/// Bytes of an image that the reader gives to the parser.
const HEAD: u64 = 112;

fn header(question: &Question) -> Result<Value, Declined> {
    question.only_qcow2()?;
    let header = Header::parse(&question.head(HEAD)?)?;
    // It refuses data files, and tells where a backing file's name lies, not which it is.
    header.check_supported()?;
    let backing = header.backing_file_offset != 0 && header.backing_file_size != 0;
    Ok(json!({ "header": {
        "format": "qcow2", "version": header.version, "virtual_size": header.virtual_size,
        "backing": backing.then(|| json!({})), "data_file": null,
    }}))
}

fn open(question: &Question) -> Result<Value, Declined> {
    opened(Qcow2Reader::open(question.qcow2()?)?)
}

fn reads(question: &Question) -> Result<Value, Declined> {
    let image = Qcow2Reader::open(question.qcow2()?)?;
    question.reads(|offset, buffer| image.read_at(offset, buffer))
}

fn main() {
    serve(
        "rust-img-qcow2",
        "0.6.1",
        &["data-file", "encryption", "zstd", "extended-l2"],
        &[("header", header), ("open", open), ("read", reads)],
    );
}
