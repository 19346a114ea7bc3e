//! Adapters as subjects: the command line with programs that speak the protocol.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod hostile;
mod label;
mod run;
mod schema;
