//! Overlays of transient disks.

use rstest::rstest;

use super::*;

const TRANSIENT: &str = r#"
title = "a transient disk"
level = "label"
requirements = ["label.readonly"]
files = { "disk.raw" = { raw = {} }, "other" = { raw = {} } }
domain = { disks = [{ source = "disk.raw", format = "raw", kind = "transient" }, { source = "other", format = "raw" }] }
[[expect]]
matrix = [{ file = "disk.raw", start = "vm, ro", stop = "original" }]
"#;

#[rstest]
#[case::beside_its_image("disk.raw.TRANSIENT-case", 0, Verdict::Pass)]
#[case::that_stays("disk.raw.TRANSIENT-case", 1, Verdict::Fail)]
#[case::of_another_disk("other.TRANSIENT-case", 0, Verdict::Fail)]
#[case::of_another_name("disk.raw.overlay", 0, Verdict::Fail)]
fn an_overlay_may_appear_while_its_transient_disk_runs(
    #[case] name: &str,
    #[case] stages: usize,
    #[case] verdict: Verdict,
) {
    let mut seen = right();
    seen.stages[1].after = seen.before.clone();
    for stage in 0..=stages {
        let after = &mut seen.stages[stage].after;
        after.insert(name.into(), file(64055, RO).into());
    }
    assert_eq!(judge(&case(TRANSIENT), &seen, 0).verdict, verdict);
}
