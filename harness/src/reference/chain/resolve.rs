//! Where a walk starts: at a domain's disks or at an image.

use std::collections::HashMap;
use std::path::Path;

use super::error::{ChainClass, ChainError};
use super::layer::{Layer, Place, Use};
use super::walk::Walk;
use super::{Chain, Origin, ResolvePolicy, Role};
use crate::reference::domain::{Domain, Location};
use crate::reference::format::Format;
use crate::reference::inspection::{ProbeFailure, probe_path};
use crate::reference::probe::Header;

type ProbeFn<'a> = dyn Fn(&Path, Option<Format>) -> Result<Header, ProbeFailure> + 'a;

/// Finds chains; what it may follow and how it reads headers can be replaced.
pub struct Resolver<'a> {
    pub(super) policy: &'a dyn ResolvePolicy,
    pub(super) probe: &'a ProbeFn<'a>,
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

/// Refuses a file that is used in two ways that need different labels.
pub(super) fn check_roles(chain: &Chain) -> Result<(), ChainError> {
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
