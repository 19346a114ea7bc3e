//! Answers for imago: header without any other file, the rest with everything that it opens.

use imago::file::File;
use imago::qcow2::Qcow2;
use imago::{FormatAccess, FormatDriverBuilder, PermissiveImplicitOpenGate};
use qconform_adapter::{Declined, Question, hex, opened, serve};
use serde_json::{Value, json};

fn header(question: &Question) -> Result<Value, Declined> {
    let image = Qcow2::<File>::open_path(question.qcow2()?, false)?;
    let text = |text: &String| hex(text.as_bytes());
    let backing = image
        .implicit_backing_file()
        .map(|name| json!({ "name": text(name), "format": image.implicit_backing_format() }));
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
    let builder = Qcow2::<File>::builder_path(question.qcow2()?);
    Ok(FormatAccess::new(
        builder.open(PermissiveImplicitOpenGate::default())?,
    ))
}

fn open(question: &Question) -> Result<Value, Declined> {
    opened(whole(question)?)
}

fn reads(question: &Question) -> Result<Value, Declined> {
    let image = whole(question)?;
    question.reads(|offset, buffer| image.read(buffer, offset))
}

fn main() {
    serve(
        "imago",
        "0.2.6",
        &["zstd", "extended-l2"],
        &[("header", header), ("open", open), ("read", reads)],
    );
}
