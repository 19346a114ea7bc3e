//! What a guest has to see: computed from a recipe and markers alone, never from written files.
//!
//! [`Disk`] answers for the image that a recipe describes. Defects and patches are deliberate
//! deviations from it and play no part here.

use thiserror::Error;

use crate::marker::Marker;
use crate::recipe::{Bytes, Content, Encryption, Qcow2, Raw, Recipe};

mod follow;

use follow::{beside, find};

/// More images than any chain that a reader opens.
const DEPTH_MAX: usize = 255;

/// Why a disk's bytes cannot be told from its recipe.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum GuestError {
    /// No image has that name in the recipe.
    #[error("{name:?} is no image of the recipe")]
    NoImage {
        /// The name, as far as it could be followed.
        name: String,
    },
    /// The image uses a data file and names none.
    #[error("the image {name:?} names no data file")]
    NoDataFile {
        /// The image.
        name: String,
    },
    /// The bytes of an image as such are part of the disk, because it is declared to be raw.
    #[error("the image {name:?} is declared to be raw")]
    ImageAsRaw {
        /// The image.
        name: String,
    },
    /// The image was captured, and its recipe has tables instead of lists of clusters.
    #[error("the image {name:?} was captured and does not list its clusters")]
    Captured {
        /// The image.
        name: String,
    },
    /// Its guest needs a key.
    #[error("the image {name:?} is encrypted")]
    Encrypted {
        /// The image.
        name: String,
    },
    /// Backing images or symlinks go round in circles.
    #[error("the chain of {name:?} has more than {DEPTH_MAX} parts")]
    TooDeep {
        /// Where it was given up.
        name: String,
    },
}

/// How an image says what a guest cluster, or a subcluster of it, holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// Nothing: the guest sees what is below.
    Unallocated,
    /// It reads as zeros.
    Zero,
    /// It has data, in the image or in its data file.
    Data,
    /// It has data as a compressed stream.
    Compressed,
}

/// A virtual disk that a recipe describes: one image and everything below it.
#[derive(Clone, Debug)]
pub struct Disk<'a> {
    /// From the top down.
    layers: Vec<Layer<'a>>,
}

/// One image of a chain.
#[derive(Clone, Debug)]
struct Layer<'a> {
    kind: LayerKind<'a>,
    /// Marker of the file that holds its data.
    marker: Marker,
}

#[derive(Clone, Debug)]
enum LayerKind<'a> {
    Raw(&'a Raw),
    Qcow2 {
        image: &'a Qcow2,
        data_file: Option<&'a Raw>,
    },
}

impl<'a> Disk<'a> {
    /// The disk of the image that the recipe calls `name`. A stored name is followed if it is
    /// text that leads to a file of the recipe, directly or through links of the recipe.
    ///
    /// # Errors
    /// [`GuestError`], if the bytes depend on something that the recipe does not describe.
    pub fn new(recipe: &'a Recipe, name: &str) -> Result<Disk<'a>, GuestError> {
        let mut layers = Vec::new();
        let mut next = Some((name.to_owned(), false));
        while let Some((given, is_raw)) = next {
            if layers.len() == DEPTH_MAX {
                return Err(GuestError::TooDeep { name: given });
            }
            let (name, content) = find(recipe, &given)?;
            let (layer, below) = match content {
                Content::Raw(raw) => (Layer::raw(recipe.seed, &name, raw), None),
                Content::Qcow2(_) if is_raw => return Err(GuestError::ImageAsRaw { name }),
                Content::Qcow2(image) => {
                    let layer = Layer::qcow2(recipe, &given, &name, image)?;
                    let is_raw = image.backing_format == Some(Bytes::from("raw"));
                    let backing = image.backing.as_ref();
                    (
                        layer,
                        backing.map(|backing| (beside(&given, backing), is_raw)),
                    )
                }
                _ => return Err(GuestError::NoImage { name }),
            };
            layers.push(layer);
            next = below;
        }
        Ok(Disk { layers })
    }

    /// Virtual size in bytes.
    #[must_use]
    pub fn size(&self) -> u64 {
        match self.layers.first().map(|layer| &layer.kind) {
            Some(LayerKind::Qcow2 { image, .. }) => image.size,
            Some(LayerKind::Raw(raw)) => raw.size,
            None => 0,
        }
    }

    /// Fills `out` with what the guest reads from `offset` on; zeros behind the end.
    pub fn fill(&self, offset: u64, out: &mut [u8]) {
        let (mut at, mut rest) = (offset, out);
        while !rest.is_empty() {
            let (depth, state, length) = self.state(at);
            let length = usize::try_from(length).unwrap_or(rest.len());
            let (now, later) = rest.split_at_mut(length.min(rest.len()));
            match (state, self.layers.get(depth)) {
                (State::Data | State::Compressed, Some(layer)) => layer.fill(at, now),
                _ => now.fill(0),
            }
            at = at.saturating_add(now.len() as u64);
            rest = later;
        }
    }

    /// Which image decides about the byte at `offset`, counted from the top, and how; and for how
    /// many bytes that holds at least. Nobody decides about a byte that an image leaves to one
    /// below it which is missing or too short: it reads as zeros, and the upper one is named.
    #[must_use]
    pub fn state(&self, offset: u64) -> (usize, State, u64) {
        let mut held = u64::MAX;
        let mut last = 0;
        for (depth, layer) in self.layers.iter().enumerate() {
            let Some((state, length)) = layer.state(offset) else {
                break;
            };
            held = held.min(length);
            last = depth;
            if state != State::Unallocated {
                return (depth, state, held);
            }
        }
        (last, State::Unallocated, held)
    }
}

impl<'a> Layer<'a> {
    fn raw(seed: u64, name: &str, raw: &'a Raw) -> Layer<'a> {
        let kind = LayerKind::Raw(raw);
        let marker = Marker::new(seed, name);
        Layer { kind, marker }
    }

    /// `given` is how the chain names the image, which is what its own names are relative to.
    fn qcow2(
        recipe: &'a Recipe,
        given: &str,
        name: &str,
        image: &'a Qcow2,
    ) -> Result<Layer<'a>, GuestError> {
        if image.layout.is_some() {
            let name = name.to_owned();
            return Err(GuestError::Captured { name });
        }
        if image.encryption != Encryption::None {
            let name = name.to_owned();
            return Err(GuestError::Encrypted { name });
        }
        let mut marker = Marker::new(recipe.seed, name);
        let mut data_file = None;
        if image.uses_data_file() {
            let stored = image
                .data_file
                .as_ref()
                .ok_or_else(|| GuestError::NoDataFile {
                    name: name.to_owned(),
                })?;
            let (name, content) = find(recipe, &beside(given, stored))?;
            let Content::Raw(raw) = content else {
                return Err(GuestError::ImageAsRaw { name });
            };
            marker = Marker::new(recipe.seed, &name);
            data_file = Some(raw);
        }
        let kind = LayerKind::Qcow2 { image, data_file };
        Ok(Layer { kind, marker })
    }

    /// What the image says of the byte at `offset`, and for how many bytes from there on. Behind
    /// its end it says nothing.
    fn state(&self, offset: u64) -> Option<(State, u64)> {
        match self.kind {
            LayerKind::Raw(raw) if offset < raw.size => Some((State::Data, raw.size - offset)),
            LayerKind::Qcow2 { image, .. } if offset < image.size => {
                Some(qcow2_state(image, offset))
            }
            _ => None,
        }
    }

    /// Its data, where [`Layer::state`] says that it has some.
    fn fill(&self, offset: u64, out: &mut [u8]) {
        match self.kind {
            LayerKind::Raw(raw) => fill_raw(raw, &self.marker, offset, out),
            LayerKind::Qcow2 { data_file, .. } => match data_file {
                Some(raw) => fill_raw(raw, &self.marker, offset, out),
                None => self.marker.fill(offset, out),
            },
        }
    }
}

fn qcow2_state(image: &Qcow2, offset: u64) -> (State, u64) {
    let cluster_size = 1 << image.cluster_bits;
    let cluster = offset >> image.cluster_bits;
    let inside = offset % cluster_size;
    let rest = (cluster_size - inside).min(image.size - offset);
    if let Some(parts) = image
        .subclusters
        .iter()
        .find(|parts| parts.cluster == cluster)
    {
        let length = cluster_size / 32;
        let part = inside / length;
        let state = if parts.allocated.contains(part) {
            State::Data
        } else if parts.zero.contains(part) {
            State::Zero
        } else {
            State::Unallocated
        };
        return (state, rest.min(length - inside % length));
    }
    let state = if image.compressed.contains(cluster) {
        State::Compressed
    } else if image.zero.contains(cluster) || image.zero_allocated.contains(cluster) {
        State::Zero
    } else if image.populated.contains(cluster) || image.maps_all() {
        State::Data
    } else {
        State::Unallocated
    };
    (state, rest)
}

fn fill_raw(raw: &Raw, marker: &Marker, offset: u64, out: &mut [u8]) {
    out.fill(0);
    let end = offset.saturating_add(out.len() as u64).min(raw.size);
    // A data file may be shorter than its disk.
    if end <= offset {
        return;
    }
    let clusters = offset / raw.cluster_size..end.div_ceil(raw.cluster_size);
    for range in raw.populated.ranges_in(&clusters) {
        let from = (range.start * raw.cluster_size).max(offset);
        let to = (range.end * raw.cluster_size).min(end);
        marker.fill(from, part(out, from - offset, to - offset));
    }
    let start = raw.start.as_ref().map(Bytes::to_bytes).unwrap_or_default();
    for (at, byte) in (offset..end).zip(out) {
        match usize::try_from(at).ok().and_then(|at| start.get(at)) {
            Some(given) => *byte = *given,
            None => break,
        }
    }
}

/// Both ends lie inside `bytes`.
fn part(bytes: &mut [u8], start: u64, end: u64) -> &mut [u8] {
    &mut bytes[start as usize..end as usize]
}
