//! The walk down a chain, one layer at a time.

use std::path::{Path, PathBuf};

use super::error::{ChainClass, ChainError};
use super::layer::{Layer, Place, Use};
use super::policy::Candidate;
use super::resolve::Resolver;
use super::{Chain, ChainFile, Identity, LabelScope, MAX_LAYERS, Origin, RemoteFile, Role};
use crate::reference::domain::Remote;
use crate::reference::format::Format;
use crate::reference::layout;
use crate::reference::probe::Header;
use crate::reference::probe::header::Fields;
use crate::reference::violation::FileViolation;

pub(super) struct Walk<'w, 'r> {
    pub(super) resolver: &'w Resolver<'r>,
    pub(super) chain: &'w mut Chain,
    pub(super) how: Use,
    /// The images of this chain so far.
    pub(super) seen: Vec<(u64, u64)>,
}

impl<'w, 'r> Walk<'w, 'r> {
    pub(super) fn new(resolver: &'w Resolver<'r>, chain: &'w mut Chain, how: Use) -> Self {
        Self {
            resolver,
            chain,
            how,
            seen: Vec::new(),
        }
    }

    pub(super) fn run(&mut self, top: Layer<'_>) -> Result<(), ChainError> {
        let disk_scopes = top.scopes.clone();
        let mut next = Some(top);
        while let Some(layer) = next {
            next = self.layer(&layer, &disk_scopes)?;
        }
        Ok(())
    }

    /// Adds an image and its data file, and gives the layer below.
    fn layer<'a>(
        &mut self,
        layer: &Layer<'a>,
        disk_scopes: &[LabelScope],
    ) -> Result<Option<Layer<'a>>, ChainError> {
        let store = layer.declared.and_then(|image| image.data_store.as_ref());
        let header = match &layer.place {
            Place::Local { path, block } => {
                let (header, identity) = self.image(layer, path, *block)?;
                self.data_file(layer, path, &identity, header.as_ref(), store)?;
                header
            }
            // Nobody reads the header of a remote image, but its store may be a local file.
            Place::Remote(remote) => {
                self.remote(layer, layer.role, remote);
                self.note_unread(layer, remote);
                if let Some(store) = store {
                    self.declared_store(layer, store, None, None)?;
                }
                None
            }
        };
        self.next(layer, header, disk_scopes)
    }

    fn image(
        &mut self,
        layer: &Layer<'_>,
        path: &Path,
        block: bool,
    ) -> Result<(Option<Header>, Identity), ChainError> {
        if layer.depth >= MAX_LAYERS {
            let message = format!("chain has more than {MAX_LAYERS} layers");
            return Err(ChainError::new(ChainClass::TooDeep, path, message));
        }
        let identity = self.admit(path, layer.role, layer.origin, block)?;
        if self.seen.contains(&identity.key()) {
            let message = "backing chain comes back to this image";
            return Err(ChainError::new(ChainClass::Loop, path, message));
        }
        self.seen.push(identity.key());
        let header = self.header(layer, path)?;
        if Identity::of(path, block)? != identity {
            let message = "file was replaced while it was examined";
            return Err(ChainError::new(ChainClass::Changed, path, message));
        }
        let format = header.as_ref().map(|header| header.format).or(layer.format);
        let fields = header.as_ref().and_then(|header| header.fields.as_ref());
        let file = ChainFile {
            format: format.unwrap_or(Format::Raw),
            crypt_method: fields.map_or(layout::CRYPT_NONE, |fields| fields.crypt_method),
            ..self.file(layer, layer.role, path, identity.clone())
        };
        self.chain.files.push(file);
        Ok((header, identity))
    }

    /// Reads a header where there is one to read; a declared raw image is never read.
    fn header(&mut self, layer: &Layer<'_>, path: &Path) -> Result<Option<Header>, ChainError> {
        match layer.format {
            Some(Format::Raw | Format::Plain(_)) => return Ok(None),
            Some(format @ (Format::Qcow | Format::Chained(_))) => return unsupported(path, format),
            Some(Format::Qcow2) | None => {}
        }
        let header = (self.resolver.probe)(path, layer.format)
            .map_err(|failure| ChainError::of_probe(path, failure))?;
        if let format @ (Format::Qcow | Format::Chained(_)) = header.format {
            return unsupported(path, format);
        }
        // A guest that once had this file as a raw disk could have written any header into it.
        let names_a_file = header.backing.is_some() || header.data_file.is_some();
        if layer.format.is_none() && layer.origin == Origin::Header && names_a_file {
            let message = "format was not declared, and its header names another file";
            return Err(ChainError::new(ChainClass::UndeclaredFormat, path, message));
        }
        check_encryption(layer, path, &header)?;
        self.note_header(path, &header);
        if self.how.shareable && layer.role == Role::Top && header.format == Format::Qcow2 {
            let message = "qcow2 image of a shareable disk: writers would corrupt its metadata";
            self.note("domain.shareable-qcow2", path, message.to_owned());
        }
        Ok(Some(header))
    }

    /// Adds what is no file of this host.
    pub(super) fn remote(&mut self, layer: &Layer<'_>, role: Role, remote: &Remote) {
        let (format, source) = if role == layer.role {
            (layer.format.unwrap_or(Format::Raw), layer.origin)
        } else {
            (Format::Raw, Origin::Declared)
        };
        self.chain.remote.push(RemoteFile {
            disk: self.how.disk.clone(),
            role,
            remote: remote.clone(),
            format,
            access: self.how.access(role),
            depth: layer.depth,
            source,
        });
    }

    /// Follows a path once and asks the policy.
    pub(super) fn admit(
        &self,
        path: &Path,
        role: Role,
        source: Origin,
        block: bool,
    ) -> Result<Identity, ChainError> {
        let identity = Identity::of(path, block)?;
        let candidate = Candidate {
            role,
            source,
            path,
            canonical: &identity.path,
            symlink: path.is_symlink(),
        };
        self.resolver
            .policy
            .allow(&candidate)
            .map_err(|reason| ChainError::new(ChainClass::Policy, path, reason))?;
        Ok(identity)
    }

    pub(super) fn file(
        &self,
        layer: &Layer<'_>,
        role: Role,
        path: &Path,
        identity: Identity,
    ) -> ChainFile {
        let top = layer.role == Role::Top;
        ChainFile {
            disk: self.how.disk.clone(),
            role,
            path: path.to_owned(),
            format: Format::Raw,
            access: self.how.access(role),
            depth: layer.depth,
            source: layer.origin,
            overridden: None,
            shareable: top && self.how.shareable,
            transient: top && self.how.transient,
            seclabels: layer.scopes.clone(),
            crypt_method: layout::CRYPT_NONE,
            identity,
        }
    }

    /// What a declared remote image names is not known to anybody.
    fn note_unread(&mut self, layer: &Layer<'_>, remote: &Remote) {
        if layer.origin == Origin::Header || layer.format == Some(Format::Raw) {
            return;
        }
        let disk = PathBuf::from(self.how.disk.clone().unwrap_or_default());
        let message = format!("image by {remote} is not read, so what it names is not known");
        self.note("access.network-image", &disk, message);
    }

    fn note_header(&mut self, path: &Path, header: &Header) {
        let violations = header.violations.iter().map(|found| FileViolation {
            offset: Some(found.offset),
            ..FileViolation::of_file(found.requirement, path, found.message.clone())
        });
        self.chain.violations.extend(violations);
    }

    pub(super) fn note(&mut self, requirement: &str, path: &Path, message: String) {
        self.chain
            .violations
            .push(FileViolation::of_file(requirement, path, message));
    }
}

/// QEMU refuses to decrypt what isn't encrypted, or isn't with LUKS.
fn check_encryption(layer: &Layer<'_>, path: &Path, header: &Header) -> Result<(), ChainError> {
    let declared = layer
        .declared
        .is_some_and(|image| image.encryption.is_some());
    let is_luks = |fields: &Fields| fields.crypt_method == layout::CRYPT_LUKS;
    if !declared || header.fields.as_ref().is_none_or(is_luks) {
        return Ok(());
    }
    let message = "luks encryption is declared, but the image isn't encrypted with it";
    Err(ChainError::new(
        ChainClass::EncryptionMismatch,
        path,
        message,
    ))
}

fn unsupported<T>(path: &Path, format: Format) -> Result<T, ChainError> {
    let message = format!("images of format {format} could name other files and are not read");
    Err(ChainError::new(
        ChainClass::UnsupportedFormat,
        path,
        message,
    ))
}
