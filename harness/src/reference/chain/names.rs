//! From a name in a header to a path.
//!
//! QEMU and libvirt both interpret a backing name: `json:{...}`, a URI, `protocol:...` or a path.
//! A data file's name is interpreted by libvirt only; QEMU opens the file of just that name. So
//! such a name has two readings, and whoever labels one may label the wrong file.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::error::{ChainClass, ChainError};
use super::json_name;
use crate::reference::bytes::Name;
use crate::reference::redact;

/// Protocols whose images aren't files of this host.
const NETWORK: [&str; 11] = [
    "ftp", "ftps", "gluster", "http", "https", "iscsi", "nbd", "nfs", "rbd", "ssh", "tftp",
];

/// What an interpreted name means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reading {
    /// A file of this host.
    Local {
        /// Where it is; relative names are joined to the image's folder.
        path: PathBuf,
        /// The format that the name itself gives, as `json:` can.
        format: Option<String>,
    },
    /// Something on the network, by its protocol.
    Network(String),
    /// Nothing that is known here, with the reason.
    Unknown(&'static str),
}

impl Reading {
    /// What it is, in a few words and without credentials.
    fn describe(&self) -> String {
        match self {
            Self::Local { path, .. } => format!("the file {:?}", redact::path(path)),
            Self::Network(protocol) => format!("an image by {protocol}"),
            Self::Unknown(reason) => format!("nothing: {reason}"),
        }
    }
}

/// Whether libvirt would take the name for a protocol, a URI or JSON instead of a file.
///
/// That is so when a colon stands before the first slash.
#[must_use]
pub fn is_ambiguous(name: &[u8]) -> bool {
    let first = name.iter().find(|byte| matches!(byte, b':' | b'/'));
    first == Some(&b':')
}

/// What a name means to whoever interprets it.
#[must_use]
pub fn interpret(image: &Path, name: &[u8]) -> Reading {
    if !is_ambiguous(name) {
        let path = join(image, name);
        return Reading::Local { path, format: None };
    }
    if let Some(json) = name.strip_prefix(b"json:") {
        return json_name::read(json);
    }
    let colon = name.iter().position(|byte| *byte == b':').unwrap_or(0);
    let (scheme, rest) = (&name[..colon], &name[colon + 1..]);
    let scheme = String::from_utf8_lossy(scheme);
    if scheme == "file" {
        return local_uri(rest);
    }
    protocol(&scheme).map_or(Reading::Unknown("no such protocol"), Reading::Network)
}

/// The network protocol of a scheme such as `nbd+unix`.
pub(super) fn protocol(scheme: &str) -> Option<String> {
    let base = scheme.split_once('+').map_or(scheme, |(base, _)| base);
    NETWORK.contains(&base).then(|| base.to_owned())
}

/// `file:/path` and `file:///path`; QEMU takes a relative one against its working directory.
fn local_uri(rest: &[u8]) -> Reading {
    let path = match rest.strip_prefix(b"//") {
        Some(path) => path,
        None => rest,
    };
    if !path.starts_with(b"/") {
        return Reading::Unknown("relative path after file:");
    }
    let path = PathBuf::from(OsStr::from_bytes(path));
    Reading::Local { path, format: None }
}

/// The path that a name means, relative to the folder of the image's path as given.
///
/// Nothing is normalised, so the path shows what was in the header.
#[must_use]
pub fn join(image: &Path, name: &[u8]) -> PathBuf {
    if name.starts_with(b"/") {
        return PathBuf::from(OsStr::from_bytes(name));
    }
    let image = image.as_os_str().as_bytes();
    let folder = match image.iter().rposition(|byte| *byte == b'/') {
        Some(slash) => &image[..slash],
        None => b".",
    };
    let path = [folder, b"/", name].concat();
    PathBuf::from(OsStr::from_bytes(&path))
}

/// Both readings of a data file's name, where there are two.
pub(super) fn two_readings(image: &Path, name: &Name) -> Option<String> {
    let bytes = name.bytes();
    if !is_ambiguous(bytes) {
        return None;
    }
    let literal = redact::path(&join(image, bytes));
    Some(format!(
        "name {:?} in the header has two readings: to qemu the file {literal:?}, to libvirt {}",
        name.text(),
        interpret(image, bytes).describe()
    ))
}

/// The path of a data file that a header names; its name is taken literally.
pub(super) fn data_file(image: &Path, name: &Name, literal: bool) -> Result<PathBuf, ChainError> {
    if name.bytes().is_empty() {
        let message = "header names a data file with an empty name";
        return Err(ChainError::new(ChainClass::EmptyName, image, message));
    }
    match two_readings(image, name) {
        Some(message) if !literal => Err(ChainError::new(
            ChainClass::AmbiguousName,
            image,
            format!("{message}; declare the file in the domain, or write ./NAME"),
        )),
        _ => Ok(join(image, name.bytes())),
    }
}

/// A backing name that nobody understands.
pub(super) fn not_understood(image: &Path, name: &Name, reason: &str) -> ChainError {
    let message = format!("backing name {:?} is not understood: {reason}", name.text());
    ChainError::new(ChainClass::AmbiguousName, image, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("json:{}", true)]
    #[case("nbd://host/x", true)]
    #[case("file:x", true)]
    #[case("a:b/c", true)]
    #[case("./a:b", false)]
    #[case("/a:b", false)]
    #[case("a/b://c", false)]
    #[case("plain", false)]
    fn a_colon_before_the_first_slash_has_two_readings(
        #[case] name: &str,
        #[case] ambiguous: bool,
    ) {
        assert_eq!(is_ambiguous(name.as_bytes()), ambiguous);
    }

    #[rstest]
    #[case("/images/a.qcow2", "b", "/images/b")]
    #[case("/images/a.qcow2", "/b", "/b")]
    #[case("/images/./x//a.qcow2", "../b", "/images/./x//../b")]
    #[case("/a.qcow2", "b", "/b")]
    #[case("a.qcow2", "b", "./b")]
    #[case("dir/a.qcow2", "b/c", "dir/b/c")]
    fn a_relative_name_belongs_to_the_folder_as_given(
        #[case] image: &str,
        #[case] name: &str,
        #[case] path: &str,
    ) {
        assert_eq!(join(Path::new(image), name.as_bytes()).as_os_str(), path);
    }

    fn local(path: &str, format: Option<&str>) -> Reading {
        let format = format.map(str::to_owned);
        let path = path.into();
        Reading::Local { path, format }
    }

    #[rstest]
    #[case("base", local("/images/base", None))]
    #[case("file:/x", local("/x", None))]
    #[case("file:///x", local("/x", None))]
    #[case("nbd:host:10809", Reading::Network("nbd".to_owned()))]
    #[case("nbd+unix:///x?socket=/s", Reading::Network("nbd".to_owned()))]
    #[case("https://user:secret@host/x", Reading::Network("https".to_owned()))]
    #[case("file:x", Reading::Unknown("relative path after file:"))]
    #[case("null-co://", Reading::Unknown("no such protocol"))]
    #[case("x:y", Reading::Unknown("no such protocol"))]
    fn a_name_is_interpreted(#[case] name: &str, #[case] reading: Reading) {
        let image = Path::new("/images/a.qcow2");
        assert_eq!(interpret(image, name.as_bytes()), reading);
    }

    #[test]
    fn both_readings_are_told_without_credentials() {
        let raw = b"https://user:secret@host/x".to_vec();
        let told = two_readings(Path::new("/d/a.qcow2"), &Name { raw }).unwrap();
        assert_eq!(
            told,
            "name \"https://***@host/x\" in the header has two readings: \
             to qemu the file \"/d/https://***@host/x\", to libvirt an image by https"
        );
    }
}
