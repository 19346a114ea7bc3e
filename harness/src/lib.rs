//! Runs the suite: sandbox, subjects, the reference system, judge and command line.

pub mod reference;
pub mod sandbox;
