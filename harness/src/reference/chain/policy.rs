//! What may be followed. Names in an image are untrusted input, so the caller decides.

use std::path::{Path, PathBuf};

use super::{Origin, Role};

/// A file that a chain is about to use.
#[derive(Debug, Clone, Copy)]
pub struct Candidate<'a> {
    /// Its place in the chain.
    pub role: Role,
    /// Who named it.
    pub source: Origin,
    /// The path as resolved from that name.
    pub path: &'a Path,
    /// The path with every symbolic link resolved.
    pub canonical: &'a Path,
    /// Whether the path itself, not one of its folders, is a symbolic link.
    pub symlink: bool,
}

/// Says which names may be followed.
pub trait ResolvePolicy {
    /// Whether names such as `json:{}` or `nbd:host` are taken as file names.
    ///
    /// QEMU reads a data file's name literally; libvirt would interpret it.
    fn literal_names(&self) -> bool {
        false
    }

    /// Whether this file may become part of the chain.
    ///
    /// # Errors
    ///
    /// The reason why not, a lowercase fragment.
    fn allow(&self, candidate: &Candidate<'_>) -> Result<(), String>;
}

/// For domains: follows everything that has only one reading.
#[derive(Debug, Clone, Copy, Default)]
pub struct Follow;

impl ResolvePolicy for Follow {
    fn allow(&self, _: &Candidate<'_>) -> Result<(), String> {
        Ok(())
    }
}

/// For single images: as [`Follow`], and takes data file names literally, as QEMU does.
#[derive(Debug, Clone, Copy, Default)]
pub struct Literal;

impl ResolvePolicy for Literal {
    fn literal_names(&self) -> bool {
        true
    }

    fn allow(&self, _: &Candidate<'_>) -> Result<(), String> {
        Ok(())
    }
}

/// As [`Follow`], but a header must not name a symbolic link.
#[derive(Debug, Clone, Copy, Default)]
pub struct Strict;

impl ResolvePolicy for Strict {
    fn allow(&self, candidate: &Candidate<'_>) -> Result<(), String> {
        if candidate.symlink && candidate.source == Origin::Header {
            return Err("a header names a symbolic link".to_owned());
        }
        Ok(())
    }
}

/// Follows nothing that a header names; what the caller or the domain names is used.
#[derive(Debug, Clone, Copy, Default)]
pub struct DenyAll;

impl ResolvePolicy for DenyAll {
    fn allow(&self, candidate: &Candidate<'_>) -> Result<(), String> {
        match candidate.source {
            Origin::Header => Err("names in headers are not followed".to_owned()),
            Origin::Given | Origin::Declared => Ok(()),
        }
    }
}

/// Follows names in headers into these folders only, symbolic links resolved.
#[derive(Debug, Clone, Default)]
pub struct AllowList {
    folders: Vec<PathBuf>,
}

impl AllowList {
    /// A policy that allows these folders and everything below them.
    ///
    /// # Errors
    ///
    /// What the system says of a folder that can't be resolved.
    pub fn new<P: AsRef<Path>>(folders: impl IntoIterator<Item = P>) -> std::io::Result<Self> {
        let folders = folders
            .into_iter()
            .map(|folder| folder.as_ref().canonicalize());
        Ok(Self {
            folders: folders.collect::<Result<_, _>>()?,
        })
    }
}

impl ResolvePolicy for AllowList {
    fn allow(&self, candidate: &Candidate<'_>) -> Result<(), String> {
        let inside = |folder: &PathBuf| candidate.canonical.starts_with(folder);
        if candidate.source == Origin::Header && !self.folders.iter().any(inside) {
            return Err("a header names a file outside of the allowed folders".to_owned());
        }
        Ok(())
    }
}
