//! Ids that don't exist where the relabeller runs.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use qconform::reference::label::{Owner, Relabeller, RunningFile};
use qconform::sandbox::{Confined, How, Limits};

use crate::scene::{Scene, Step};
use crate::sigkill;

/// A relabeller in a user namespace with one id only sees all other owners as the overflow id.
pub(crate) fn owner_outside() -> String {
    let scene = Scene::new(Step::Start, false);
    let before = scene.snapshot();
    // Everybody may read, so that nothing but the owner is in the way.
    std::fs::set_permissions(scene.lab.path(""), Permissions::from_mode(0o755)).unwrap();
    for file in &scene.intent.after.files {
        std::fs::set_permissions(&file.path, Permissions::from_mode(0o644)).unwrap();
    }
    let mut intent = scene.intent.clone();
    let own = Owner {
        user: 1000,
        group: 1001,
    };
    for file in &mut intent.after.files {
        file.owner = Some(own);
        file.label = None;
    }
    std::fs::write(sigkill::INTENT, serde_json::to_vec(&intent).unwrap()).unwrap();
    std::fs::set_permissions(sigkill::INTENT, Permissions::from_mode(0o644)).unwrap();
    let confined = Confined {
        program: sigkill::PROGRAM.into(),
        args: vec![sigkill::CHILD.into(), "refused".into()],
        dir: "/tmp".into(),
        env: Vec::new(),
        stdin: Vec::new(),
        uid: own.user,
        gid: own.group,
        labels: false,
        limits: Limits {
            time: Duration::from_secs(20),
            address_space: 4 << 30,
            memory: 8 << 30,
            output: 1 << 16,
            processes: 8,
            file_size: 1 << 20,
        },
    };
    let finished = confined.run().unwrap();
    let said = String::from_utf8_lossy(&finished.stdout).into_owned();
    assert_eq!(finished.how, How::Exited(0), "{finished:?}");
    assert!(said.starts_with("unmapped-id: "), "{said}");
    assert!(
        said.contains("disk.qcow2") && said.contains("65534:65534"),
        "{said}"
    );
    assert_eq!(scene.snapshot(), before);
    said
}

pub(crate) fn id_outside() -> String {
    let scene = Scene::new(Step::Start, false);
    let before = scene.snapshot();
    for (id, name) in [(20_000, "user 20000"), (65_534, "user 65534")] {
        let mut intent = scene.intent.clone();
        let last: &mut RunningFile = intent.after.files.last_mut().unwrap();
        last.owner.as_mut().unwrap().user = id;
        let error = Relabeller::default().change(&intent).unwrap_err();
        assert_eq!(error.class.as_str(), "unmapped-id");
        assert!(error.to_string().contains(name), "{error}");
        assert!(error.to_string().contains("plain.raw"), "{error}");
        // The last file is the one that can't be had, and the first is as it was.
        assert_eq!(scene.snapshot(), before);
    }
    "2 ids".to_owned()
}
