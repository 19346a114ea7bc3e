//! Answers for imago: header without any other file, the rest with everything that it opens.

use imago::file::File;
use imago::qcow2::Qcow2;
use imago::{FormatAccess, FormatDriverBuilder, PermissiveImplicitOpenGate};
use qconform_adapter::{Declined, Question, hex, read, serve};
use serde_json::{Value, json};

fn header(question: &Question) -> Result<Value, Declined> {
    question.only_qcow2()?;
    let image = Qcow2::<File>::open_path(question.path(), false)?;
    let text = |text: &String| hex(text.as_bytes());
    let backing = image.implicit_backing_file().map(|name| {
        json!({ "name": text(name), "format": image.implicit_backing_format() })
    });
    let name = image.implicit_external_data_file().map(text);
    let data_file = image
        .requires_external_data_file()
        .then(|| json!({ "name": name }));
    let size = FormatAccess::new(image).size();
    Ok(json!({ "header": {
        "format": "qcow2", "virtual_size": size, "backing": backing, "data_file": data_file,
    }}))
}

/// The image with its data file and its backing images.
fn whole(question: &Question) -> Result<FormatAccess<File>, Declined> {
    question.only_qcow2()?;
    let builder = Qcow2::<File>::builder_path(question.path());
    Ok(FormatAccess::new(builder.open(PermissiveImplicitOpenGate::default())?))
}

fn open(question: &Question) -> Result<Value, Declined> {
    whole(question)?;
    Ok(json!({}))
}

fn reads(question: &Question) -> Result<Value, Declined> {
    let image = whole(question)?;
    let mut reads = Vec::new();
    for (offset, mut buffer) in question.buffers() {
        image.read(&mut buffer, offset)?;
        reads.push(read(offset, &buffer));
    }
    Ok(json!({ "reads": reads }))
}

fn main() {
    serve(
        "imago",
        "0.2.6",
        &["zstd", "extended-l2"],
        &[("header", header), ("open", open), ("read", reads)],
    );
}
