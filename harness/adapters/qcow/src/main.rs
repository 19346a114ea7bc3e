//! Answers for qcow. It takes backing names relative to the working directory, which is the
//! image's folder here.

use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::PathBuf;

use qconform_adapter::{Declined, Question, hex, serve};
use qcow::header_ext::HeaderExt;
use qcow::{DynamicQcow, Qcow2};
use serde_json::{Value, json};

/// The image; one of version 1 is another format.
fn image(path: &PathBuf) -> Result<Qcow2, Declined> {
    match qcow::open(path)? {
        DynamicQcow::Qcow2(image) => Ok(image),
        DynamicQcow::Qcow1(_) => Err(Declined::Rejected("version 1".to_owned())),
    }
}

fn header(question: &Question) -> Result<Value, Declined> {
    let header = image(&question.qcow2()?)?.header;
    let text = |text: &String| hex(text.as_bytes());
    let (mut format, mut name) = (None, None);
    for extension in &header.extensions {
        match extension {
            HeaderExt::BackingFileFormat(stored) => format = Some(stored),
            HeaderExt::ExternalDataPath(stored) => name = Some(text(stored)),
            _ => {}
        }
    }
    let backing = header.backing_file.as_ref();
    let backing = backing.map(|name| json!({ "name": text(name), "format": format }));
    let version_3 = header.v3_header.as_ref();
    let data_file = version_3.filter(|it| it.incompatible_features.external_data_file());
    let data_file = data_file
        .map(|it| json!({ "name": name, "raw": it.autoclear_features.raw_external_data() }));
    Ok(json!({ "header": {
        "format": "qcow2", "version": header.version, "virtual_size": header.size,
        "backing": backing, "data_file": data_file,
    }}))
}

fn reads(question: &Question) -> Result<Value, Declined> {
    let path = question.qcow2()?;
    question.enter_folder()?;
    let image = image(&path)?;
    let mut file = BufReader::new(File::open(&path)?);
    let mut reader = image.reader(&mut file);
    question.reads(|offset, buffer| {
        reader.seek(SeekFrom::Start(offset))?;
        reader.read_exact(buffer)
    })
}

fn main() {
    serve("qcow", "1.2.0", &[], &[("header", header), ("read", reads)]);
}
