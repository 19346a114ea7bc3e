//! What the drivers for owners and for SELinux labels have in common.

use std::fmt::Debug;

use rustix::io::Errno;

use super::running::RunningFile;
use super::target::Target;

/// One kind of label.
///
/// A state is text, and absent where a file has none; that is what records hold, too.
pub trait Driver: Debug {
    /// The driver's name, which is also the end of its record's name.
    fn name(&self) -> &'static str;

    /// The state that a domain needs; absent where this driver doesn't touch the file.
    fn wanted(&self, file: &RunningFile) -> Option<String>;

    /// Lets go of a file that turned out not to have this kind of label.
    fn disclaim(&self, file: &mut RunningFile);

    /// The state that a file has.
    ///
    /// # Errors
    ///
    /// [`DriverError`] where it can't be read, or can't be given back later.
    fn current(&self, target: &Target<'_>) -> Result<Option<String>, DriverError>;

    /// Finds, before anything changes, what would keep a file from getting this state.
    ///
    /// # Errors
    ///
    /// [`DriverError`] with the reason.
    fn check(&self, target: &Target<'_>, state: Option<&str>) -> Result<(), DriverError>;

    /// Gives a file another state.
    ///
    /// # Errors
    ///
    /// [`DriverError`] where the system refuses.
    fn set(&self, target: &Target<'_>, state: Option<&str>) -> Result<(), DriverError>;

    /// Whether two states mean the same.
    fn same(&self, left: Option<&str>, right: Option<&str>) -> bool {
        left == right
    }
}

/// A driver can't read or change a file's state.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DriverError {
    /// The file system has no such thing.
    #[error("file system doesn't support this")]
    Unsupported,
    /// Changing the owner would make the kernel drop something else.
    #[error("changing the owner would drop the file's {0}")]
    Privileges(&'static str),
    /// An id doesn't exist in this user namespace.
    #[error("{0} does not exist in this user namespace")]
    UnmappedId(String),
    /// The system refused.
    #[error("{action}: {}", std::io::Error::from(*error))]
    System {
        /// What was tried, with the id or label.
        action: String,
        /// What the system said.
        error: Errno,
    },
    /// A state that this driver doesn't understand.
    #[error("{0}")]
    BadState(String),
}

impl DriverError {
    /// Whether the file system can't be written at all.
    pub(super) fn is_read_only(&self) -> bool {
        matches!(self, Self::System { error, .. } if *error == Errno::ROFS)
    }
}
