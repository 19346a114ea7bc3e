//! Writes synthetic disk images: from a recipe to bytes on disk.
//!
//! A [`recipe`] describes a folder of files; [`fixture`] writes it, [`manifest`] says what the
//! files were when they were written, [`file_name`] writes any name as text, [`marker`] tells files and offsets apart, and [`guest`] says
//! what each guest byte has to be.
//! [`layout`] holds the on-disk constants. Nothing here reads back what it wrote in order to
//! decide anything, and nothing here knows what a reader of the files should make of them.
//!
//! ```
//! use qconform_generators::recipe::{Qcow2, Raw, Recipe};
//! use qconform_generators::{fixture, marker::Marker};
//!
//! let image = Qcow2 { data_file: Some("disk.raw".into()), ..Qcow2::default() };
//! let mut recipe = Recipe::default();
//! recipe.files.insert("disk.qcow2".into(), image.into());
//! recipe.files.insert("disk.raw".into(), Raw::default().into());
//!
//! let parent = tempfile::tempdir()?;
//! let folder = parent.path().join("fixture");
//! let manifest = fixture::write_staged(&recipe, &folder)?;
//! assert!(manifest.verify(&folder)?.is_empty());
//!
//! let data = std::fs::read(folder.join("disk.raw"))?;
//! assert_eq!(data[..4096], Marker::new(recipe.seed, "disk.raw").bytes(0, 4096));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod capture;
pub mod corpus;
pub mod defect;
pub mod file_name;
pub mod fixture;
pub mod guest;
pub mod layout;
pub mod manifest;
pub mod marker;
pub mod pack;
mod qcow2;
pub mod recipe;
#[cfg(feature = "strategies")]
pub mod strategies;
