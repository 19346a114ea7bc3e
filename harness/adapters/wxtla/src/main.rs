//! Answers for wxtla. It leaves finding other files to a resolver; this one looks for each name in
//! the image's folder, as its documentation does.

use std::path::PathBuf;
use std::sync::Arc;

use qconform_adapter::{Declined, Question, hex, read, serve};
use serde_json::{Value, json};
use wxtla::images::qcow::QcowImage;
use wxtla::{
    ByteSource, ByteSourceHandle, FileDataSource, RelatedSourceRequest, RelatedSourceResolver,
    SourceHints, SourceIdentity,
};

/// Finds files below a folder.
struct Folder(PathBuf);

impl RelatedSourceResolver for Folder {
    fn resolve(&self, request: &RelatedSourceRequest) -> wxtla::Result<Option<ByteSourceHandle>> {
        let path = self.0.join(request.path.to_string());
        if !path.is_file() {
            return Ok(None);
        }
        Ok(Some(Arc::new(FileDataSource::open(path)?)))
    }
}

fn opened(question: &Question) -> Result<QcowImage, Declined> {
    question.only_qcow2()?;
    let path = question.path();
    let source = Arc::new(FileDataSource::open(&path)?);
    let folder = Folder(path.parent().map(PathBuf::from).unwrap_or_default());
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let identity = SourceIdentity::from_relative_path(&name)?;
    let hints = SourceHints::new()
        .with_resolver(&folder)
        .with_source_identity(&identity);
    Ok(QcowImage::open_with_hints(source, hints)?)
}

fn header(question: &Question) -> Result<Value, Declined> {
    let image = opened(question)?;
    let text = |text: &str| hex(text.as_bytes());
    let backing = image.backing_file_name().map(|name| {
        json!({ "name": text(name), "format": image.backing_file_format() })
    });
    let data_file = image.uses_external_data_file().then(|| {
        let raw = image.header().raw_external_data();
        json!({ "name": image.external_data_path().map(text), "raw": raw })
    });
    Ok(json!({ "header": {
        "format": "qcow2", "version": image.header().version,
        "virtual_size": image.header().virtual_size, "backing": backing, "data_file": data_file,
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
        image.read_exact_at(offset, &mut buffer)?;
        reads.push(read(offset, &buffer));
    }
    Ok(json!({ "reads": reads }))
}

fn main() {
    serve(
        "wxtla",
        "0.3.1",
        &["encryption"],
        &[("header", header), ("open", open), ("read", reads)],
    );
}
