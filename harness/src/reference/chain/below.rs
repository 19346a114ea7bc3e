//! The layer below an image: the declared one, or the one that its header names.

use std::path::Path;

use super::error::ChainError;
use super::layer::{Layer, Place};
use super::names::Reading;
use super::walk::Walk;
use super::{LabelScope, Origin, Role, names};
use crate::reference::domain::{DeclaredBacking, Remote};
use crate::reference::format::Format;
use crate::reference::probe::{Backing, Header};

impl Walk<'_, '_> {
    /// The layer below, declared or detected.
    pub(super) fn next<'a>(
        &mut self,
        layer: &Layer<'a>,
        header: Option<Header>,
        disk_scopes: &[LabelScope],
    ) -> Result<Option<Layer<'a>>, ChainError> {
        match layer.declared.map(|image| &image.backing) {
            Some(DeclaredBacking::Terminated) => Ok(None),
            Some(DeclaredBacking::Image(image)) => {
                Ok(Layer::declared(image, layer.depth + 1, disk_scopes))
            }
            Some(DeclaredBacking::Open) | None => {
                let backing = header.and_then(|header| header.backing);
                match (&layer.place, backing) {
                    (Place::Local { path, .. }, Some(backing)) => {
                        self.detected_layer(layer, path, &backing).map(Some)
                    }
                    _ => Ok(None),
                }
            }
        }
    }

    fn detected_layer<'a>(
        &mut self,
        layer: &Layer<'a>,
        image: &Path,
        backing: &Backing,
    ) -> Result<Layer<'a>, ChainError> {
        let (place, own_format) = match names::interpret(image, backing.name.bytes()) {
            Reading::Local { path, format } => (Place::Local { path, block: false }, format),
            Reading::Network(protocol) => {
                let message = format!("backing image by {protocol} is not read");
                self.note("access.network-image", image, message);
                (Place::Remote(Remote::Other(protocol)), None)
            }
            Reading::Unknown(reason) => {
                return Err(names::not_understood(image, &backing.name, reason));
            }
        };
        // QEMU, too, prefers the header's extension.
        let format = backing.format().or(own_format);
        let format = format.map(|name| self.backing_format(image, &name));
        Ok(Layer {
            role: Role::Backing,
            place,
            format,
            origin: Origin::Header,
            depth: layer.depth + 1,
            scopes: layer.scopes.clone(),
            declared: None,
        })
    }

    fn backing_format(&mut self, image: &Path, name: &str) -> Format {
        Format::parse(name).unwrap_or_else(|| {
            // Names of QEMU's protocols, such as "file", mean bytes without a structure.
            let message = format!("backing format {name:?} is not known and taken as raw");
            self.note("header.backing-format-known", image, message);
            Format::Raw
        })
    }
}
