//! QEMU's own tools as a subject: `qemu-img info` for headers, `qemu-io` for chains and bytes, and
//! `qemu-storage-daemon`, where it is installed, for the block nodes of a domain.
//!
//! The first two are kept apart because they differ: `info` opens no other file and accepts
//! images that a real open refuses. QEMU takes a relative data-file name against its
//! working directory, so each program starts in the image's folder.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use qconform_generators::file_name;
use qconform_scenarios::case::ImageAsk;
use qconform_scenarios::verdict::Level;
use serde::Deserialize;

use super::{
    Answer, BackingFacts, DataFileFacts, Description, Facts, HeaderFacts, Question, ReadFact,
    Refusals, Subject,
};

mod blockdev;
mod dump;
mod program;

use program::{refused, run, version};

/// The programs that this subject can't do without.
pub(super) const PROGRAMS: [&str; 2] = ["qemu-img", "qemu-io"];

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
        let images = version("qemu-img")?;
        let daemon = has_daemon().then(|| version(blockdev::DAEMON));
        let daemon = daemon.transpose()?;
        Ok(Description {
            levels: levels(daemon.is_some()),
            version: versions(images, daemon),
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
            Question::Blockdev { xml } if has_daemon() => blockdev::answer(xml, dir),
            Question::Blockdev { .. } => {
                return Answer::Unsupported {
                    message: format!("{} is not installed", blockdev::DAEMON),
                };
            }
            Question::Access { .. } | Question::Label { .. } | Question::Xml { .. } => {
                return Answer::Unsupported {
                    message: "qemu reads no domains".to_owned(),
                };
            }
        };
        answer.unwrap_or_else(|how| Answer::Crashed { how })
    }
}

/// One version, unless the programs are of two.
fn versions(images: String, daemon: Option<String>) -> String {
    match daemon {
        Some(daemon) if daemon != images => format!("{images}, daemon {daemon}"),
        _ => images,
    }
}

fn levels(with_daemon: bool) -> Vec<Level> {
    let mut levels = vec![Level::Header, Level::Open, Level::Read];
    levels.extend(with_daemon.then_some(Level::Blockdev));
    levels
}

/// Whether there is a program for the level `blockdev`.
pub(super) fn has_daemon() -> bool {
    which::which(blockdev::DAEMON).is_ok()
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

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(None, "10.0.2")]
    #[case(Some("10.0.2"), "10.0.2")]
    #[case(Some("7.2.22"), "10.0.2, daemon 7.2.22")]
    fn programs_of_two_versions_are_named_with_both(
        #[case] daemon: Option<&str>,
        #[case] expected: &str,
    ) {
        let said = versions("10.0.2".to_owned(), daemon.map(str::to_owned));
        assert_eq!(said, expected);
    }

    #[test]
    fn without_the_daemon_the_level_blockdev_is_not_claimed() {
        let all = levels(true);
        assert_eq!(all[..3], levels(false));
        assert_eq!(all[3..], [Level::Blockdev]);
    }
}
