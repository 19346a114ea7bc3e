//! One layer of a chain that is still to be examined.

use std::path::PathBuf;

use super::{Access, LabelPlace, LabelScope, Origin, Role};
use crate::reference::domain::{Disk, Image, Location, Remote, Source};
use crate::reference::format::Format;

/// How a disk uses its top image and that image's data file.
#[derive(Default)]
pub(super) struct Use {
    pub(super) disk: Option<String>,
    pub(super) readonly: bool,
    pub(super) shareable: bool,
    pub(super) transient: bool,
}

impl Use {
    pub(super) fn of_disk(disk: &Disk) -> Self {
        Self {
            disk: Some(disk.target.clone()),
            readonly: disk.readonly || disk.cdrom,
            shareable: disk.shareable,
            transient: disk.transient,
        }
    }

    pub(super) fn access(&self, role: Role) -> Access {
        // Writes to a transient disk go to an overlay, so nothing below needs to be writable.
        match role {
            Role::Top | Role::DataFile if !self.readonly && !self.transient => Access::ReadWrite,
            _ => Access::ReadOnly,
        }
    }
}

pub(super) enum Place {
    Local { path: PathBuf, block: bool },
    Remote(Remote),
}

impl Place {
    pub(super) fn of(source: &Source, given: bool) -> Self {
        match &source.location {
            Location::Local { path, block } => Self::Local {
                path: path.clone(),
                block: given || *block,
            },
            Location::Remote(remote) => Self::Remote(remote.clone()),
            Location::None => Self::Remote(Remote::Other("nothing".to_owned())),
        }
    }
}

pub(super) struct Layer<'a> {
    pub(super) role: Role,
    pub(super) place: Place,
    /// Absent where nobody declared it.
    pub(super) format: Option<Format>,
    pub(super) origin: Origin,
    pub(super) depth: u32,
    pub(super) scopes: Vec<LabelScope>,
    /// What the domain says about this layer.
    pub(super) declared: Option<&'a Image>,
}

impl<'a> Layer<'a> {
    pub(super) fn of_disk(disk: &'a Disk) -> Self {
        let scope = LabelScope {
            place: LabelPlace::Disk,
            labels: disk.image.source.seclabels.clone(),
        };
        Self {
            role: Role::Top,
            place: Place::of(&disk.image.source, true),
            format: Some(disk.image.format),
            origin: Origin::Given,
            depth: 0,
            scopes: vec![scope],
            declared: Some(&disk.image),
        }
    }

    /// The image of a `<backingStore>`, unless that names nothing.
    pub(super) fn declared(image: &'a Image, depth: u32, disk: &[LabelScope]) -> Option<Self> {
        if image.source.location == Location::None {
            return None;
        }
        let own = LabelScope {
            place: LabelPlace::BackingStore,
            labels: image.source.seclabels.clone(),
        };
        Some(Self {
            role: Role::Backing,
            place: Place::of(&image.source, false),
            format: Some(image.format),
            origin: Origin::Declared,
            depth,
            scopes: std::iter::once(own).chain(disk.iter().cloned()).collect(),
            declared: Some(image),
        })
    }
}
