//! From a name in a header to a path.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::error::{ChainClass, ChainError};
use crate::reference::bytes::Name;

/// Whether libvirt would take the name for a protocol, a URI or JSON instead of a file.
///
/// That is so when a colon stands before the first slash; QEMU reads a data file's name
/// literally all the same.
#[must_use]
pub fn is_ambiguous(name: &[u8]) -> bool {
    let first = name.iter().find(|byte| matches!(byte, b':' | b'/'));
    first == Some(&b':')
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

/// The path of a file that an image's header names.
pub(super) fn resolve(image: &Path, name: &Name, literal: bool) -> Result<PathBuf, ChainError> {
    let bytes = name.bytes();
    if bytes.is_empty() {
        let message = "header names a file with an empty name";
        return Err(ChainError::new(ChainClass::EmptyName, image, message));
    }
    if is_ambiguous(bytes) && !literal {
        let text = name.text();
        let message = format!(
            "name {text:?} in the header has two readings: declare the file in the domain, \
             or write ./{text} for a file of that name"
        );
        return Err(ChainError::new(ChainClass::AmbiguousName, image, message));
    }
    Ok(join(image, bytes))
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
}
