//! The walk down a chain, one layer at a time.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::error::{ChainClass, ChainError};
use super::policy::Candidate;
use super::{
    Access, Chain, ChainFile, Identity, LabelPlace, LabelScope, MAX_LAYERS, Origin, ResolvePolicy,
    Role, names,
};
use crate::reference::bytes::Name;
use crate::reference::domain::{DataStore, DeclaredBacking, Disk, Domain, Image, Location, Source};
use crate::reference::format::Format;
use crate::reference::inspection::{ProbeFailure, probe_path};
use crate::reference::probe::{Backing, Header};
use crate::reference::violation::FileViolation;

type ProbeFn<'a> = dyn Fn(&Path, Option<Format>) -> Result<Header, ProbeFailure> + 'a;

/// Finds chains; what it may follow and how it reads headers can be replaced.
pub struct Resolver<'a> {
    policy: &'a dyn ResolvePolicy,
    probe: &'a ProbeFn<'a>,
}

impl std::fmt::Debug for Resolver<'_> {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Resolver").finish_non_exhaustive()
    }
}

impl<'a> Resolver<'a> {
    /// A resolver that reads headers from the files themselves.
    #[must_use]
    pub fn new(policy: &'a dyn ResolvePolicy) -> Self {
        let probe = &probe_path;
        Self { policy, probe }
    }

    /// Replaces the way headers are read, for tests and for mutants.
    #[must_use]
    pub fn with_probe(self, probe: &'a ProbeFn<'a>) -> Self {
        Self { probe, ..self }
    }

    /// Finds every file of every disk of a domain.
    ///
    /// # Errors
    ///
    /// [`ChainError`] for the first reason to refuse the domain's disks.
    pub fn domain(&self, domain: &Domain) -> Result<Chain, ChainError> {
        let mut chain = Chain::default();
        for disk in &domain.disks {
            if disk.image.source.location == Location::None {
                continue;
            }
            let mut walk = Walk::new(self, &mut chain, Use::of_disk(disk));
            walk.run(Layer::of_disk(disk))?;
        }
        check_roles(&chain)?;
        Ok(chain)
    }

    /// Finds every file of an image; without a format it is probed.
    ///
    /// # Errors
    ///
    /// [`ChainError`] for the first reason to refuse the chain.
    pub fn image(&self, path: &Path, format: Option<Format>) -> Result<Chain, ChainError> {
        let mut chain = Chain::default();
        let layer = Layer {
            role: Role::Top,
            place: Place::Local {
                path: path.to_owned(),
                block: true,
            },
            format,
            origin: Origin::Given,
            depth: 0,
            scopes: Vec::new(),
            declared: None,
        };
        Walk::new(self, &mut chain, Use::default()).run(layer)?;
        check_roles(&chain)?;
        Ok(chain)
    }
}

/// How a disk uses its top image and that image's data file.
#[derive(Default)]
struct Use {
    disk: Option<String>,
    readonly: bool,
    shareable: bool,
    transient: bool,
}

impl Use {
    fn of_disk(disk: &Disk) -> Self {
        Self {
            disk: Some(disk.target.clone()),
            readonly: disk.readonly || disk.cdrom,
            shareable: disk.shareable,
            transient: disk.transient,
        }
    }

    fn access(&self, role: Role) -> Access {
        // Writes to a transient disk go to an overlay, so nothing below needs to be writable.
        match role {
            Role::Top | Role::DataFile if !self.readonly && !self.transient => Access::ReadWrite,
            _ => Access::ReadOnly,
        }
    }
}

enum Place {
    Local { path: PathBuf, block: bool },
    Remote,
}

impl Place {
    fn of(source: &Source, given: bool) -> Self {
        match &source.location {
            Location::Local { path, block } => Self::Local {
                path: path.clone(),
                block: given || *block,
            },
            Location::None | Location::Remote => Self::Remote,
        }
    }
}

struct Layer<'a> {
    role: Role,
    place: Place,
    /// Absent where nobody declared it.
    format: Option<Format>,
    origin: Origin,
    depth: u32,
    scopes: Vec<LabelScope>,
    /// What the domain says about this layer.
    declared: Option<&'a Image>,
}

impl<'a> Layer<'a> {
    fn of_disk(disk: &'a Disk) -> Self {
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
}

struct Walk<'w, 'r> {
    resolver: &'w Resolver<'r>,
    chain: &'w mut Chain,
    how: Use,
    /// The images of this chain so far.
    seen: Vec<(u64, u64)>,
}

impl<'w, 'r> Walk<'w, 'r> {
    fn new(resolver: &'w Resolver<'r>, chain: &'w mut Chain, how: Use) -> Self {
        Self {
            resolver,
            chain,
            how,
            seen: Vec::new(),
        }
    }

    fn run(&mut self, top: Layer<'_>) -> Result<(), ChainError> {
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
            Place::Remote => {
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
        let file = ChainFile {
            format: format.unwrap_or(Format::Raw),
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
        if header.format == Format::Qcow {
            return unsupported(path, header.format);
        }
        // A guest that once had this file as a raw disk could have written any header into it.
        let names_a_file = header.backing.is_some() || header.data_file.is_some();
        if layer.format.is_none() && layer.origin == Origin::Header && names_a_file {
            let message = "format was not declared, and its header names another file";
            return Err(ChainError::new(ChainClass::UndeclaredFormat, path, message));
        }
        self.note_header(path, &header);
        if self.how.shareable && layer.role == Role::Top && header.format == Format::Qcow2 {
            let message = "qcow2 image of a shareable disk: writers would corrupt its metadata";
            self.note("domain.shareable-qcow2", path, message.to_owned());
        }
        Ok(Some(header))
    }

    fn data_file(
        &mut self,
        layer: &Layer<'_>,
        image: &Path,
        image_identity: &Identity,
        header: Option<&Header>,
        store: Option<&DataStore>,
    ) -> Result<(), ChainError> {
        let used = header.and_then(|header| header.data_file.as_ref());
        let Some(used) = used else {
            return match store {
                None => Ok(()),
                Some(_) => {
                    let message = "a data store is declared, but the image uses no data file";
                    Err(ChainError::new(ChainClass::UnusedDataStore, image, message))
                }
            };
        };
        if let Some(store) = store {
            let name = used.name.as_ref().filter(|name| !name.bytes().is_empty());
            return self.declared_store(layer, store, Some((image, image_identity)), name);
        }
        let Some(name) = &used.name else {
            let message = "image uses a data file that nobody names";
            return Err(ChainError::new(
                ChainClass::DataFileWithoutName,
                image,
                message,
            ));
        };
        let path = names::resolve(image, name, self.resolver.policy.literal_names())?;
        let role = data_role(layer.role);
        let identity = self.admit(&path, role, Origin::Header, false)?;
        check_self_reference(&path, &identity, image_identity)?;
        let file = ChainFile {
            source: Origin::Header,
            ..self.file(layer, role, &path, identity)
        };
        self.chain.files.push(file);
        Ok(())
    }

    fn declared_store(
        &mut self,
        layer: &Layer<'_>,
        store: &DataStore,
        image: Option<(&Path, &Identity)>,
        name: Option<&Name>,
    ) -> Result<(), ChainError> {
        let Place::Local { path, block } = Place::of(&store.source, false) else {
            return Ok(());
        };
        let role = data_role(layer.role);
        let identity = self.admit(&path, role, Origin::Declared, block)?;
        if let Some((_, image)) = image {
            check_self_reference(&path, &identity, image)?;
        }
        let differs = |name: &&Name| {
            image.is_none_or(|(image, _)| {
                names::join(image, name.bytes()).as_os_str() != path.as_os_str()
            })
        };
        let own = LabelScope {
            place: LabelPlace::DataStore,
            labels: store.source.seclabels.clone(),
        };
        let mut file = self.file(layer, role, &path, identity);
        file.source = Origin::Declared;
        file.overridden = name.filter(differs).cloned();
        file.seclabels.insert(0, own);
        self.chain.files.push(file);
        Ok(())
    }

    fn next<'a>(
        &mut self,
        layer: &Layer<'a>,
        header: Option<Header>,
        disk_scopes: &[LabelScope],
    ) -> Result<Option<Layer<'a>>, ChainError> {
        match layer.declared.map(|image| &image.backing) {
            Some(DeclaredBacking::Terminated) => Ok(None),
            Some(DeclaredBacking::Image(image)) => {
                Ok(declared_layer(image, layer.depth + 1, disk_scopes))
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
        // Unlike a data file's name, QEMU itself interprets a backing name.
        let path = names::resolve(image, &backing.name, false)?;
        let format = backing
            .format
            .as_deref()
            .map(|name| self.backing_format(image, name));
        Ok(Layer {
            role: Role::Backing,
            place: Place::Local { path, block: false },
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

    /// Follows a path once and asks the policy.
    fn admit(
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

    fn file(&self, layer: &Layer<'_>, role: Role, path: &Path, identity: Identity) -> ChainFile {
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
            identity,
        }
    }

    fn note_header(&mut self, path: &Path, header: &Header) {
        let violations = header.violations.iter().map(|found| FileViolation {
            offset: Some(found.offset),
            ..FileViolation::of_file(found.requirement, path, found.message.clone())
        });
        self.chain.violations.extend(violations);
    }

    fn note(&mut self, requirement: &str, path: &Path, message: String) {
        self.chain
            .violations
            .push(FileViolation::of_file(requirement, path, message));
    }
}

fn unsupported<T>(path: &Path, format: Format) -> Result<T, ChainError> {
    let message = format!("images of format {format} could name other files and are not read");
    Err(ChainError::new(
        ChainClass::UnsupportedFormat,
        path,
        message,
    ))
}

fn declared_layer<'a>(image: &'a Image, depth: u32, disk: &[LabelScope]) -> Option<Layer<'a>> {
    if image.source.location == Location::None {
        return None;
    }
    let own = LabelScope {
        place: LabelPlace::BackingStore,
        labels: image.source.seclabels.clone(),
    };
    Some(Layer {
        role: Role::Backing,
        place: Place::of(&image.source, false),
        format: Some(image.format),
        origin: Origin::Declared,
        depth,
        scopes: std::iter::once(own).chain(disk.iter().cloned()).collect(),
        declared: Some(image),
    })
}

fn data_role(image: Role) -> Role {
    match image {
        Role::Top | Role::DataFile => Role::DataFile,
        Role::Backing | Role::BackingDataFile => Role::BackingDataFile,
    }
}

fn check_self_reference(path: &Path, file: &Identity, image: &Identity) -> Result<(), ChainError> {
    if file.key() == image.key() {
        let message = "data file is the image that names it";
        return Err(ChainError::new(ChainClass::SelfReference, path, message));
    }
    Ok(())
}

/// Refuses a file that is used in two ways that need different labels.
fn check_roles(chain: &Chain) -> Result<(), ChainError> {
    let mut uses = HashMap::new();
    for file in &chain.files {
        let first = uses.entry(file.identity.key()).or_insert(file);
        if (first.access, first.shareable) != (file.access, file.shareable) {
            let message = format!(
                "used as {} of {} and as {} of {} with different access",
                first.role.as_str(),
                first.disk.as_deref().unwrap_or("the image"),
                file.role.as_str(),
                file.disk.as_deref().unwrap_or("the image"),
            );
            return Err(ChainError::new(
                ChainClass::ConflictingRoles,
                &file.path,
                message,
            ));
        }
    }
    Ok(())
}
