//! Cells read, written and resolved.

use serde_json::json;

use super::*;
use crate::domain::DomainSpec;
use rstest::rstest;

const BEFORE: Owner = Owner { uid: 1, gid: 2 };
const LEFT: Owner = Owner { uid: 3, gid: 4 };
const VM: Owner = Owner { uid: 5, gid: 6 };
const OTHER: Owner = Owner { uid: 7, gid: 8 };

fn state(owner: OwnerWanted, label: LabelWanted) -> StateWanted {
    StateWanted { owner, label }
}

fn required(text: &str, own: &OwnLabels) -> StateWanted {
    let mut cell = Cell::parse(text, own).unwrap();
    assert_eq!((cell.0.len(), cell.0[0].grade), (1, Grade::Pass), "{text}");
    cell.0.remove(0).wanted
}

/// A disk and a data store with a label of each kind.
fn own_labels() -> OwnLabels {
    let domain = json!({ "disks": [{
        "source": "d",
        "seclabels": ["dac 11:12", "selinux d:d:d:s0"],
        "data-store-seclabels": ["dac 13:14", "selinux s:s:s:s0"],
    }] });
    let domain: DomainSpec = serde_json::from_value(domain).unwrap();
    domain.own_labels().unwrap()
}

#[rstest]
#[case("original", OwnerWanted::Original, BEFORE)]
#[case("kept", OwnerWanted::Kept, LEFT)]
#[case("vm", OwnerWanted::Vm, VM)]
#[case("7:8", OwnerWanted::Is(OTHER), OTHER)]
fn an_owner_is_read_written_and_resolved(
    #[case] word: &str,
    #[case] wanted: OwnerWanted,
    #[case] owner: Owner,
) {
    let read = required(&format!("{word}, shared"), &OwnLabels::default());
    assert_eq!(read, state(wanted.clone(), LabelWanted::Shared));
    assert_eq!(wanted.to_string(), word);
    assert_eq!(serde_json::to_value(&wanted).unwrap(), word);
    assert_eq!(wanted.resolve(BEFORE, LEFT, VM), owner);
}

#[rstest]
#[case("original", LabelWanted::Original, "before")]
#[case("kept", LabelWanted::Kept, "left")]
#[case("rw", LabelWanted::Rw, "system_u:object_r:svirt_image_t:s0:c392,c662")]
#[case(
    "second-rw",
    LabelWanted::SecondRw,
    "system_u:object_r:svirt_image_t:s0:c55,c201"
)]
#[case("shared", LabelWanted::Shared, "system_u:object_r:svirt_image_t:s0")]
#[case("ro", LabelWanted::Ro, "system_u:object_r:virt_content_t:s0")]
#[case("a:b:c:s0:c1,c2", LabelWanted::Is("a:b:c:s0:c1,c2".to_owned()), "a:b:c:s0:c1,c2")]
fn a_label_is_read_written_and_resolved(
    #[case] word: &str,
    #[case] wanted: LabelWanted,
    #[case] label: &str,
) {
    let read = required(&format!("vm, {word}"), &OwnLabels::default());
    assert_eq!(read, state(OwnerWanted::Vm, wanted.clone()));
    assert_eq!(wanted.to_string(), word);
    assert_eq!(serde_json::to_value(&wanted).unwrap(), word);
    let resolved = wanted.resolve(Some("before"), Some("left"), (392, 662));
    assert_eq!(resolved.as_deref(), Some(label));
}

#[test]
fn a_file_without_a_label_keeps_none() {
    for word in [LabelWanted::Original, LabelWanted::Kept] {
        assert_eq!(word.resolve(None, None, (1, 2)), None);
    }
}

#[rstest]
#[case("original", OwnerWanted::Original, LabelWanted::Original)]
#[case("kept", OwnerWanted::Kept, LabelWanted::Kept)]
fn one_word_stands_for_owner_and_label(
    #[case] text: &str,
    #[case] owner: OwnerWanted,
    #[case] label: LabelWanted,
) {
    let read = required(text, &OwnLabels::default());
    assert_eq!(read, state(owner, label));
}

#[rstest]
#[case("disk, disk", Owner { uid: 11, gid: 12 }, "d:d:d:s0")]
#[case("store, store", Owner { uid: 13, gid: 14 }, "s:s:s:s0")]
#[case("disk, store", Owner { uid: 11, gid: 12 }, "s:s:s:s0")]
fn disk_and_store_mean_the_labels_of_the_domain(
    #[case] text: &str,
    #[case] owner: Owner,
    #[case] label: &str,
) {
    let wanted = state(OwnerWanted::Is(owner), LabelWanted::Is(label.to_owned()));
    assert_eq!(required(text, &own_labels()), wanted);
}

#[test]
fn further_states_carry_their_grade() {
    let text = "vm, ro | pass: vm, rw | lenient: kept | info: original";
    let cell = Cell::parse(text, &OwnLabels::default()).unwrap();
    let states: Vec<_> = cell.0.iter().map(|one| (one.grade, &one.wanted)).collect();
    let both = |owner, label| state(owner, label);
    let wanted = [
        (Grade::Pass, &both(OwnerWanted::Vm, LabelWanted::Ro)),
        (Grade::Pass, &both(OwnerWanted::Vm, LabelWanted::Rw)),
        (Grade::Lenient, &both(OwnerWanted::Kept, LabelWanted::Kept)),
        (
            Grade::Info,
            &both(OwnerWanted::Original, LabelWanted::Original),
        ),
    ];
    assert_eq!(states, wanted);
}

#[rstest]
#[case::an_owner_alone("vm", "`vm` is not original, kept or `OWNER, LABEL`")]
#[case::a_label_that_there_is_not(
    "vm, wr",
    "label `wr` is not original, kept, rw, second-rw, shared, ro, disk, store or a context"
)]
#[case::no_disk_has_a_label("disk, rw", "`disk` needs exactly one dac label on a disk")]
#[case::no_store_has_a_label("vm, store", "`store` needs exactly one selinux label on a store")]
#[case::a_name(
    "root, rw",
    "owner `root` is not original, kept, vm, disk, store or uid:gid"
)]
#[case::no_grade(
    "kept | original",
    "`original` doesn't begin with its grade: pass, lenient or info"
)]
#[case::a_grade_that_there_is_not(
    "kept | fail: original",
    "`fail: original` doesn't begin with its grade: pass, lenient or info"
)]
#[case::a_grade_of_the_first("pass: kept", "`pass: kept` is not original, kept or `OWNER, LABEL`")]
#[case::nothing("", "`` is not original, kept or `OWNER, LABEL`")]
fn nonsense_is_refused(#[case] text: &str, #[case] message: &str) {
    assert_eq!(
        Cell::parse(text, &OwnLabels::default()),
        Err(message.to_owned())
    );
}
