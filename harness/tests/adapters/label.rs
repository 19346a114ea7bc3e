//! An adapter that labels.

use qconform_scenarios::verdict::{Level, Verdict};

use crate::needs;
use crate::run::{has_range, run, staged};

/// It gives everything to the domain and never gives anything back, so what fails is the stop.
#[test]
fn an_adapter_that_labels_is_root_over_the_fixture_and_no_further() {
    let missing = (!has_range()).then(|| "id-range is missing".to_owned());
    if let Some(reason) = needs::or_skip("id-range", missing) {
        println!("skipped: {reason}");
        return;
    }
    let scratch = tempfile::tempdir().unwrap();
    let probe = scratch.path().join("probe");
    let files = [
        ("adapter.py", include_str!("probe/adapter.py")),
        ("adapter.toml", include_str!("probe/adapter.toml")),
    ];
    staged(&probe, &files);
    let cases = "label/data-file/follows-image/disk=rw,*";
    let finished = run(&probe.to_string_lossy(), &[cases]);
    assert_eq!(finished.code, 1, "{}", finished.text);
    assert!(finished.cases.len() > 4, "{}", finished.text);
    for case in &finished.cases {
        assert_eq!(
            (case.level, case.verdict),
            (Level::Label, Verdict::Fail),
            "{case:?}"
        );
        let places: Vec<_> = case
            .differences
            .iter()
            .map(|it| it.place.as_str())
            .collect();
        assert!(places.contains(&"start: disk.qcow2 label"), "{places:?}");
        assert!(!places.contains(&"start: disk.qcow2 owner"), "{places:?}");
        assert!(places.contains(&"stop: disk.qcow2 owner"), "{places:?}");
        assert!(
            places.iter().any(|place| place.contains("record")),
            "{places:?}"
        );
    }
}

#[test]
fn a_name_that_no_adapter_has_is_a_usage_error() {
    let finished = run("no-such-adapter", &[]);
    assert_eq!(finished.code, 2);
    assert!(
        finished
            .text
            .contains("there is no subject `no-such-adapter`")
    );
}
