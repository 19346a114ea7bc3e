//! The reference system: what a careful reader and relabeller of qcow2 chains does.
//!
//! The parts build on each other and each stands by itself: [`probe`] reads a header,
//! [`domain`] reads libvirt's domain XML, [`chain`] finds every file of every disk, [`label`]
//! plans and applies owners and labels, [`blockdev`] says what QEMU is to open, [`read`] gives
//! guest bytes. Nothing here shares code with the writers of fixtures, so that a mistake in one
//! is caught by the other.

pub mod blockdev;
pub mod bytes;
pub mod chain;
pub mod domain;
pub mod file;
pub mod format;
pub mod inspection;
pub mod label;
pub mod layout;
pub mod probe;
pub mod read;
pub mod redact;
pub mod report;
pub mod violation;
mod window;
