//! Watches files: decoys, which no subject may open or touch, and those of an image that is opened.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::path::Path;

use qconform_generators::file_name;
use rustix::fs::inotify::{self, CreateFlags, ReadFlags, Reader, WatchFlags};
use serde::{Deserialize, Serialize};

/// Something that happened to a decoy.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Touch {
    /// File name in the fixture.
    pub file: String,
    /// `opened`, `opened for writing`, `written`, `attributes changed` or `moved or deleted`.
    pub what: String,
}

/// Watches files of one fixture after the other. Made once for a worker: the kernel
/// takes tens of milliseconds to close a queue.
#[derive(Debug)]
pub struct Watch {
    queue: OwnedFd,
    files: Vec<(i32, String)>,
}

impl Watch {
    /// Watches nothing yet.
    pub fn new() -> io::Result<Self> {
        let queue = inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC)?;
        Ok(Watch {
            queue,
            files: Vec::new(),
        })
    }

    /// Turns to these files of `dir`, which are to be there.
    pub fn turn_to<'a>(
        &mut self,
        dir: &Path,
        files: impl Iterator<Item = &'a str>,
    ) -> io::Result<()> {
        self.turn_away();
        let events = WatchFlags::OPEN
            | WatchFlags::CLOSE_WRITE
            | WatchFlags::MODIFY
            | WatchFlags::ATTRIB
            | WatchFlags::MOVE_SELF
            | WatchFlags::DELETE_SELF
            | WatchFlags::DONT_FOLLOW;
        for file in files {
            let id = inotify::add_watch(&self.queue, file_name::join(dir, file), events)?;
            self.files.push((id, file.to_owned()));
        }
        self.drain().map(|_| ())
    }

    /// Watches nothing any more.
    pub fn turn_away(&mut self) {
        for (id, _) in self.files.drain(..) {
            // A file that is gone is no longer watched.
            let _gone = inotify::remove_watch(&self.queue, id);
        }
    }

    /// What happened since the last call, each thing once.
    pub fn drain(&self) -> io::Result<Vec<Touch>> {
        if self.files.is_empty() {
            return Ok(Vec::new());
        }
        let mut buffer = [MaybeUninit::uninit(); 4096];
        let mut reader = Reader::new(&self.queue, &mut buffer);
        let mut touches = Vec::new();
        loop {
            let event = match reader.next() {
                Ok(event) => event,
                Err(rustix::io::Errno::AGAIN) => break,
                Err(error) => return Err(error.into()),
            };
            let file = self.files.iter().find(|(id, _)| *id == event.wd());
            let Some((_, file)) = file else { continue };
            let what = describe(event.events());
            touches.push(Touch {
                file: file.clone(),
                what: what.to_owned(),
            });
        }
        touches.sort();
        touches.dedup();
        Ok(touches)
    }
}

fn describe(events: ReadFlags) -> &'static str {
    if events.contains(ReadFlags::OPEN) {
        "opened"
    } else if events.contains(ReadFlags::CLOSE_WRITE) {
        "opened for writing"
    } else if events.contains(ReadFlags::MODIFY) {
        "written"
    } else if events.contains(ReadFlags::ATTRIB) {
        "attributes changed"
    } else {
        "moved or deleted"
    }
}
