//! QEMU's own tools as a subject: `qemu-img info` for headers, `qemu-io` for chains and bytes.
//!
//! The two are kept apart because they differ: `info` opens no other file and accepts
//! images that a real open refuses. QEMU takes a relative data-file name against its
//! working directory, so each program starts in the image's folder.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use qconform_generators::file_name;
use qconform_scenarios::case::ImageAsk;
use qconform_scenarios::verdict::Level;
use serde::Deserialize;

use super::{
    Answer, BackingFacts, DataFileFacts, Description, Facts, HeaderFacts, Question, ReadFact,
    Refusals, Subject,
};
use crate::sandbox::{Confined, Finished, How, Limits};

mod dump;

/// The programs that this subject runs.
pub(super) const PROGRAMS: [&str; 2] = ["qemu-img", "qemu-io"];

/// What one run of a program may use; QEMU needs far less, but its pool alone may have 64 threads,
/// and it aborts where it can't have one.
const LIMITS: Limits = Limits {
    time: Duration::from_secs(10),
    address_space: 8 << 30,
    memory: 8 << 30,
    output: 4 << 20,
    processes: 256,
    file_size: 64 << 20,
};

/// A reader without privileges, as which the programs run.
const READER: u32 = 1000;

/// QEMU's tools.
#[derive(Debug)]
pub(super) struct Qemu;

/// The part of `qemu-img info --output=json` that is compared.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Info {
    format: String,
    virtual_size: u64,
    backing_filename: Option<String>,
    backing_filename_format: Option<String>,
    format_specific: Option<Specific>,
}

#[derive(Deserialize)]
struct Specific {
    data: Option<Qcow2>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Qcow2 {
    compat: Option<String>,
    data_file: Option<String>,
    data_file_raw: Option<bool>,
}

impl Subject for Qemu {
    fn describe(&mut self) -> Result<Description, String> {
        let finished = run("qemu-img", vec!["--version".into()], Path::new("/"))?;
        let text = String::from_utf8_lossy(&finished.stdout).into_owned();
        let version = text
            .split_whitespace()
            .nth(2)
            .ok_or_else(|| format!("`qemu-img --version` printed {text:?}"))?;
        Ok(Description {
            version: version.to_owned(),
            levels: vec![Level::Header, Level::Open, Level::Read],
            records: Vec::new(),
            refusals: Refusals::default(),
        })
    }

    fn answer(&mut self, question: &Question<'_>, dir: &Path) -> Answer {
        let answer = match question {
            Question::Header(image) => header(image, dir),
            Question::Open(image) => open(image, dir),
            Question::Read {
                image,
                offsets,
                length,
            } => read(image, offsets, *length, dir),
            Question::Access { .. }
            | Question::Label { .. }
            | Question::Blockdev { .. }
            | Question::Xml { .. } => {
                return Answer::Unsupported {
                    message: "qemu reads no domains".to_owned(),
                };
            }
        };
        answer.unwrap_or_else(|how| Answer::Crashed { how })
    }
}

fn header(image: &ImageAsk, dir: &Path) -> Result<Answer, String> {
    let (folder, file) = place(image, dir);
    let mut args: Vec<OsString> = vec!["info".into(), "--output=json".into()];
    if let Some(format) = &image.format {
        args.extend(["-f".into(), format.into()]);
    }
    args.push(file);
    let finished = run("qemu-img", args, &folder)?;
    if let Some(answer) = refused(&finished) {
        return Ok(answer);
    }
    let info: Info = serde_json::from_slice(&finished.stdout)
        .map_err(|error| format!("the output of qemu-img info can't be read: {error}"))?;
    Ok(Answer::Accepted(Facts::Header(facts(info))))
}

/// An image uses a data file exactly when `info` shows `data-file-raw`; the name alone
/// is shown for images without the feature bit, too.
fn facts(info: Info) -> HeaderFacts {
    let specific = info.format_specific.and_then(|specific| specific.data);
    let version = specific
        .as_ref()
        .and_then(|data| match data.compat.as_deref() {
            Some("0.10") => Some(2),
            Some("1.1") => Some(3),
            _ => None,
        });
    let data_file = specific.and_then(|data| {
        let raw = data.data_file_raw?;
        Some(DataFileFacts {
            name: data.data_file,
            raw,
        })
    });
    HeaderFacts {
        format: Some(info.format),
        version,
        virtual_size: Some(info.virtual_size),
        backing: info.backing_filename.map(|name| BackingFacts {
            name,
            format: info.backing_filename_format,
        }),
        data_file,
        untold: Vec::new(),
    }
}

/// `qemu-io` opens the whole chain before its first command.
fn open(image: &ImageAsk, dir: &Path) -> Result<Answer, String> {
    let (folder, file) = place(image, dir);
    let mut args: Vec<OsString> = vec!["-r".into()];
    if let Some(format) = &image.format {
        args.extend(["-f".into(), format.into()]);
    }
    args.extend(["-c".into(), "length".into(), file]);
    let finished = run("qemu-io", args, &folder)?;
    Ok(refused(&finished).unwrap_or(Answer::Accepted(Facts::Done)))
}

fn read(image: &ImageAsk, offsets: &[u64], length: u32, dir: &Path) -> Result<Answer, String> {
    let (folder, file) = place(image, dir);
    let mut args: Vec<OsString> = vec!["-r".into()];
    if let Some(format) = &image.format {
        args.extend(["-f".into(), format.into()]);
    }
    for offset in offsets {
        args.extend(["-c".into(), format!("read -v {offset} {length}").into()]);
    }
    args.push(file);
    let finished = run("qemu-io", args, &folder)?;
    if let Some(answer) = refused(&finished) {
        return Ok(answer);
    }
    let text = String::from_utf8_lossy(&finished.stdout);
    let mut reads = Vec::new();
    for offset in offsets {
        let bytes = dump::hex(&text, *offset, length)?;
        reads.push(ReadFact {
            offset: *offset,
            bytes,
        });
    }
    Ok(Answer::Accepted(Facts::Read { reads }))
}

/// The folder that holds an image, and the image's name as an argument.
fn place(image: &ImageAsk, dir: &Path) -> (PathBuf, OsString) {
    let path = file_name::join(dir, &image.file);
    let folder = path.parent().map_or_else(|| dir.to_owned(), Path::to_owned);
    let mut file = OsString::from("./");
    file.push(path.file_name().unwrap_or_default());
    (folder, file)
}

fn run(program: &str, args: Vec<OsString>, dir: &Path) -> Result<Finished, String> {
    let confined = Confined {
        program: which::which(program).map_err(|error| format!("{program}: {error}"))?,
        args,
        dir: dir.to_owned(),
        env: vec![("LC_ALL".to_owned(), "C".to_owned())],
        stdin: Vec::new(),
        uid: READER,
        gid: READER,
        labels: false,
        limits: LIMITS,
    };
    confined.run().map_err(|error| error.to_string())
}

/// Exit 1 is QEMU's clean refusal; any other end but success is not clean.
fn refused(finished: &Finished) -> Option<Answer> {
    match finished.how {
        How::Exited(0) => None,
        How::Exited(1) => {
            let text = String::from_utf8_lossy(&finished.stderr);
            let message = text.lines().next().unwrap_or_default().to_owned();
            Some(Answer::Rejected {
                class: "refused".to_owned(),
                message,
            })
        }
        How::Exited(code) => Some(Answer::Crashed {
            how: format!("exit status {code}"),
        }),
        How::Signalled(signal) => Some(Answer::Crashed {
            how: format!("signal {signal}"),
        }),
        How::TimedOut => Some(Answer::TimedOut),
        How::TooMuchOutput => Some(Answer::Crashed {
            how: "too much output".to_owned(),
        }),
    }
}
