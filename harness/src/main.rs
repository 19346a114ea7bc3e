//! The `qconform` command.

fn main() {}
