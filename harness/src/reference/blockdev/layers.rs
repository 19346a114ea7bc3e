//! A disk's layers, each with what its nodes need to know.

use super::error::BlockdevError;
use super::node::Protocol;
use crate::reference::chain::{Access, ChainFile, DiskFiles, RemoteFile, Role};
use crate::reference::domain::{self, DeclaredBacking, Disk};
use crate::reference::format::Format;
use crate::reference::redact;

/// One image with its data file.
pub(super) struct Layer {
    pub(super) protocol: Protocol,
    pub(super) access: Access,
    pub(super) image: Image,
    pub(super) data_file: Option<DataFile>,
}

/// Whether an image has a structure that QEMU has to be told of.
#[derive(Clone, Copy)]
pub(super) enum Image {
    /// It is its file, byte by byte.
    Raw,
    /// It has a format, read by this driver of QEMU's.
    Formatted { driver: &'static str, end: End },
}

impl Image {
    fn takes_backing(self) -> bool {
        let end = match self {
            Self::Raw => End::NoOption,
            Self::Formatted { end, .. } => end,
        };
        !matches!(end, End::NoOption)
    }
}

/// What a format node says where no layer follows.
#[derive(Clone, Copy)]
pub(super) enum End {
    /// The format has no backing images, and its driver no such option.
    NoOption,
    /// There is none, whatever the header says.
    Null,
    /// Nothing: the header is on another host and was never read.
    Unknown,
}

impl End {
    /// The value of the node's `backing`, which stays away where that is `None`.
    pub(super) fn backing(self, below: Option<String>) -> Option<Option<String>> {
        match (self, below) {
            (Self::NoOption, _) | (Self::Unknown, None) => None,
            (Self::Null | Self::Unknown, below) => Some(below),
        }
    }
}

/// A data file, which is always raw.
pub(super) struct DataFile {
    pub(super) protocol: Protocol,
    pub(super) access: Access,
}

impl Layer {
    /// How many numbers of nodes it takes.
    pub(super) fn ids(&self) -> usize {
        1 + usize::from(self.data_file.is_some())
    }
}

/// One file of a chain, on this host or elsewhere.
struct Part {
    is_data: bool,
    depth: u32,
    format: Format,
    access: Access,
    is_remote: bool,
    protocol: Protocol,
}

/// The layers of a disk, top first.
pub(super) fn of_disk(disk: &Disk, files: &DiskFiles<'_>) -> Result<Vec<Layer>, BlockdevError> {
    let local = files.files.iter().map(|file| local_part(file));
    let remote = files.remote.iter().map(|file| remote_part(file));
    let parts: Vec<Part> = local.chain(remote).collect::<Result<_, _>>()?;
    let (mut data, mut images): (Vec<Part>, Vec<Part>) =
        parts.into_iter().partition(|part| part.is_data);
    images.sort_by_key(|image| image.depth);
    let last = images.last().map(|image| image.depth);
    images
        .into_iter()
        .map(|image| {
            let found = data.iter().position(|part| part.depth == image.depth);
            let data_file = found.map(|at| data.swap_remove(at));
            let kind = kind(disk, &image)?;
            if !kind.takes_backing() && Some(image.depth) != last {
                return Err(BlockdevError::UnexpectedBacking {
                    disk: disk.target.clone(),
                    format: image.format.as_str(),
                });
            }
            Ok(Layer {
                image: kind,
                protocol: image.protocol,
                access: image.access,
                data_file: data_file.map(|part| DataFile {
                    protocol: part.protocol,
                    access: part.access,
                }),
            })
        })
        .collect()
}

fn local_part(file: &ChainFile) -> Result<Part, BlockdevError> {
    // JSON has no other strings.
    let filename = file.path.to_str().ok_or_else(|| BlockdevError::NotUtf8 {
        path: redact::path(&file.path),
    })?;
    let filename = filename.to_owned();
    Ok(Part {
        is_data: is_data(file.role),
        depth: file.depth,
        format: file.format,
        access: file.access,
        is_remote: false,
        protocol: match file.identity.block {
            true => Protocol::HostDevice { filename },
            false => Protocol::File { filename },
        },
    })
}

fn remote_part(file: &RemoteFile) -> Result<Part, BlockdevError> {
    let protocol = match &file.remote {
        domain::Remote::Nbd { server, export } => Protocol::Nbd {
            server: server.into(),
            export: export.clone(),
        },
        domain::Remote::Other(protocol) => {
            return Err(BlockdevError::UnsupportedSource {
                disk: file.disk.clone().unwrap_or_default(),
                protocol: protocol.clone(),
            });
        }
    };
    Ok(Part {
        is_data: is_data(file.role),
        depth: file.depth,
        format: file.format,
        access: file.access,
        is_remote: true,
        protocol,
    })
}

fn is_data(role: Role) -> bool {
    matches!(role, Role::DataFile | Role::BackingDataFile)
}

/// QEMU's driver for an image.
fn kind(disk: &Disk, image: &Part) -> Result<Image, BlockdevError> {
    let plain = |driver| {
        let end = End::NoOption;
        Ok(Image::Formatted { driver, end })
    };
    match image.format.as_str() {
        "raw" | "iso" => Ok(Image::Raw),
        "qcow2" => {
            let unread = image.is_remote && !is_terminated(disk, image.depth);
            let end = if unread { End::Unknown } else { End::Null };
            Ok(Image::Formatted {
                driver: "qcow2",
                end,
            })
        }
        "bochs" => plain("bochs"),
        "cloop" => plain("cloop"),
        "dmg" => plain("dmg"),
        "ploop" => plain("parallels"),
        "vdi" => plain("vdi"),
        "vpc" => plain("vpc"),
        other => Err(BlockdevError::UnsupportedFormat {
            disk: disk.target.clone(),
            format: other,
        }),
    }
}

/// Whether the XML says that the chain ends at this layer.
fn is_terminated(disk: &Disk, depth: u32) -> bool {
    let mut image = &disk.image;
    for _ in 0..depth {
        let DeclaredBacking::Image(below) = &image.backing else {
            return false;
        };
        image = below;
    }
    image.backing == DeclaredBacking::Terminated
}
