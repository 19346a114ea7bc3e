//! Files that are not labelled, and why.

use std::os::unix::fs::{MetadataExt, PermissionsExt};

use rstest::rstest;
use rustix::fs::{CWD, FileType, IFlags, Mode, XattrFlags, mknodat};

use super::{config, lab, overlay_plan, owners, record, start, state, states, stop};

#[test]
fn a_refused_chown_is_an_error_that_names_the_file_and_the_ids() {
    let Some(lab) = lab() else { return };
    let before = states(&lab);
    let path = lab.path("base.raw");
    let file = std::fs::File::open(&path).unwrap();
    let flags = rustix::fs::ioctl_getflags(&file).unwrap();
    // Not even root may change an immutable file.
    if rustix::fs::ioctl_setflags(&file, flags | IFlags::IMMUTABLE).is_err() {
        return println!("skipped: files can't be made immutable here");
    }
    let result = start(&overlay_plan(&lab), &config(), "one");
    rustix::fs::ioctl_setflags(&file, flags).unwrap();
    let error = result.unwrap_err();
    assert_eq!((error.class.as_str(), &error.path), ("refused", &path));
    assert!(error.to_string().contains("64055:64055"), "{error}");
    assert_eq!(error.left_behind, Vec::<String>::new());
    assert_eq!(states(&lab), before);
}

#[test]
fn a_malformed_record_is_an_error_and_nothing_changes() {
    let Some(lab) = lab() else { return };
    let path = lab.path("base.raw");
    rustix::fs::setxattr(&path, "security.qconform.dac", b"{}", XattrFlags::empty()).unwrap();
    let before = states(&lab);
    let error = start(&overlay_plan(&lab), &config(), "one").unwrap_err();
    assert_eq!(error.class.as_str(), "record");
    assert_eq!(states(&lab), before);
}

#[rstest]
#[case::other_file("file")]
#[case::symbolic_link("link")]
#[case::fifo("fifo")]
#[case::folder("folder")]
fn a_file_that_was_replaced_since_the_plan_is_refused(#[case] by: &str) {
    let Some(lab) = lab() else { return };
    let plan = overlay_plan(&lab);
    std::fs::rename(lab.path("overlay.raw"), lab.path("aside")).unwrap();
    lab.data("bystander");
    let path = lab.path("overlay.raw");
    match by {
        "link" => std::os::unix::fs::symlink("aside", path).unwrap(),
        // An open that waited for a writer would never end.
        "fifo" => mknodat(CWD, path, FileType::Fifo, Mode::RUSR, 0).unwrap(),
        "folder" => std::fs::create_dir(path).unwrap(),
        _ => std::fs::rename(lab.path("bystander"), path).unwrap(),
    }
    let before = (states(&lab), state(&lab.path("aside")));
    let error = start(&plan, &config(), "one").unwrap_err();
    assert_eq!(error.class.as_str(), "changed");
    assert_eq!((states(&lab), state(&lab.path("aside"))), before);
}

#[rstest]
#[case::set_user_id(0o4755, false)]
#[case::set_group_id(0o2755, false)]
#[case::capabilities(0o600, true)]
fn a_privileged_file_is_refused_because_a_chown_would_strip_it(
    #[case] mode: u32,
    #[case] capabilities: bool,
) {
    let Some(lab) = lab() else { return };
    let path = lab.path("base.raw");
    std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
    if capabilities {
        // Version 2, effective, CAP_NET_RAW permitted.
        let value = [[1, 0, 0, 2, 0, 0x20, 0, 0].as_slice(), &[0; 12]].concat();
        rustix::fs::setxattr(&path, "security.capability", &value, XattrFlags::empty()).unwrap();
    }
    let before = owners(&lab);
    let error = start(&overlay_plan(&lab), &config(), "one").unwrap_err();
    assert_eq!(error.class.as_str(), "privileged-file");
    assert_eq!(owners(&lab), before);
    assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o7777, mode);
    assert_eq!(record(&path, "dac"), None);
}

#[test]
fn a_file_whose_lock_somebody_holds_is_not_labelled_but_is_given_back() {
    let Some(lab) = lab() else { return };
    let before = states(&lab);
    let running = start(&overlay_plan(&lab), &config(), "one").unwrap();
    let held = std::fs::File::open(lab.path("overlay.raw")).unwrap();
    rustix::fs::flock(&held, rustix::fs::FlockOperation::LockExclusive).unwrap();
    let stopped = stop(&running);
    assert_eq!(stopped.errors, []);
    assert_eq!(stopped.violations[0].requirement, "label.last-user");
    assert_eq!(states(&lab)[..2], before[..2]);
    let error = start(&overlay_plan(&lab), &config(), "one").unwrap_err();
    assert_eq!(error.class.as_str(), "busy");
    assert_eq!(states(&lab)[..2], before[..2]);
}

#[test]
fn a_missing_file_does_not_keep_the_others_from_coming_back() {
    let Some(lab) = lab() else { return };
    let before = states(&lab);
    let running = start(&overlay_plan(&lab), &config(), "one").unwrap();
    std::fs::remove_file(lab.path("overlay.qcow2")).unwrap();
    let stopped = stop(&running);
    assert_eq!(stopped.errors, []);
    assert_eq!(stopped.violations[0].requirement, "label.last-user");
    assert_eq!(state(&lab.path("overlay.raw")), before[1]);
}
