//! Adapters as subjects: the command line with programs that speak the protocol.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod check;
mod command;
mod guide;
mod hostile;
mod label;
#[path = "../common/needs.rs"]
mod needs;
mod run;
mod schema;
