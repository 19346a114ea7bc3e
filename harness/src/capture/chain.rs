//! Finds every file that belongs to a case. Nothing is refused here: a broken chain is what the
//! capture is for.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use qconform_generators::capture::{self, HeaderNames};
use rustix::fs::OFlags;
use rustix::io::Errno;

use super::CaptureError;
use super::names::without_credentials;
use super::trace::{Trace, trace};
use crate::reference::chain::names::{Reading, interpret, join};
use crate::reference::file::{OpenError, OpenReason, special_kind};
use crate::reference::format::Format;

/// Most files of one case: 200 images and their data files.
const FILES_MAX: usize = 400;

/// A file to look at.
#[derive(Debug, Clone)]
pub(super) struct Start {
    /// As it was given.
    pub(super) path: PathBuf,
    /// The declared format; without one it is probed.
    pub(super) format: Option<Format>,
    /// Whether the case makes no sense without it.
    pub(super) required: bool,
}

/// A file of the case.
#[derive(Debug)]
pub(super) struct Member {
    /// How it was named first, which is what its own relative names go by.
    pub(super) given: PathBuf,
    /// Where it is, without links.
    pub(super) path: PathBuf,
    /// Device and inode.
    pub(super) key: (u64, u64),
    pub(super) kind: Kind,
}

/// What a file is.
#[derive(Debug)]
pub(super) enum Kind {
    Qcow2(File),
    Raw(File),
    Folder,
    Fifo,
}

/// Every file, and every way to one.
#[derive(Debug, Default)]
pub(super) struct Files {
    pub(super) members: Vec<Member>,
    pub(super) ways: Vec<Trace>,
    /// What was found and can't be captured, in sentences.
    pub(super) notes: Vec<String>,
    waiting: VecDeque<Start>,
}

impl Files {
    /// Finds the files that these lead to.
    pub(super) fn find(starts: Vec<Start>) -> Result<Files, CaptureError> {
        let mut files = Files {
            waiting: starts.into(),
            ..Files::default()
        };
        while let Some(next) = files.waiting.pop_front() {
            files.visit(&next)?;
        }
        Ok(files)
    }

    fn visit(&mut self, start: &Start) -> Result<(), CaptureError> {
        let path = &start.path;
        let way = trace(path).map_err(|source| CaptureError::Path {
            path: path.clone(),
            source,
        })?;
        let end = way.end.clone();
        self.ways.push(way);
        if self.members.iter().any(|member| member.path == end) {
            return Ok(());
        }
        if self.members.len() == FILES_MAX {
            let (path, limit) = (path.clone(), FILES_MAX);
            return Err(CaptureError::TooLong { path, limit });
        }
        let metadata = match std::fs::symlink_metadata(&end) {
            Ok(metadata) => metadata,
            Err(error) => {
                let error = OpenError::io(path, error);
                return self.forgive(start, error);
            }
        };
        let kind = match special_kind(&metadata) {
            None => {
                let file = open(&end)?;
                self.classify(start, file)?
            }
            Some(kind) if start.required => return Err(special(path, kind).into()),
            Some("directory") => Kind::Folder,
            Some("fifo") => Kind::Fifo,
            Some(kind) => {
                self.notes
                    .push(format!("{} is a {kind} and is left out", path.display()));
                return Ok(());
            }
        };
        self.members.push(Member {
            given: path.clone(),
            path: end,
            key: (metadata.dev(), metadata.ino()),
            kind,
        });
        Ok(())
    }

    /// A file that a header names may be missing; so it is in the rebuilt case.
    fn forgive(&mut self, start: &Start, error: OpenError) -> Result<(), CaptureError> {
        match error.reason {
            OpenReason::Missing if !start.required => {
                self.notes.push(format!("{error}: it will be missing, too"));
                Ok(())
            }
            _ => Err(error.into()),
        }
    }

    fn classify(&mut self, start: &Start, file: File) -> Result<Kind, CaptureError> {
        let path = &start.path;
        let declared = start.format;
        if let Some(Format::Raw) = declared {
            return Ok(Kind::Raw(file));
        }
        if let Some(other @ (Format::Qcow | Format::Chained(_) | Format::Plain(_))) = declared {
            self.note_format(path, other.as_str());
            return Ok(Kind::Raw(file));
        }
        let names = capture::names(&file).map_err(|source| CaptureError::Image {
            path: path.clone(),
            source,
        })?;
        match names {
            Some(names) => {
                self.follow(path, &names);
                Ok(Kind::Qcow2(file))
            }
            None => {
                if declared == Some(Format::Qcow2) {
                    self.note_format(path, "unknown, not qcow2,");
                }
                Ok(Kind::Raw(file))
            }
        }
    }

    fn note_format(&mut self, path: &Path, format: &str) {
        let path = path.display();
        self.notes.push(format!(
            "{path} has the format {format} and is captured as a raw file without content"
        ));
    }

    /// Queues the files that a header names.
    fn follow(&mut self, image: &Path, names: &HeaderNames) {
        if let Some(name) = &names.data_file {
            let name = up_to_nul(name);
            if !name.is_empty() {
                // QEMU takes it literally.
                self.queue(join(image, name), Some(Format::Raw));
            }
        }
        let Some(name) = names.backing.as_deref().map(up_to_nul) else {
            return;
        };
        if name.is_empty() {
            return;
        }
        match interpret(image, name) {
            Reading::Local { path, format } => {
                let declared = names.backing_format.as_deref().map(String::from_utf8_lossy);
                let declared = format.or(declared.map(Cow::into_owned));
                let format = declared.map(|name| Format::parse(&name).unwrap_or(Format::Raw));
                self.queue(path, format);
            }
            Reading::Network(_) | Reading::Unknown(_) => {
                let name = without_credentials(name);
                let name = String::from_utf8_lossy(&name).into_owned();
                let image = image.display();
                self.notes.push(format!(
                    "{image}: the backing name {name:?} is not followed"
                ));
            }
        }
    }

    fn queue(&mut self, path: PathBuf, format: Option<Format>) {
        self.waiting.push_back(Start {
            path,
            format,
            required: false,
        });
    }
}

fn up_to_nul(name: &[u8]) -> &[u8] {
    name.split(|byte| *byte == 0).next().unwrap_or_default()
}

fn special(path: &Path, kind: &'static str) -> OpenError {
    OpenError {
        path: path.to_owned(),
        reason: OpenReason::Special(kind),
    }
}

/// Opens a regular file for reading, without a trace in its access time where that is allowed.
fn open(path: &Path) -> Result<File, OpenError> {
    let quiet = OFlags::NONBLOCK | OFlags::NOFOLLOW;
    let open = |flags: OFlags| {
        let mut options = File::options();
        std::os::unix::fs::OpenOptionsExt::custom_flags(
            options.read(true),
            flags.bits().cast_signed(),
        );
        options.open(path)
    };
    // Only the owner may leave the access time alone.
    let file = open(quiet | OFlags::NOATIME).or_else(|error| match error.raw_os_error() {
        Some(code) if code == Errno::PERM.raw_os_error() => open(quiet),
        _ => Err(error),
    });
    let file = file.map_err(|error| OpenError::io(path, error))?;
    let metadata = file
        .metadata()
        .map_err(|error| OpenError::io(path, error))?;
    match special_kind(&metadata) {
        None => Ok(file),
        Some(kind) => Err(special(path, kind)),
    }
}
