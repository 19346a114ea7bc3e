//! Runs the suite: sandbox, subjects, the reference system, judge and command line.

pub mod capture;
pub mod cli;
pub mod judge;
pub mod observe;
pub mod reference;
pub mod run;
pub mod sandbox;
pub mod subject;
pub mod worker;
