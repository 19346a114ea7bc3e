//! Plans and applies owners and SELinux labels, and gives the original ones back.
//!
//! [`plan()`] says what a domain needs, and why; a [`Relabeller`] does it, step by step through
//! the domain's life.

mod acquire;
pub mod config;
pub mod dac;
pub mod driver;
pub mod error;
pub mod ids;
pub mod job;
mod journal;
pub mod plan;
pub mod record;
mod relabeller;
mod release;
pub mod report;
pub mod running;
pub mod selinux;
mod session;
mod store;
pub mod system;
pub mod target;
mod uses;

pub use config::{Config, Namespace, Owner};
pub use driver::{Driver, DriverError};
pub use error::{ApplyClass, ApplyError};
pub use job::{Commit, JobError};
pub use plan::{Plan, PlanError, PlanRow, plan};
pub use relabeller::{Changed, DRIVERS, Intent, Relabeller, Side};
pub use release::Stopped;
pub use report::PlanReport;
pub use running::{Running, RunningFile};
pub use system::{Kernel, System};
