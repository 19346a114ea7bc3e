//! Compares graphs of block nodes, layer by layer.

use std::collections::BTreeSet;

use qconform_scenarios::expect::LayerWanted;
use qconform_scenarios::verdict::Verdict;

use super::access::relative;
use super::{Compared, difference};
use crate::subject::{Facts, LayerFact};

pub(super) fn compare(wanted: &[LayerWanted], facts: &Facts) -> Compared {
    let Facts::Blockdev { layers } = facts else {
        let other = difference("answer", "a graph of block nodes", "something else");
        return (vec![other], Verdict::Fail);
    };
    let wanted: BTreeSet<LayerWanted> = wanted.iter().cloned().collect();
    let seen: BTreeSet<LayerWanted> = layers.iter().map(layer).collect();
    let missing = wanted
        .difference(&seen)
        .map(|row| difference(&row.file, shown(row), "not found"));
    let extra = seen
        .difference(&wanted)
        .map(|row| difference(&row.file, "no such layer", shown(row)));
    let data_files = layers.iter().filter_map(data_file);
    let differences = missing.chain(extra).chain(data_files).collect();
    (differences, Verdict::Fail)
}

fn layer(fact: &LayerFact) -> LayerWanted {
    LayerWanted {
        file: relative(&fact.file),
        driver: fact.driver.clone(),
        read_only: fact.read_only,
        data_file: fact.data_file.as_ref().map(|node| relative(&node.file)),
        backing: fact.backing.as_deref().map(relative),
    }
}

/// A data file's node that is not as its image's.
fn data_file(fact: &LayerFact) -> Option<qconform_reports::event::Difference> {
    let node = fact.data_file.as_ref()?;
    let differs = node.read_only != fact.read_only;
    differs.then(|| {
        difference(
            relative(&node.file),
            access(fact.read_only),
            access(node.read_only),
        )
    })
}

fn access(read_only: bool) -> &'static str {
    if read_only { "read-only" } else { "writable" }
}

fn shown(row: &LayerWanted) -> String {
    format!(
        "{}, {}, data file {}, backing {}",
        row.driver,
        access(row.read_only),
        row.data_file.as_deref().unwrap_or("none"),
        row.backing.as_deref().unwrap_or("none"),
    )
}
