//! The data file of a layer: the header's, or the one that the domain declares.

use std::path::Path;

use super::error::{ChainClass, ChainError};
use super::layer::{Layer, Place};
use super::walk::Walk;
use super::{ChainFile, Identity, LabelPlace, LabelScope, Origin, Role, names};
use crate::reference::bytes::Name;
use crate::reference::domain::{DataStore, Location};
use crate::reference::probe::Header;

impl Walk<'_, '_> {
    pub(super) fn data_file(
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
            self.declared_store(layer, store, Some((image, image_identity)), name)?;
            if header.is_some_and(|header| header.bitmaps.is_some())
                && !names_the_store(image, name, store)
            {
                let message = "image has persistent bitmaps, which don't describe the declared \
                    data store";
                self.note("access.override-with-bitmaps", image, message.to_owned());
            }
            return Ok(());
        }
        let Some(name) = &used.name else {
            let message = "image uses a data file that nobody names";
            return Err(ChainError::new(
                ChainClass::DataFileWithoutName,
                image,
                message,
            ));
        };
        let path = names::data_file(image, name, self.resolver.policy.literal_names())?;
        if let Some(message) = names::two_readings(image, name) {
            self.note("access.ambiguous-name", image, message);
        }
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

    pub(super) fn declared_store(
        &mut self,
        layer: &Layer<'_>,
        store: &DataStore,
        image: Option<(&Path, &Identity)>,
        name: Option<&Name>,
    ) -> Result<(), ChainError> {
        let role = data_role(layer.role);
        let (path, block) = match Place::of(&store.source, false) {
            Place::Local { path, block } => (path, block),
            Place::Remote(remote) => {
                self.remote(layer, role, &remote);
                return Ok(());
            }
        };
        let identity = self.admit(&path, role, Origin::Declared, block)?;
        if let Some((_, image)) = image {
            check_self_reference(&path, &identity, image)?;
        }
        let differs = |name: &&Name| image.is_none_or(|(image, _)| !names_path(image, name, &path));
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
}

/// Whether the header's name means just that path.
fn names_path(image: &Path, name: &Name, path: &Path) -> bool {
    names::join(image, name.bytes()).as_os_str() == path.as_os_str()
}

/// Whether the declared store is the data file that the header names anyway.
fn names_the_store(image: &Path, name: Option<&Name>, store: &DataStore) -> bool {
    match (&store.source.location, name) {
        (Location::Local { path, .. }, Some(name)) => names_path(image, name, path),
        _ => false,
    }
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
