//! `[config]`: what stands in libvirt's qemu.conf while a label case runs.

use serde::Deserialize;

use crate::case::{Driver, LabelConfig};
use crate::error::Fault;
use crate::file::Owner;

/// The table as a scenario writes it; every key has a default.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct ConfigSpec {
    user: Option<String>,
    remember: Option<bool>,
    dynamic_ownership: Option<bool>,
    drivers: Option<Vec<Driver>>,
    category_pair: Option<(u32, u32)>,
    #[serde(default)]
    state_directory: bool,
    #[serde(default)]
    user_records: bool,
}

impl TryFrom<ConfigSpec> for LabelConfig {
    type Error = Fault;

    fn try_from(spec: ConfigSpec) -> Result<Self, Fault> {
        let default = LabelConfig::default();
        let user = match spec.user {
            Some(text) => Owner::parse(&text).ok_or_else(|| {
                Fault::at(["user"], format!("`{text}` is not of the form uid:gid"))
            })?,
            None => default.user,
        };
        let (low, high) = spec.category_pair.unwrap_or(default.category_pair);
        if low >= high || high > 1023 {
            let message = "a category pair is two different categories up to 1023, lower first";
            return Err(Fault::at(["category-pair"], message));
        }
        Ok(LabelConfig {
            user,
            remember: spec.remember.unwrap_or(default.remember),
            dynamic_ownership: spec.dynamic_ownership.unwrap_or(default.dynamic_ownership),
            drivers: spec.drivers.unwrap_or(default.drivers),
            category_pair: (low, high),
            state_directory: spec.state_directory,
            user_records: spec.user_records,
        })
    }
}
