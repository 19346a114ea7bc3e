//! Writes synthetic disk images: from a recipe to bytes on disk.
