//! What the XML says about each image of a chain.

use super::error::BlockdevError;
use crate::reference::domain::{DeclaredBacking, Disk, Image, Secret};
use crate::reference::layout;

/// What the XML says about the image at this depth, if it says anything.
fn image(disk: &Disk, depth: u32) -> Option<&Image> {
    let mut image = &disk.image;
    for _ in 0..depth {
        let DeclaredBacking::Image(below) = &image.backing else {
            return None;
        };
        image = below;
    }
    Some(image)
}

/// Whether the XML says that the image at this depth is encrypted.
pub(super) fn is_encrypted(disk: &Disk, depth: u32) -> bool {
    image(disk, depth).is_some_and(|image| image.encryption.is_some())
}

/// Whether the XML says that the chain ends at this layer.
pub(super) fn is_terminated(disk: &Disk, depth: u32) -> bool {
    image(disk, depth).is_some_and(|image| image.backing == DeclaredBacking::Terminated)
}

/// The secret of the image at this depth, if the image is encrypted: its header says so, or the
/// XML of one whose header wasn't read.
pub(super) fn secret(
    disk: &Disk,
    depth: u32,
    crypt_method: u32,
) -> Result<Option<Secret>, BlockdevError> {
    let declared = image(disk, depth).and_then(|image| image.encryption.as_ref());
    if crypt_method == layout::CRYPT_AES {
        // libvirt refuses it, and QEMU's emulators do.
        return Err(unsupported_option(disk, "aes encryption"));
    }
    if crypt_method == layout::CRYPT_NONE && declared.is_none() {
        return Ok(None);
    }
    let secret = declared.and_then(|encryption| encryption.secret.clone());
    let missing = || BlockdevError::MissingSecret {
        disk: disk.target.clone(),
        depth,
    };
    secret.ok_or_else(missing).map(Some)
}

pub(super) fn unsupported_option(disk: &Disk, option: &'static str) -> BlockdevError {
    let disk = disk.target.clone();
    BlockdevError::UnsupportedOption { disk, option }
}
