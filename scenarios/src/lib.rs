//! What is asked of an implementation, and what is right: data and its typed model.
//!
//! A *scenario* is a TOML file: fixture, question and expectations, with *axes*
//! that multiply it. One choice of every axis is a *case*, with an id that stays
//! the same from run to run. The suite is embedded in the binary; nothing here
//! touches the file system or spawns anything.

pub mod axis;
pub mod baseline;
pub mod bug;
pub mod case;
pub mod domain;
pub mod error;
pub mod expect;
pub mod file;
pub mod locate;
pub mod page;
pub mod requirement;
pub mod scenario;
pub mod secret;
pub mod select;
pub mod suite;
pub mod verdict;

/// Where a case's fixture lies while the case runs: a folder of the sandbox,
/// the same for every case, so that absolute names give the same bytes everywhere.
pub const FIXTURE_DIR: &str = "/fixture";
