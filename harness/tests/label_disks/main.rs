//! Labelling on real file systems and block devices, as real root.
//!
//! Not part of a plain test run: `cargo test --test label_disks -- --ignored` makes file systems
//! on loop devices, in a private mount namespace that takes them along when it ends. Each test
//! says what it lacks where it can't be run.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod block;
#[allow(dead_code, reason = "shared with another test program")]
#[path = "../label_life/faulty.rs"]
mod faulty;
#[allow(dead_code, reason = "shared with another test program")]
#[path = "../reference_suite/lab.rs"]
mod lab;
mod machine;
#[allow(dead_code, reason = "shared with another test program")]
#[path = "../common/needs.rs"]
mod needs;
#[allow(dead_code, reason = "shared with another test program")]
#[path = "../reference_suite/sample.rs"]
mod sample;
#[allow(dead_code, reason = "shared with another test program")]
#[path = "../label_life/scene.rs"]
mod scene;
mod volumes;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Failed, Trial};

/// File systems with extended attributes, as `mkfs.NAME` and `mount -t NAME` call them.
const FILE_SYSTEMS: [&str; 3] = ["ext4", "xfs", "btrfs"];

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    if (arguments.ignored || arguments.include_ignored)
        && !arguments.list
        && let Some(code) = machine::in_private_mounts()
    {
        return code;
    }
    let mut trials = Vec::new();
    for name in FILE_SYSTEMS {
        let trial = |what: &str, test: fn(&str) -> Result<(), Failed>| {
            Trial::test(format!("{name}_{what}"), move || test(name)).with_ignored_flag(true)
        };
        trials.push(trial("keeps_records_and_gives_back", volumes::cycle));
        trials.push(trial("loses_nothing_to_a_kill", volumes::kills));
        trials.push(trial(
            "refuses_writers_where_it_is_read_only",
            volumes::read_only,
        ));
        trials.push(trial(
            "refuses_cleanly_when_a_record_is_full",
            volumes::full_record,
        ));
    }
    let declared = "a_declared_block_device_is_labelled_as_its_image";
    trials.push(Trial::test(declared, block::declared).with_ignored_flag(true));
    let named = "a_block_device_that_a_header_names_is_refused";
    trials.push(Trial::test(named, block::named_by_header).with_ignored_flag(true));
    libtest_mimic::run(&arguments, trials).exit_code()
}
