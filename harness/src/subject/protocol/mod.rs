//! The subject protocol, version 1: how a program answers for an implementation.
//!
//! JSON Lines over standard input and output: one object a line, each with a `type`. The harness
//! speaks first, an adapter answers each line with one line and ends after `bye`. Names and bytes
//! travel as hex, because neither need be UTF-8. Keys that one side doesn't know are passed over,
//! so that keys can be added.

mod hex;
mod reply;
mod request;
pub mod schema;

pub use hex::Hex;
pub use reply::{
    BackingReply, DataFileReply, FEATURES, FileReply, HeaderReply, HelloReply, LayerReply,
    NodeReply, ReadReply, Reply, ResultReply, Role,
};
pub use request::{
    CommitRequest, ConfigRequest, DomainRequest, ImageRequest, Request, RunRequest, StepRequest,
};

/// The version that is spoken.
pub const VERSION: u32 = 1;
