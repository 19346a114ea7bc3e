//! SELinux contexts, as libvirt composes them.
//!
//! The label is an extended attribute, so no SELinux kernel is needed to set one; where there
//! is one, its policy has the last word.

use rustix::io::Errno;

use super::driver::{Driver, DriverError};
use super::plan::PlanError;
use super::running::RunningFile;
use super::target::Target;
use crate::reference::domain::DomainLabel;

/// Context of an image that several domains write.
pub const SHARED: &str = "system_u:object_r:svirt_image_t:s0";
/// Context of an image that domains only read.
pub const READ_ONLY: &str = "system_u:object_r:virt_content_t:s0";

const ATTRIBUTE: &str = "security.selinux";
const CATEGORIES: u32 = 1024;

/// The level with a domain's pair of categories.
///
/// Equal categories would make one, which is part of many other domains' pairs.
pub(super) fn level(first: u32, second: u32) -> Result<String, PlanError> {
    let (low, high) = (first.min(second), first.max(second));
    if low == high || high >= CATEGORIES {
        return Err(PlanError::BadCategories(first, second));
    }
    Ok(format!("s0:c{low},c{high}"))
}

/// The context of an image that one domain writes.
pub(super) fn context(level: &str) -> String {
    format!("system_u:object_r:svirt_image_t:{level}")
}

/// The image label that a domain's own seclabel means: the one it gives, or its level's.
pub(super) fn image_label(label: &DomainLabel) -> Option<String> {
    let given = label.image_label.clone();
    given.or_else(|| label.label.as_ref()?.splitn(4, ':').nth(3).map(context))
}

/// The driver for SELinux contexts.
///
/// Its states are the attribute's bytes, with the trailing NUL that SELinux's own tools write.
#[derive(Debug, Clone, Copy, Default)]
pub struct Selinux;

impl Driver for Selinux {
    fn name(&self) -> &'static str {
        "selinux"
    }

    fn wanted(&self, file: &RunningFile) -> Option<String> {
        file.label.as_ref().map(|label| format!("{label}\0"))
    }

    fn disclaim(&self, file: &mut RunningFile) {
        file.label = None;
    }

    fn check(&self, _target: &Target<'_>, _state: Option<&str>) -> Result<(), DriverError> {
        Ok(())
    }

    fn current(&self, target: &Target<'_>) -> Result<Option<String>, DriverError> {
        let value = target.xattr(ATTRIBUTE).map_err(|error| {
            let action = "can't read the label".to_owned();
            DriverError::System { action, error }
        })?;
        let text = value.map(String::from_utf8).transpose();
        text.map_err(|_| DriverError::BadState("label is not utf-8".to_owned()))
    }

    fn set(&self, target: &Target<'_>, state: Option<&str>) -> Result<(), DriverError> {
        let result = target.set_xattr(ATTRIBUTE, state.map(str::as_bytes));
        result.map_err(|error| match (error, state) {
            (Errno::OPNOTSUPP, _) => DriverError::Unsupported,
            (_, Some(label)) => {
                let action = format!("can't set the label {:?}", label.trim_end_matches('\0'));
                DriverError::System { action, error }
            }
            (_, None) => {
                let action = "can't remove the label".to_owned();
                DriverError::System { action, error }
            }
        })
    }

    fn same(&self, left: Option<&str>, right: Option<&str>) -> bool {
        fn trim(text: Option<&str>) -> Option<&str> {
            text.map(|text| text.trim_end_matches('\0'))
        }
        trim(left) == trim(right)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[test]
    fn categories_are_sorted() {
        assert_eq!(level(200, 10).as_deref(), Ok("s0:c10,c200"));
    }

    #[rstest]
    #[case(5, 5)]
    #[case(0, 1024)]
    fn equal_and_unknown_categories_are_refused(#[case] first: u32, #[case] second: u32) {
        assert_eq!(
            level(first, second),
            Err(PlanError::BadCategories(first, second))
        );
    }

    #[test]
    fn a_trailing_nul_makes_no_difference() {
        assert!(Selinux.same(Some("a:b\0"), Some("a:b")));
        assert!(!Selinux.same(Some("a:b\0"), None));
    }
}
