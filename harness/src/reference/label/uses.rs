//! The uses of a domain, file by file.

use std::collections::HashMap;

use super::error::{ApplyClass, ApplyError};
use super::running::RunningFile;

pub(super) type Key = (u64, u64);

/// Every use of one file; all of them need the same.
pub(super) struct Group<'a> {
    pub(super) file: &'a RunningFile,
    pub(super) count: u32,
    pub(super) restore: bool,
}

/// What all uses of a file have to agree on.
pub(super) fn needs(file: &RunningFile) -> impl PartialEq + '_ {
    (file.owner, &file.label, file.writable)
}

/// The uses by file, in the order of the first use of each.
pub(super) fn groups(files: &[RunningFile]) -> Result<Vec<Group<'_>>, ApplyError> {
    let mut groups: Vec<Group<'_>> = Vec::new();
    let mut places = HashMap::new();
    for file in files {
        let place = *places.entry(file.key()).or_insert(groups.len());
        let Some(group) = groups.get_mut(place) else {
            groups.push(Group {
                file,
                count: 1,
                restore: file.restore,
            });
            continue;
        };
        if needs(group.file) != needs(file) {
            let message = format!(
                "the domain would use this file in two ways, once as {}",
                group.file.path.display()
            );
            return Err(ApplyError::new(ApplyClass::InUse, &file.path, message));
        }
        group.count += 1;
        group.restore |= file.restore;
    }
    Ok(groups)
}

/// The uses of a running domain, which agreed when it got them.
pub(super) fn groups_of_running(files: &[RunningFile]) -> HashMap<Key, Group<'_>> {
    let groups = groups(files).unwrap_or_default();
    let keyed = groups.into_iter().map(|group| (group.file.key(), group));
    keyed.collect()
}
