//! Programs that speak no protocol: a command line for each level, run anew for each question.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{STATE_DIR, Trouble};
use crate::sandbox::{Confined, Finished, How, Lost};
use crate::subject::protocol::{HeaderReply, Hex, ReadReply, Reply, ResultReply, RunRequest};

/// How much of a message is kept, in bytes.
const QUOTED: usize = 300;

/// The exit status of a refusal.
const REFUSED: i32 = 1;

/// The command lines of a program.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OneShot {
    /// The words for each level, with placeholders.
    pub levels: BTreeMap<String, Vec<String>>,
    /// The words that make it tell its version, if that is known.
    pub version: Vec<String>,
}

/// The first line that the program prints when asked for its version.
pub(super) fn version(usual: &Confined, words: &[String]) -> Result<String, Trouble> {
    if words.is_empty() {
        return Ok("unknown".to_owned());
    }
    let finished = run(usual, words, &BTreeMap::new(), Path::new("/"))?;
    let text = String::from_utf8_lossy(&finished.stdout).into_owned();
    let line = text.lines().next().unwrap_or_default().trim();
    match finished.how {
        How::Exited(0) if !line.is_empty() => Ok(line.chars().take(QUOTED).collect()),
        how => Err(Trouble::Protocol(format!(
            "it tells no version: {how:?}, {line:?}"
        ))),
    }
}

/// Asks one question.
pub(super) fn ask(
    usual: &Confined,
    one_shot: &OneShot,
    request: &RunRequest,
) -> Result<Reply, Trouble> {
    let seq = request.seq;
    let unsupported = |message: String| Ok(Reply::Unsupported { seq, message });
    let Some(words) = one_shot.levels.get(&request.level) else {
        return unsupported(format!("level {}", request.level));
    };
    let takes_format = words.iter().any(|word| word.contains("{format}"));
    if let Some(image) = &request.image {
        match image.format.as_deref() {
            Some("qcow2") => {}
            Some(_) if takes_format => {}
            Some(format) => return unsupported(format!("format {format}")),
            None => return unsupported("recognising a format".to_owned()),
        }
    }
    let values = values(request)?;
    let folder = folder(request);
    if request.level == "read" {
        return read(usual, words, values, &folder, request);
    }
    let finished = run(usual, words, &values, &folder)?;
    if let Some(reply) = refusal(usual, &finished, seq)? {
        return Ok(reply);
    }
    Ok(facts(&finished.stdout, request))
}

/// Each offset is a run of its own, which prints the bytes and nothing else.
fn read(
    usual: &Confined,
    words: &[String],
    mut values: BTreeMap<&'static str, Vec<u8>>,
    folder: &Path,
    request: &RunRequest,
) -> Result<Reply, Trouble> {
    let seq = request.seq;
    let length = request.length.unwrap_or_default();
    values.insert("{length}", length.to_string().into_bytes());
    let mut reads = Vec::new();
    for offset in request.offsets.iter().flatten() {
        values.insert("{offset}", offset.to_string().into_bytes());
        let finished = run(usual, words, &values, folder)?;
        if let Some(reply) = refusal(usual, &finished, seq)? {
            return Ok(reply);
        }
        if finished.stdout.len() as u64 != u64::from(length) {
            let printed = finished.stdout.len();
            let message = format!("it printed {printed} bytes, not the {length} at {offset}");
            return Ok(Reply::Crashed { seq, message });
        }
        reads.push(ReadReply {
            offset: *offset,
            bytes: Hex::from(finished.stdout.as_slice()),
        });
    }
    Ok(Reply::Result(Box::new(ResultReply {
        seq,
        reads: Some(reads),
        ..ResultReply::default()
    })))
}

/// What the placeholders of a question stand for.
fn values(request: &RunRequest) -> Result<BTreeMap<&'static str, Vec<u8>>, Trouble> {
    let mut values = BTreeMap::new();
    if let Some(image) = &request.image {
        values.insert("{image}", image.path.bytes().to_vec());
        let format = image.format.clone().unwrap_or_default();
        values.insert("{format}", format.into_bytes());
    }
    if let Some(domain) = &request.domain {
        let path = Path::new(STATE_DIR).join("domain.xml");
        std::fs::write(&path, &domain.xml)
            .map_err(|error| Trouble::Sandbox(format!("{}: {error}", path.display())))?;
        values.insert("{domain}", path.as_os_str().as_bytes().to_vec());
    }
    Ok(values)
}

/// Where the program runs: some take names in an image against their working folder.
fn folder(request: &RunRequest) -> PathBuf {
    let path = |hex: &Hex| PathBuf::from(OsString::from_vec(hex.bytes().to_vec()));
    let image = request.image.as_ref().map(|image| path(&image.path));
    let parent = image.as_deref().and_then(Path::parent).map(Path::to_owned);
    parent.unwrap_or_else(|| path(&request.folder))
}

fn run(
    usual: &Confined,
    words: &[String],
    values: &BTreeMap<&'static str, Vec<u8>>,
    folder: &Path,
) -> Result<Finished, Trouble> {
    let mut words = words.iter().map(|word| filled(word, values));
    let confined = Confined {
        program: words.next().unwrap_or_default().into(),
        args: words.collect(),
        dir: folder.to_owned(),
        ..usual.clone()
    };
    confined
        .run()
        .map_err(|error| Trouble::Sandbox(error.to_string()))
}

/// A word with its placeholders replaced; what they stand for is not looked at again.
fn filled(word: &str, values: &BTreeMap<&'static str, Vec<u8>>) -> OsString {
    let mut out = Vec::new();
    let mut rest = word;
    while let Some(start) = rest.find('{') {
        let (before, from) = rest.split_at(start);
        out.extend_from_slice(before.as_bytes());
        let found = values.iter().find(|(name, _)| from.starts_with(**name));
        let taken = match found {
            Some((name, value)) => {
                out.extend_from_slice(value);
                name.len()
            }
            None => {
                out.push(b'{');
                1
            }
        };
        rest = from.get(taken..).unwrap_or_default();
    }
    out.extend_from_slice(rest.as_bytes());
    OsString::from_vec(out)
}

/// The reply to anything but exit status 0.
fn refusal(usual: &Confined, finished: &Finished, seq: u64) -> Result<Option<Reply>, Trouble> {
    let crashed = |how: String| Reply::Crashed {
        seq,
        message: format!("{how}{}", colon(&said(finished))),
    };
    Ok(Some(match finished.how {
        How::Exited(0) => return Ok(None),
        How::Exited(REFUSED) => Reply::Rejected {
            seq,
            class: "exit-status-1".to_owned(),
            message: said(finished),
        },
        How::Exited(code) => crashed(format!("exit status {code}")),
        How::Signalled(signal) => crashed(format!("signal {signal}")),
        How::TimedOut => return Err(Lost::TimedOut(usual.limits.time).into()),
        How::TooMuchOutput => return Err(Lost::TooMuchOutput.into()),
    }))
}

fn colon(text: &str) -> String {
    if text.is_empty() {
        String::new()
    } else {
        format!(": {text}")
    }
}

/// The first line of what the program says to people.
fn said(finished: &Finished) -> String {
    let line = |bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes.get(..QUOTED).unwrap_or(bytes)).into_owned();
        let mut lines = text.lines().map(str::trim);
        lines.find(|line| !line.is_empty()).map(str::to_owned)
    };
    line(&finished.stderr)
        .or_else(|| line(&finished.stdout))
        .unwrap_or_default()
}

/// Facts, where the program prints them as the protocol has them: the keys of a `result`. Whatever
/// else it prints tells nothing.
fn facts(stdout: &[u8], request: &RunRequest) -> Reply {
    let seq = request.seq;
    let mut result = ResultReply {
        seq,
        ..ResultReply::default()
    };
    if let Ok(serde_json::Value::Object(mut keys)) = serde_json::from_slice(stdout) {
        keys.insert("seq".to_owned(), seq.into());
        match serde_json::from_value(serde_json::Value::Object(keys)) {
            Ok(told) => result = told,
            Err(error) => {
                let message = format!("its JSON has facts that the protocol doesn't know: {error}");
                return Reply::Crashed { seq, message };
            }
        }
    }
    if request.level == "header" {
        result.header.get_or_insert_with(HeaderReply::default);
    }
    Reply::Result(Box::new(result))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case::whole("{image}", "/f/{offset}\u{fffd}")]
    #[case::inside("--file={image},ro", "--file=/f/{offset}\u{fffd},ro")]
    #[case::twice("{offset}-{offset}", "7-7")]
    #[case::unknown("{size}{", "{size}{")]
    fn a_placeholder_is_replaced_once(#[case] word: &str, #[case] expected: &str) {
        let values = BTreeMap::from([
            ("{image}", b"/f/{offset}\xff".to_vec()),
            ("{offset}", b"7".to_vec()),
        ]);
        assert_eq!(filled(word, &values).to_string_lossy(), expected);
    }
}
