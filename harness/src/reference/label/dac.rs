//! Owner and group.

use std::os::unix::fs::MetadataExt;

use rustix::fs::{Gid, Uid};

use super::config::Owner;
use super::driver::{Driver, DriverError};
use super::running::RunningFile;
use super::target::Target;

/// The driver for owner and group; its states look like `4001:5001`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Dac;

impl Driver for Dac {
    fn name(&self) -> &'static str {
        "dac"
    }

    fn wanted(&self, file: &RunningFile) -> Option<String> {
        file.owner.map(|owner| owner.to_string())
    }

    fn current(&self, target: &Target) -> Result<Option<String>, DriverError> {
        let metadata = target
            .file()
            .metadata()
            .map_err(|error| DriverError::BadState(error.to_string()))?;
        let owner = Owner {
            user: metadata.uid(),
            group: metadata.gid(),
        };
        Ok(Some(owner.to_string()))
    }

    fn set(&self, target: &Target, state: Option<&str>) -> Result<(), DriverError> {
        let text = state.unwrap_or_default();
        let wanted: Owner = text
            .parse()
            .map_err(|error: super::config::OwnerError| DriverError::BadState(error.to_string()))?;
        let metadata = target
            .file()
            .metadata()
            .map_err(|error| DriverError::BadState(error.to_string()))?;
        if (metadata.uid(), metadata.gid()) == (wanted.user, wanted.group) {
            return Ok(());
        }
        require_plain(target, metadata.mode())?;
        let (user, group) = (Uid::from_raw(wanted.user), Gid::from_raw(wanted.group));
        rustix::fs::fchown(target.file(), Some(user), Some(group)).map_err(|error| {
            let action = format!("can't change the owner to {wanted}");
            DriverError::System { action, error }
        })
    }
}

/// Refuses a file that would lose more than its owner: the kernel drops these privileges with
/// it, and labelling must change neither modes nor other attributes.
fn require_plain(target: &Target, mode: u32) -> Result<(), DriverError> {
    if mode & 0o4000 != 0 || mode & 0o2010 == 0o2010 {
        return Err(DriverError::Privileges("set-id bits"));
    }
    match target.xattr("security.capability") {
        Ok(Some(_)) => Err(DriverError::Privileges("capabilities")),
        _ => Ok(()),
    }
}
