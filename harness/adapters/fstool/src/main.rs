//! Answers for fstool. Its backend opens backing images, too; for a header the decoder is asked,
//! which gets the first cluster as from the backend.

use fstool::block::BlockDevice;
use fstool::block::qcow2::Qcow2Backend;
use fstool::block::qcow2::header::{Header, ext_type, incompat};
use qconform_adapter::{Declined, Question, opened, serve};
use serde_json::{Value, json};

/// Bytes from which the backend learns how large a cluster is.
const PROBE: u64 = 512;

/// The header with its extensions.
fn decoded(question: &Question) -> Result<Header, Declined> {
    let header = Header::decode(&question.head(PROBE)?)?;
    let cluster = question.head(header.cluster_size())?;
    if (cluster.len() as u64) < header.cluster_size() {
        return Ok(header);
    }
    Ok(Header::decode(&cluster)?)
}

fn header(question: &Question) -> Result<Value, Declined> {
    question.only_qcow2()?;
    let header = decoded(question)?;
    // It tells where a backing file's name lies, not which it is.
    let backing = (header.backing_file_offset != 0).then(|| {
        let mut extensions = header.extensions.iter();
        let format = extensions.find(|it| it.kind == ext_type::BACKING_FORMAT);
        json!({ "format": format.and_then(|it| it.as_str()) })
    });
    let uses_data_file = header.incompatible_features & incompat::EXTERNAL_DATA_FILE != 0;
    Ok(json!({ "header": {
        "format": "qcow2", "version": header.version, "virtual_size": header.size,
        "backing": backing, "data_file": uses_data_file.then(|| json!({})),
    }}))
}

fn image(question: &Question) -> Result<Qcow2Backend, Declined> {
    Ok(Qcow2Backend::open_read_only(question.qcow2()?)?)
}

fn open(question: &Question) -> Result<Value, Declined> {
    opened(image(question)?)
}

fn reads(question: &Question) -> Result<Value, Declined> {
    let mut image = image(question)?;
    question.reads(|offset, buffer| image.read_at(offset, buffer))
}

fn main() {
    serve(
        "fstool",
        "0.5.2",
        &["data-file", "encryption", "extended-l2"],
        &[("header", header), ("open", open), ("read", reads)],
    );
}
