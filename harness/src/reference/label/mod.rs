//! Plans and applies owners and SELinux labels, and gives the original ones back.

pub mod config;
pub mod dac;
pub mod driver;
pub mod error;
pub mod plan;
pub mod record;
pub mod report;
pub mod running;
pub mod selinux;
mod start;
mod stop;
pub mod target;

pub use config::{Config, Namespace, Owner};
pub use driver::{Driver, DriverError};
pub use error::{ApplyClass, ApplyError};
pub use plan::{Plan, PlanError, PlanRow, plan};
pub use report::PlanReport;
pub use running::{Running, RunningFile};
pub use start::{attach, start, start_with};
pub use stop::{Stopped, abort, stop};

/// The drivers, in the order in which they act on a file.
pub(crate) const DRIVERS: [&dyn Driver; 2] = [&dac::Dac, &selinux::Selinux];
