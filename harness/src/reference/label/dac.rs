//! Owner and group.

use rustix::fs::Stat;

use super::config::{Owner, OwnerError};
use super::driver::{Driver, DriverError};
use super::ids::Owners;
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

    fn disclaim(&self, file: &mut RunningFile) {
        file.owner = None;
    }

    fn current(&self, target: &Target<'_>) -> Result<Option<String>, DriverError> {
        let owner = owner(&stat(target)?);
        // It would be remembered, and given back, as a stand-in that is nobody.
        if Owners::of_this_process().is_stand_in(owner) {
            return Err(DriverError::UnmappedId(format!(
                "the file's owner, which shows as {owner},"
            )));
        }
        Ok(Some(owner.to_string()))
    }

    fn check(&self, target: &Target<'_>, state: Option<&str>) -> Result<(), DriverError> {
        let wanted = parse(state)?;
        if let Some(id) = Owners::of_this_process().missing(wanted) {
            return Err(DriverError::UnmappedId(id));
        }
        let found = stat(target)?;
        if owner(&found) == wanted {
            return Ok(());
        }
        require_plain(target, found.st_mode)
    }

    fn set(&self, target: &Target<'_>, state: Option<&str>) -> Result<(), DriverError> {
        let wanted = parse(state)?;
        let found = stat(target)?;
        if owner(&found) == wanted {
            return Ok(());
        }
        require_plain(target, found.st_mode)?;
        target.chown(wanted).map_err(|error| {
            let action = format!("can't change the owner to {wanted}");
            DriverError::System { action, error }
        })
    }
}

fn parse(state: Option<&str>) -> Result<Owner, DriverError> {
    let parsed = state.unwrap_or_default().parse();
    parsed.map_err(|error: OwnerError| DriverError::BadState(error.to_string()))
}

fn stat(target: &Target<'_>) -> Result<Stat, DriverError> {
    target.stat().map_err(|error| DriverError::System {
        action: "can't read the owner".to_owned(),
        error,
    })
}

fn owner(stat: &Stat) -> Owner {
    Owner {
        user: stat.st_uid,
        group: stat.st_gid,
    }
}

/// Refuses a file that would lose more than its owner: the kernel drops these privileges with
/// it, and labelling must change neither modes nor other attributes.
fn require_plain(target: &Target<'_>, mode: u32) -> Result<(), DriverError> {
    if mode & 0o4000 != 0 || mode & 0o2010 == 0o2010 {
        return Err(DriverError::Privileges("set-id bits"));
    }
    match target.xattr("security.capability") {
        Ok(Some(_)) => Err(DriverError::Privileges("capabilities")),
        _ => Ok(()),
    }
}
