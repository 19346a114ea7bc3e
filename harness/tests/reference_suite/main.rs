//! The reference system, part by part, on images that are assembled by hand.

mod probe;
mod qemu;
mod sample;
