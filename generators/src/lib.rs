//! Writes synthetic disk images: from a recipe to bytes on disk.

pub mod layout;
pub mod manifest;
pub mod marker;
