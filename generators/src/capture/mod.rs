//! From a real file to the recipe that rebuilds its metadata.
//!
//! Headers, tables and directories come back byte for byte, whatever is wrong with them; nothing
//! is judged. Guest data is never kept: where it was, the recipe has the file's marker or a hole.
//! What is neither, such as a table that a broken pointer seems to have in the midst of guest
//! data, is left out and counted in [`Left`].

mod describe;
mod directories;
mod error;
mod first_cluster;
mod header;
mod options;
mod pieces;
mod plausible;
mod raw;
mod short;
mod source;
mod space;
mod walk;

use std::fs::File;

use describe::Full;
use header::Header;
use source::Source;
use walk::Walk;

use crate::layout::extension;
use crate::recipe::{Bytes, Qcow2};

pub use error::CaptureError;
pub use raw::raw;

/// What becomes of guest data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Data {
    /// The marker stands where data was; holes stay holes.
    Markers,
    /// All of it is a hole.
    Holes,
}

/// Decides what names become.
pub trait Names {
    /// The name of a backing image, which may be a path, a URI or `json:`.
    fn backing(&mut self, name: &[u8]) -> FileName;

    /// The name of a data file, which is a path whatever it looks like.
    fn data_file(&mut self, name: &[u8]) -> FileName;

    /// The name or id of a snapshot, or the name of a bitmap; as many bytes as before.
    fn label(&mut self, name: &[u8]) -> Vec<u8>;

    /// Whether bytes that have no known meaning must not be kept, because they may be names.
    fn hides_unknown(&self) -> bool;
}

/// What the name of a file becomes: as it is to stand in the image, and as the recipe is to have
/// it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileName {
    /// As many bytes as the name had.
    pub bytes: Vec<u8>,
    /// The recipe's form, if it is another: `{dir}/...` for an absolute name.
    pub written: Option<Bytes>,
}

/// Keeps every name.
#[derive(Clone, Copy, Debug, Default)]
pub struct SameNames;

impl Names for SameNames {
    fn backing(&mut self, name: &[u8]) -> FileName {
        FileName {
            bytes: name.to_vec(),
            written: None,
        }
    }

    fn data_file(&mut self, name: &[u8]) -> FileName {
        self.backing(name)
    }

    fn label(&mut self, name: &[u8]) -> Vec<u8> {
        name.to_vec()
    }

    fn hides_unknown(&self) -> bool {
        false
    }
}

/// A captured image.
#[derive(Clone, Debug)]
pub struct Captured {
    /// The image that has the same metadata.
    pub image: Qcow2,
    /// The names in its header as they were.
    pub names: HeaderNames,
    /// Bytes of markers that writing the recipe takes.
    pub marked: u64,
    /// What could not be kept.
    pub left: Left,
}

/// The names that lead on from an image, as its header has them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HeaderNames {
    /// The backing image.
    pub backing: Option<Vec<u8>>,
    /// The format of the backing image.
    pub backing_format: Option<Vec<u8>>,
    /// The data file, if the image uses one.
    pub data_file: Option<Vec<u8>>,
}

/// How many things of an image were not captured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Left {
    /// Tables whose content looks like guest data: a broken pointer leads there.
    pub doubtful_tables: u64,
    /// Compressed clusters that were shorter than one of zeros, or lay inside another: holes.
    pub streams: u64,
    /// Whether key material was left out.
    pub keys: bool,
    /// Clusters of bits of dirty bitmaps.
    pub bitmap_clusters: u64,
    /// Names that stay absolute, because the header has them in an unusual place.
    pub absolute_names: u64,
    /// Bytes of the first cluster without a known meaning that were hidden.
    pub hidden_bytes: u64,
}

/// Captures a qcow2 image; nothing if the file isn't one.
///
/// # Errors
/// [`CaptureError::Io`], and [`CaptureError::TooLarge`] for more than 256 MiB of tables, 8 MiB of
/// them without any order, or 262144 pieces, parts of guest data or compressed clusters.
pub fn qcow2(
    file: &File,
    data: Data,
    names: &mut dyn Names,
) -> Result<Option<Captured>, CaptureError> {
    let Some(full) = in_full(file, data, names)? else {
        return Ok(None);
    };
    let lists = full.lists.as_ref();
    let shorter = lists.and_then(|lists| short::equivalent(&full.captured, lists, data));
    Ok(Some(full.finish(shorter)))
}

fn in_full(file: &File, data: Data, names: &mut dyn Names) -> Result<Option<Full>, CaptureError> {
    let source = Source::new(file)?;
    let Some(mut header) = Header::read(&source)? else {
        return Ok(None);
    };
    let header_names = header_names(&header);
    let mut walk = Walk::new(&source, &header, data, names);
    if header.cluster_bits_valid {
        walk.run()?;
    }
    let found = walk.finish()?;
    let full = describe::image(&mut header, found, header_names, source.length(), names);
    Ok(Some(full))
}

/// The names in an image's header, without a look at its tables; nothing if it isn't one.
///
/// # Errors
/// [`CaptureError::Io`].
pub fn names(file: &File) -> Result<Option<HeaderNames>, CaptureError> {
    let source = Source::new(file)?;
    Ok(Header::read(&source)?.map(|header| header_names(&header)))
}

fn header_names(header: &Header) -> HeaderNames {
    let payload = |kind| header.payload(kind).map(<[u8]>::to_vec);
    HeaderNames {
        backing: header
            .backing
            .clone()
            .map(|range| header.bytes[range].to_vec()),
        backing_format: payload(extension::BACKING_FORMAT),
        data_file: payload(extension::DATA_FILE).filter(|_| header.uses_data_file()),
    }
}
