//! QEMU's programs, and an image that one of them wrote.

use std::process::Command;

use qconform::reference::inspection::Inspection;
use rstest::rstest;

pub(crate) fn qemu_img() -> Option<std::path::PathBuf> {
    let found = which::which("qemu-img").ok();
    let required = std::env::var("QCONFORM_REQUIRE").unwrap_or_default();
    let required = required.split(',').any(|name| name == "qemu");
    assert!(
        found.is_some() || !required,
        "qemu-img is required and not installed"
    );
    if found.is_none() {
        println!("skipped: qemu-img is not installed");
    }
    found
}

/// Formats as `qemu-img create` takes them, with an option, and what the result is.
#[rstest]
#[case("qcow2", "compat=1.1")]
#[case("qcow", "")]
#[case("qed", "")]
#[case("vdi", "")]
#[case("vhdx", "")]
#[case("parallels", "")]
#[case("vpc", "subformat=dynamic")]
#[case("vpc", "subformat=fixed")]
#[case("vmdk", "subformat=monolithicSparse")]
#[case("vmdk", "subformat=twoGbMaxExtentSparse")]
fn an_image_is_recognised_as_qemu_recognises_it(#[case] format: &str, #[case] option: &str) {
    let Some(qemu_img) = qemu_img() else { return };
    let folder = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str]| {
        let mut command = Command::new(&qemu_img);
        let output = command.args(arguments).current_dir(folder.path()).output();
        let output = output.unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{error}");
        output.stdout
    };
    let mut create = vec!["create", "-q", "-f", format, "image", "1M"];
    if !option.is_empty() {
        create.extend(["-o", option]);
    }
    run(&create);
    let info: serde_json::Value =
        serde_json::from_slice(&run(&["info", "--output=json", "image"])).unwrap();
    let ours = Inspection::of(&folder.path().join("image"), None).unwrap();
    assert_eq!(ours.format.unwrap().as_str(), info["format"]);
}

#[test]
fn an_encrypted_image_that_qemu_wrote_is_accepted() {
    let Some(qemu_img) = qemu_img() else { return };
    let folder = tempfile::tempdir().unwrap();
    let options = "encrypt.format=luks,encrypt.key-secret=s,encrypt.iter-time=10,data_file=x.raw";
    let output = Command::new(qemu_img)
        .args([
            "create",
            "-q",
            "--object",
            "secret,id=s,data=key",
            "-f",
            "qcow2",
        ])
        .args(["-o", options, "x.qcow2", "1M"])
        .current_dir(folder.path())
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let inspection = Inspection::of(&folder.path().join("x.qcow2"), None).unwrap();
    assert_eq!((inspection.error, inspection.violations), (None, vec![]));
    assert_eq!(inspection.data_file.unwrap().name.as_deref(), Some("x.raw"));
}
