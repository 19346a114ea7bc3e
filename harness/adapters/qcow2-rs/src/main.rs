//! Answers for qcow2-rs, with files read by tokio. It takes backing names relative to the working
//! directory, which is the image's folder here.

use qconform_adapter::{Declined, Question, hex, opened, serve};
use qcow2_rs::dev::{Qcow2Dev, Qcow2DevParams};
use qcow2_rs::helpers::Qcow2IoBuf;
use qcow2_rs::meta::Qcow2Header;
use qcow2_rs::tokio_io::Qcow2IoTokio;
use qcow2_rs::utils::qcow2_setup_dev_tokio;
use serde_json::{Value, json};
use tokio::runtime::{Builder, Runtime};

/// What it calls big enough for any header.
const HEAD: usize = 65536;

/// Smallest unit of reading, as a power of two and in bytes.
const BLOCK_BITS: u8 = 9;
const BLOCK: u64 = 1 << BLOCK_BITS;

fn header(question: &Question) -> Result<Value, Declined> {
    question.only_qcow2()?;
    let mut head = question.head(HEAD as u64)?;
    // It reads into a buffer of this size, whatever the file's.
    head.resize(HEAD, 0);
    let header = Qcow2Header::from_buf(&head)?;
    let backing = header
        .backing_filename()
        .map(|name| json!({ "name": hex(name.as_bytes()), "format": header.backing_format() }));
    // An image with any incompatible feature is refused.
    Ok(json!({ "header": {
        "format": "qcow2", "version": header.version(), "virtual_size": header.size(),
        "backing": backing, "data_file": null,
    }}))
}

/// The image with its backing images, and what waits for its reads.
fn image(question: &Question) -> Result<(Runtime, Qcow2Dev<Qcow2IoTokio>), Declined> {
    let path = question.qcow2()?;
    question.enter_folder()?;
    let runtime = Builder::new_current_thread().build()?;
    let params = Qcow2DevParams::new(BLOCK_BITS, None, None, true, false);
    let image = runtime.block_on(qcow2_setup_dev_tokio(&path, &params))?;
    Ok((runtime, image))
}

fn open(question: &Question) -> Result<Value, Declined> {
    opened(image(question)?)
}

fn reads(question: &Question) -> Result<Value, Declined> {
    let (runtime, image) = image(question)?;
    question.reads(|offset, buffer| {
        // It reads whole blocks only.
        let within = (offset % BLOCK) as usize;
        let length = (within + buffer.len()).next_multiple_of(BLOCK as usize);
        let mut blocks = Qcow2IoBuf::<u8>::new(length);
        let read = runtime.block_on(image.read_at(&mut blocks, offset - within as u64))?;
        if read < length {
            return Err(Declined::Rejected(format!("{read} bytes were read")));
        }
        buffer.copy_from_slice(&blocks[within..within + buffer.len()]);
        Ok(())
    })
}

fn main() {
    serve(
        "qcow2-rs",
        "0.1.6",
        &["data-file", "zstd", "extended-l2"],
        &[("header", header), ("open", open), ("read", reads)],
    );
}
