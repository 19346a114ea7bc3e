//! The reference system, part by part, on images that are assembled by hand.

#![expect(
    clippy::unwrap_used,
    reason = "a test's helpers may panic as the test itself may"
)]

mod agreement;
mod apply;
mod blockdev;
mod chain;
mod document;
mod domain;
mod format_doc;
#[allow(dead_code, reason = "shared with other test programs")]
mod lab;
#[path = "../common/needs.rs"]
mod needs;
mod plan;
mod probe;
mod qemu;
mod read;
mod reading;
mod sample;
mod schema;
