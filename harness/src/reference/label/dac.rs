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
        // The kernel drops these bits with the owner, and a label must never change a mode.
        let mode = metadata.mode() & 0o7777;
        if mode & 0o4000 != 0 || mode & 0o2010 == 0o2010 {
            return Err(DriverError::SetId(mode));
        }
        let (user, group) = (Uid::from_raw(wanted.user), Gid::from_raw(wanted.group));
        rustix::fs::fchown(target.file(), Some(user), Some(group)).map_err(|error| {
            let action = format!("can't change the owner to {wanted}");
            DriverError::System { action, error }
        })
    }
}
