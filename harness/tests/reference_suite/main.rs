//! The reference system, part by part, on images that are assembled by hand.

mod apply;
mod chain;
mod domain;
mod lab;
mod plan;
mod probe;
mod qemu;
mod sample;
