//! Block jobs: which layers of a running disk are written that are only read otherwise.

use std::path::{Path, PathBuf};

use crate::reference::chain::{Access, Chain, ChainError, ChainFile};

/// A commit: the contents of the layers from `top` down to the one above `base` move to `base`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit {
    /// Target of the disk.
    pub disk: String,
    /// The image that is written, as the chain has its path.
    pub base: PathBuf,
    /// The topmost image that moves; absent for the disk's own top, which stays in use until the
    /// domain pivots to the base.
    pub top: Option<PathBuf>,
}

/// A disk has no such job.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JobError {
    /// The chain has no such image.
    #[error("disk {disk} has no image {}", image.display())]
    NoImage {
        /// Target of the disk.
        disk: String,
        /// The image.
        image: PathBuf,
    },
    /// The layers are in the wrong order.
    #[error("{} is not below {}", base.display(), top.display())]
    Order {
        /// What would be written.
        base: PathBuf,
        /// What would move.
        top: PathBuf,
    },
    /// The disk can't be written.
    #[error("disk {disk} is read-only, shareable or transient")]
    NotWritable {
        /// Target of the disk.
        disk: String,
    },
    /// Somebody else of the domain reads what would be written.
    #[error(transparent)]
    Conflict(#[from] ChainError),
}

impl JobError {
    /// The class as reports spell it.
    #[must_use]
    pub fn class(&self) -> &'static str {
        match self {
            Self::NoImage { .. } => "no-such-image",
            Self::Order { .. } => "wrong-order",
            Self::NotWritable { .. } => "not-writable",
            Self::Conflict(error) => error.class.as_str(),
        }
    }
}

impl Commit {
    /// Makes a domain's chain what it is while this job runs.
    ///
    /// The base is written, and so is the image above the moved ones, whose backing name changes
    /// in the end; and as always the data file of each as the image that names it.
    ///
    /// # Errors
    ///
    /// [`JobError`] where the disk has no such layers, or another disk uses them.
    pub fn open(&self, chain: &mut Chain) -> Result<(), JobError> {
        let base = self.layer(chain, &self.base)?;
        let top = match &self.top {
            Some(top) => self.layer(chain, top)?,
            None => 0,
        };
        if base <= top {
            let top = self
                .top
                .clone()
                .unwrap_or_else(|| PathBuf::from(&self.disk));
            let base = self.base.clone();
            return Err(JobError::Order { base, top });
        }
        let written = [Some(base), top.checked_sub(1)];
        for file in chain.files.iter_mut().filter(|file| self.is_of_disk(file)) {
            if file.depth == 0 && (file.access, file.shareable) != (Access::ReadWrite, false) {
                let disk = self.disk.clone();
                return Err(JobError::NotWritable { disk });
            }
            if written.contains(&Some(file.depth)) {
                file.access = Access::ReadWrite;
            }
        }
        Ok(chain.check_roles()?)
    }

    fn is_of_disk(&self, file: &ChainFile) -> bool {
        file.disk.as_deref() == Some(&self.disk)
    }

    fn layer(&self, chain: &Chain, image: &Path) -> Result<u32, JobError> {
        let mut files = chain.files.iter().filter(|file| self.is_of_disk(file));
        let found = files.find(|file| file.path == image && !file.role.is_data_file());
        found
            .map(|file| file.depth)
            .ok_or_else(|| JobError::NoImage {
                disk: self.disk.clone(),
                image: image.to_owned(),
            })
    }
}
