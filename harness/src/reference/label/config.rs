//! What the host's administrator decides, as libvirt's qemu.conf does.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use super::record;

/// Settings of a relabeller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Owner that domains run as.
    pub user: u32,
    /// Group that domains run as.
    pub group: u32,
    /// The domain's two SELinux categories; without them writable files have no label.
    pub category_pair: Option<(u32, u32)>,
    /// Whether owners are changed at all.
    pub dynamic_ownership: bool,
    /// Whether the original state is remembered and given back.
    pub remember: bool,
    /// Whether the driver for owners takes part.
    pub dac: bool,
    /// Whether the driver for SELinux labels takes part.
    pub selinux: bool,
    /// Where records may be kept, best first.
    pub record_namespaces: Vec<Namespace>,
    /// A folder of the relabeller's own for records of files that can't carry them; it must be
    /// there, and nobody else may write to it.
    pub state_directory: Option<PathBuf>,
    /// What stands for this host in records, which other hosts may read.
    pub host: String,
}

impl Default for Config {
    /// Debian's QEMU user, both drivers, and records that only the host can forge.
    fn default() -> Self {
        Self {
            user: 64_055,
            group: 64_055,
            category_pair: None,
            dynamic_ownership: true,
            remember: true,
            dac: true,
            selinux: true,
            record_namespaces: vec![Namespace::Trusted, Namespace::Security],
            state_directory: None,
            host: record::host_id().to_owned(),
        }
    }
}

/// A namespace of extended attributes that can hold records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Namespace {
    /// Needs the host's own root.
    Trusted,
    /// Needs root of the namespace that mounted the file system.
    Security,
    /// The file's owner can forge it, so it is used only when asked for.
    User,
}

impl Namespace {
    /// What attribute names start with.
    #[must_use]
    pub fn prefix(self) -> &'static str {
        match self {
            Self::Trusted => "trusted.qconform.",
            Self::Security => "security.qconform.",
            Self::User => "user.qconform.",
        }
    }
}

/// A file's owner and group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Owner {
    /// User id.
    pub user: u32,
    /// Group id.
    pub group: u32,
}

impl fmt::Display for Owner {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}:{}", self.user, self.group)
    }
}

/// An owner isn't written as two numbers.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("owner {0:?} is not uid:gid")]
pub struct OwnerError(String);

impl FromStr for Owner {
    type Err = OwnerError;

    /// Reads `uid:gid` or, as libvirt writes it, `+uid:+gid`.
    ///
    /// Names aren't looked up: the result must not depend on the host.
    fn from_str(text: &str) -> Result<Self, OwnerError> {
        let id = |text: &str| {
            let digits = text.strip_prefix('+').unwrap_or(text);
            let plain = digits.bytes().all(|byte| byte.is_ascii_digit());
            // The greatest number means "leave it alone" to chown.
            digits.parse().ok().filter(|id| plain && *id != u32::MAX)
        };
        text.split_once(':')
            .and_then(|(user, group)| {
                Some(Self {
                    user: id(user)?,
                    group: id(group)?,
                })
            })
            .ok_or_else(|| OwnerError(text.to_owned()))
    }
}

impl serde::Serialize for Owner {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Owner {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("+1234:+1235")]
    #[case("1234:1235")]
    fn an_owner_is_read_with_and_without_plus_signs(#[case] text: &str) {
        assert_eq!(
            text.parse(),
            Ok(Owner {
                user: 1234,
                group: 1235
            })
        );
    }

    #[rstest]
    #[case("qemu:qemu")]
    #[case("1234")]
    #[case("1:2:3")]
    #[case("++1:2")]
    #[case("-1:0")]
    #[case("4294967295:0")]
    #[case("4294967296:0")]
    #[case(":")]
    fn anything_but_two_numbers_is_refused(#[case] text: &str) {
        text.parse::<Owner>().unwrap_err();
    }
}
