//! A disk's layers, each with what its nodes need to know.

use super::error::BlockdevError;
use super::protocol::Protocol;
use super::{declared, network};
use crate::reference::chain::{Access, ChainFile, DiskFiles, RemoteFile, Role};
use crate::reference::domain::{Disk, Remote, Secret};
use crate::reference::format::Format;
use crate::reference::{layout, redact};

/// One image with its data file.
pub(super) struct Layer {
    pub(super) endpoint: Endpoint,
    pub(super) access: Access,
    pub(super) image: Image,
    /// What opens the image if it is encrypted.
    pub(super) secret: Option<Secret>,
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
    pub(super) endpoint: Endpoint,
    pub(super) access: Access,
}

/// Where bytes are, and what proves to a server that they may be had.
pub(super) struct Endpoint {
    pub(super) protocol: Protocol,
    pub(super) secret: Option<Secret>,
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
    crypt_method: u32,
    endpoint: Endpoint,
}

/// The layers of a disk, top first.
pub(super) fn of_disk(disk: &Disk, files: &DiskFiles<'_>) -> Result<Vec<Layer>, BlockdevError> {
    if let Some(option) = disk.options.undescribed {
        return Err(declared::unsupported_option(disk, option));
    }
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
                secret: declared::secret(disk, image.depth, image.crypt_method)?,
                endpoint: image.endpoint,
                access: image.access,
                data_file: data_file.map(|part| DataFile {
                    endpoint: part.endpoint,
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
        crypt_method: file.crypt_method,
        endpoint: Endpoint {
            protocol: match file.identity.block {
                true => Protocol::HostDevice { filename },
                false => Protocol::File { filename },
            },
            secret: None,
        },
    })
}

fn remote_part(file: &RemoteFile) -> Result<Part, BlockdevError> {
    let protocol = match &file.remote {
        Remote::Nbd { server, export } => Some(Protocol::Nbd {
            server: server.into(),
            export: export.clone(),
        }),
        Remote::Network(disk) => network::protocol(disk),
        Remote::Other(_) => None,
    };
    let auth = match &file.remote {
        Remote::Network(disk) => disk.auth.as_ref(),
        Remote::Nbd { .. } | Remote::Other(_) => None,
    };
    let Some(protocol) = protocol else {
        return Err(BlockdevError::UnsupportedSource {
            disk: file.disk.clone().unwrap_or_default(),
            protocol: file.remote.to_string(),
        });
    };
    Ok(Part {
        is_data: is_data(file.role),
        depth: file.depth,
        format: file.format,
        access: file.access,
        is_remote: true,
        crypt_method: layout::CRYPT_NONE,
        endpoint: Endpoint {
            protocol,
            secret: auth.map(|auth| auth.secret.clone()),
        },
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
    let encrypted = declared::is_encrypted(disk, image.depth);
    match image.format.as_str() {
        "raw" if encrypted => plain("luks"),
        "raw" | "iso" => Ok(Image::Raw),
        "qcow2" => {
            let unread = image.is_remote && !declared::is_terminated(disk, image.depth);
            let end = if unread { End::Unknown } else { End::Null };
            Ok(Image::Formatted {
                driver: "qcow2",
                end,
            })
        }
        _ if encrypted => Err(declared::unsupported_option(
            disk,
            "encryption of that image format",
        )),
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
