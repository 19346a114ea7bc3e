//! Answers for wxtla. It leaves finding other files to a resolver; this one looks for each name in
//! the image's folder, as its documentation does. While a header is read, an empty image stands for
//! every other file, so that none is opened.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use qconform_adapter::{Declined, Question, hex, opened, serve};
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

/// An image of one empty cluster, as which every name is found.
struct Empty;

/// Fields of its header: offset and value.
const EMPTY: [(usize, &[u8]); 7] = [
    (0, b"QFI\xfb\0\0\0\x02"),
    (20, &9u32.to_be_bytes()),
    (24, &512u64.to_be_bytes()),
    (36, &1u32.to_be_bytes()),
    (40, &1024u64.to_be_bytes()),
    (48, &512u64.to_be_bytes()),
    (56, &1u32.to_be_bytes()),
];

impl ByteSource for Empty {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> wxtla::Result<usize> {
        let mut image = [0; 1536];
        for (at, bytes) in EMPTY {
            image[at..at + bytes.len()].copy_from_slice(bytes);
        }
        let start = image
            .len()
            .min(usize::try_from(offset).unwrap_or(usize::MAX));
        let length = buffer.len().min(image.len() - start);
        buffer[..length].copy_from_slice(&image[start..start + length]);
        Ok(length)
    }

    fn size(&self) -> wxtla::Result<u64> {
        Ok(1536)
    }
}

impl RelatedSourceResolver for Empty {
    fn resolve(&self, _: &RelatedSourceRequest) -> wxtla::Result<Option<ByteSourceHandle>> {
        Ok(Some(Arc::new(Empty)))
    }
}

/// The image, with other files as `resolver` finds them.
fn with(path: &Path, resolver: &dyn RelatedSourceResolver) -> Result<QcowImage, Declined> {
    let source = Arc::new(FileDataSource::open(path)?);
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let identity = SourceIdentity::from_relative_path(&name)?;
    let hints = SourceHints::new()
        .with_resolver(resolver)
        .with_source_identity(&identity);
    Ok(QcowImage::open_with_hints(source, hints)?)
}

fn image(question: &Question) -> Result<QcowImage, Declined> {
    let path = question.qcow2()?;
    let folder = Folder(path.parent().map(PathBuf::from).unwrap_or_default());
    with(&path, &folder)
}

fn header(question: &Question) -> Result<Value, Declined> {
    let image = with(&question.qcow2()?, &Empty)?;
    let text = |text: &str| hex(text.as_bytes());
    let backing = image
        .backing_file_name()
        .map(|name| json!({ "name": text(name), "format": image.backing_file_format() }));
    let data_file = image.header().uses_external_data_file().then(|| {
        let raw = image.header().raw_external_data();
        json!({ "name": image.external_data_path().map(text), "raw": raw })
    });
    Ok(json!({ "header": {
        "format": "qcow2", "version": image.header().version,
        "virtual_size": image.header().virtual_size, "backing": backing, "data_file": data_file,
    }}))
}

fn open(question: &Question) -> Result<Value, Declined> {
    opened(image(question)?)
}

fn reads(question: &Question) -> Result<Value, Declined> {
    let image = image(question)?;
    question.reads(|offset, buffer| image.read_exact_at(offset, buffer))
}

fn main() {
    serve(
        "wxtla",
        "0.3.1",
        &["encryption"],
        &[("header", header), ("open", open), ("read", reads)],
    );
}
