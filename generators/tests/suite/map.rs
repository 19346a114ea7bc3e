//! What `qemu-img map` has to say of an image.

use std::ops::Range;
use std::path::Path;

use qconform_generators::guest::{Disk, State};
use qconform_generators::recipe::Recipe;
use serde_json::Value;

use crate::programs::{Qemu, assert_success};

const SECTOR: u64 = 512;

/// QEMU sees each sector of the disk in the layer and in the state that the recipe means.
#[track_caller]
pub(crate) fn assert_as_intended(qemu: &Qemu, recipe: &Recipe, folder: &Path, name: &str) {
    let output = qemu.img(folder, &["map", "-f", "qcow2", "--output=json", name]);
    assert_success("map", &output);
    let found: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    let disk = Disk::new(recipe, name).unwrap();
    let mut next = 0;
    for extent in &found {
        let (start, length) = (number(extent, "start"), number(extent, "length"));
        assert_eq!(start, next);
        next += length;
        let mut offset = start;
        while offset < next {
            // The end of a data file may lie inside a sector.
            let end = (offset + 1).next_multiple_of(SECTOR).min(next);
            let problem = problem(&disk, offset..end, extent);
            assert_eq!(problem, None, "at {offset} in {extent}");
            offset = end;
        }
    }
    assert_eq!(next, disk.size());
}

fn number(extent: &Value, key: &str) -> u64 {
    extent[key].as_u64().unwrap()
}

/// What is wrong with an extent for a sector, or a part of one.
fn problem(disk: &Disk<'_>, sector: Range<u64>, extent: &Value) -> Option<&'static str> {
    let flag = |key: &str| extent.get(key).is_some_and(|value| value == true);
    let found = (
        flag("present"),
        flag("zero"),
        flag("data"),
        flag("compressed"),
    );
    let (depth, state, _) = disk.state(sector.start);
    if number(extent, "depth") != depth as u64 {
        return Some("another layer");
    }
    let same = match state {
        State::Unallocated => found == (false, true, false, false),
        State::Zero => found == (true, true, false, false),
        State::Compressed => found == (true, false, true, true),
        // Whether zeros are a hole is up to the file system.
        State::Data => {
            let mut bytes = vec![0; (sector.end - sector.start) as usize];
            disk.fill(sector.start, &mut bytes);
            let zeros = bytes.iter().all(|byte| *byte == 0);
            flag("present") && !flag("compressed") && (zeros || !flag("zero") && flag("data"))
        }
    };
    (!same).then_some("another state")
}
