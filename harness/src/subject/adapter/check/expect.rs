//! What a reply must look like.

use super::ground::{self, OFFSETS, SIZE};
use crate::subject::protocol::{FEATURES, HelloReply, Hex, Reply, ResultReply, VERSION};
use qconform_scenarios::verdict::Level;

/// What is wrong with a reply, if something is.
pub(super) type Verdict = Result<(), String>;

/// An image that is asked about, and what is true of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Truth {
    /// Name of the data file; none for an image that uses none.
    pub(super) data_file: Option<&'static [u8]>,
    /// The file whose marker the guest reads.
    pub(super) data: &'static str,
}

/// A greeting.
pub(super) fn hello(hello: &HelloReply) -> Verdict {
    if hello.protocol != VERSION {
        return Err(format!("it speaks protocol {}", hello.protocol));
    }
    if hello.name.trim().is_empty() || hello.version.trim().is_empty() {
        return Err("`name` and `version` stand in every report, and one is empty".to_owned());
    }
    let known = |name: &String| Level::ALL.iter().any(|level| level.as_str() == name);
    if !hello.levels.iter().any(known) {
        let all = Level::ALL.map(Level::as_str).join(", ");
        return Err(format!("`levels` has none of {all}"));
    }
    let feature = |name: &&String| !FEATURES.contains(&name.as_str());
    match hello.refuses.iter().find(feature) {
        Some(name) => Err(format!("`refuses` has `{name}`, which is no feature")),
        None => Ok(()),
    }
}

/// The facts of an image.
pub(super) fn facts(level: &str, result: &ResultReply, truth: Truth) -> Verdict {
    match level {
        "header" => header(result, truth),
        "read" => reads(result, truth),
        "access" if result.files.is_none() => Err(absent("files")),
        "blockdev" if result.layers.is_none() => Err(absent("layers")),
        "xml" if result.xml.is_none() => Err(absent("xml")),
        _ => Ok(()),
    }
}

fn absent(key: &str) -> String {
    format!("a `result` of this level has `{key}`, which is absent")
}

fn header(result: &ResultReply, truth: Truth) -> Verdict {
    let header = result.header.as_ref().ok_or_else(|| absent("header"))?;
    told("format", header.format.as_deref(), &"qcow2")?;
    told("version", header.version, &3)?;
    told("virtual_size", header.virtual_size, &SIZE)?;
    if let Some(Some(_)) = header.backing {
        return Err("`backing` is told, and there is no backing file".to_owned());
    }
    let name = match (&header.data_file, truth.data_file) {
        (None, _) | (Some(None), None) => return Ok(()),
        (Some(None), Some(_)) => {
            return Err("`data_file` is null, and the image uses one".to_owned());
        }
        (Some(Some(_)), None) => return Err("`data_file` is told, and none is used".to_owned()),
        (Some(Some(told)), Some(name)) => (told.name.clone(), name),
    };
    match name {
        (None, _) => Ok(()),
        (Some(Some(hex)), name) if hex.bytes() == name => Ok(()),
        (Some(told), name) => Err(format!(
            "`data_file.name` is {}, not \"{}\"",
            told.map_or("null".to_owned(), |hex| format!(
                "\"{}\"",
                String::from(hex)
            )),
            String::from(Hex::from(name))
        )),
    }
}

/// A fact that may be left out, but not be wrong.
fn told<T: PartialEq + std::fmt::Debug>(key: &str, told: Option<T>, right: &T) -> Verdict {
    match told {
        Some(told) if told != *right => Err(format!("`{key}` is {told:?}, not {right:?}")),
        _ => Ok(()),
    }
}

fn reads(result: &ResultReply, truth: Truth) -> Verdict {
    let reads = result.reads.as_ref().ok_or_else(|| absent("reads"))?;
    for offset in OFFSETS {
        let read = reads.iter().find(|read| read.offset == offset);
        let read = read.ok_or_else(|| format!("`reads` has nothing at offset {offset}"))?;
        let right = ground::guest_bytes(truth.data, offset);
        if read.bytes.bytes().len() != right.len() {
            let length = read.bytes.bytes().len();
            return Err(format!(
                "at offset {offset} there are {length} bytes, not {}",
                right.len()
            ));
        }
        if read.bytes.bytes() != right {
            return Err(format!("at offset {offset} there are other bytes"));
        }
    }
    Ok(())
}

/// A word for the kind of a reply.
pub(super) fn kind(reply: &Reply) -> &'static str {
    match reply {
        Reply::Hello(_) => "hello",
        Reply::Result(_) => "result",
        Reply::Rejected { .. } => "rejected",
        Reply::Unsupported { .. } => "unsupported",
        Reply::Crashed { .. } => "crashed",
        Reply::Error { .. } => "error",
    }
}
