//! Names of image formats.

use std::fmt;

/// A format that domain XML or a header may name.
///
/// Only qcow2 is read. The others matter because a chain must know whether a file of that
/// format could name further files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// No structure at all, or one that nobody looks at.
    Raw,
    /// QCOW version 1.
    Qcow,
    /// QCOW version 2 and 3.
    Qcow2,
    /// A format that can name a backing image and that this system doesn't read.
    Chained(&'static str),
    /// A format that never names another file.
    Plain(&'static str),
}

const CHAINED: [&str; 3] = ["cow", "qed", "vmdk"];
const PLAIN: [&str; 13] = [
    "bochs",
    "cloop",
    "dir",
    "dmg",
    "fat",
    "iso",
    "luks",
    "parallels",
    "ploop",
    "vdi",
    "vhd",
    "vhdx",
    "vpc",
];

impl Format {
    /// The format of that name, as libvirt spells it in `<driver type=...>` or QEMU with `-f`.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        match name {
            "raw" => Some(Self::Raw),
            "qcow" => Some(Self::Qcow),
            "qcow2" => Some(Self::Qcow2),
            _ => find(&CHAINED, name)
                .map(Self::Chained)
                .or_else(|| find(&PLAIN, name).map(Self::Plain)),
        }
    }

    /// The format's name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Qcow => "qcow",
            Self::Qcow2 => "qcow2",
            Self::Chained(name) | Self::Plain(name) => name,
        }
    }
}

fn find(names: &[&'static str], name: &str) -> Option<&'static str> {
    names.iter().copied().find(|known| *known == name)
}

impl fmt::Display for Format {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.as_str())
    }
}

impl serde::Serialize for Format {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("raw", Format::Raw)]
    #[case("qcow2", Format::Qcow2)]
    #[case("vmdk", Format::Chained("vmdk"))]
    #[case("vdi", Format::Plain("vdi"))]
    fn a_format_keeps_its_name(#[case] name: &str, #[case] format: Format) {
        assert_eq!(Format::parse(name), Some(format));
        assert_eq!(format.as_str(), name);
    }

    #[rstest]
    #[case("")]
    #[case("QCOW2")]
    #[case("file")]
    fn an_unknown_name_is_no_format(#[case] name: &str) {
        assert_eq!(Format::parse(name), None);
    }
}
