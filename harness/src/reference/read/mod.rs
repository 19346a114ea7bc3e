//! Guest bytes of an image, through its data file and its backing chain.
//!
//! [`mapping`] says where a cluster is, [`decompress`] what a compressed one holds. Only the
//! active state is read; internal snapshots play no part in it. An image is opened as far as
//! QEMU opens it for reading, so a dirty or corrupt one is read as it stands. An encrypted one
//! is refused as unsupported: without a key its bytes are nobody's.

pub mod decompress;
mod error;
mod layer;
pub mod mapping;

use std::path::Path;

pub use error::ReadError;

use super::chain::{Chain, ChainFile, ResolvePolicy, Role, resolve_image};
use super::file::open_image;
use super::format::Format;
use super::inspection::ProbeFailure;
use super::probe;
use layer::Layer;
use mapping::Source;

/// The most bytes of one read.
pub const MAX_LENGTH: u64 = 64 << 20;

/// Reads `length` guest bytes from `offset` on; without a format the image is probed.
///
/// # Errors
///
/// [`ReadError`] where the chain is refused, where the range reaches past the virtual disk,
/// where the metadata is wrong, and for what isn't supported.
pub fn read(
    path: &Path,
    format: Option<Format>,
    policy: &dyn ResolvePolicy,
    offset: u64,
    length: u64,
) -> Result<Vec<u8>, ReadError> {
    let size = usize::try_from(length)
        .ok()
        .filter(|_| length <= MAX_LENGTH);
    let size = size.ok_or(ReadError::TooLong(length))?;
    let layers = open(&resolve_image(path, format, policy)?)?;
    let disk = layers.first().map_or(0, |top| top.size);
    if offset.checked_add(length).is_none_or(|end| end > disk) {
        return Err(ReadError::PastEnd {
            offset,
            length,
            size: disk,
        });
    }
    let mut bytes = vec![0; size];
    fill(&layers, offset, &mut bytes)?;
    Ok(bytes)
}

/// Fills the buffer piece by piece, each from the topmost layer that has it.
fn fill(layers: &[Layer], offset: u64, buffer: &mut [u8]) -> Result<(), ReadError> {
    let mut done = 0;
    while done < buffer.len() {
        let at = offset + done as u64;
        let wanted = (buffer.len() - done) as u64;
        let (layer, source, length) = find(layers, at)?;
        let end = done + length.min(wanted) as usize;
        let piece = &mut buffer[done..end];
        match source {
            Source::Below | Source::Zeros => piece.fill(0),
            Source::Host(host) => layer.read(host, piece)?,
            Source::Compressed(stream, within) => layer.read_compressed(stream, within, piece)?,
        }
        done = end;
    }
    Ok(())
}

/// The topmost layer that has the byte at `offset`, or the last one, and for how many bytes.
fn find(layers: &[Layer], offset: u64) -> Result<(&Layer, Source, u64), ReadError> {
    let mut piece = u64::MAX;
    let mut last = None;
    for layer in layers {
        let (source, length) = layer.locate(offset)?;
        piece = piece.min(length);
        last = Some((layer, source, piece));
        if source != Source::Below {
            break;
        }
    }
    last.ok_or(ReadError::PastEnd {
        offset,
        length: 1,
        size: 0,
    })
}

/// Opens every image of a chain with its data file, top first.
fn open(chain: &Chain) -> Result<Vec<Layer>, ReadError> {
    // What it holds is unknown; zeros in its place would be wrong.
    if let (false, Some(image)) = (chain.remote.is_empty(), chain.files.last()) {
        return Err(ReadError::Unsupported {
            path: image.path.clone(),
            offset: 0,
            feature: "backing image on the network",
        });
    }
    let mut layers: Vec<Layer> = Vec::new();
    for file in &chain.files {
        match (file.role, layers.last_mut()) {
            (Role::DataFile | Role::BackingDataFile, Some(image)) => {
                let data = open_image(&file.path).map_err(|error| failed(file, error.into()))?;
                image.data = Some((data, file.path.clone()));
            }
            _ => layers.push(open_layer(file)?),
        }
    }
    Ok(layers)
}

fn open_layer(chain_file: &ChainFile) -> Result<Layer, ReadError> {
    let file = open_image(&chain_file.path).map_err(|error| failed(chain_file, error.into()))?;
    let header = probe::inspect(&file, Some(chain_file.format))
        .map_err(|error| failed(chain_file, error.into()))?
        .header;
    let Some(size) = header.virtual_size else {
        let path = chain_file.path.clone();
        let feature = chain_file.format.as_str();
        return Err(ReadError::Unsupported {
            path,
            offset: 0,
            feature,
        });
    };
    let layer = Layer {
        path: chain_file.path.clone(),
        file,
        data: None,
        fields: header.fields,
        size,
    };
    layer.require_supported()?;
    Ok(layer)
}

fn failed(file: &ChainFile, failure: ProbeFailure) -> ReadError {
    let path = file.path.clone();
    ReadError::Open { path, failure }
}
