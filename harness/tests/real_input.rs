//! Labels an image that the real `qemu-img` made from an existing raw disk, inside the
//! sandbox: started, stopped and restored, and no byte changed.
//!
//! A worker is this test program executed again, which is why it has a `main` of its own.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "common/needs.rs"]
mod needs;

use std::fs;
use std::os::unix::fs::chown;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use libtest_mimic::{Arguments, Failed, Trial};
use qconform::observe::{self, Snapshot};
use qconform::sandbox::{self, Confined, How, IdMap, Limits, Settings, Worker};
use qconform::subject::{self, Answer, Question};
use qconform_generators::marker::Marker;
use qconform_scenarios::case::{LabelConfig, Step, StepAsk};
use qconform_scenarios::file::Owner;

/// Where the worker makes the image; QEMU's tools write there as this id.
const FOLDER: &str = "/real";
const MAKER: u32 = 1000;

fn main() -> ExitCode {
    sandbox::run_if_worker(&mut |_| serde_json::to_vec(&make_and_label()).unwrap());
    let arguments = Arguments::from_args();
    if let Some(reason) = missing() {
        println!("skipped: {reason}");
        return ExitCode::SUCCESS;
    }
    let name = "a_converted_disk_is_started_stopped_and_restored";
    let trials = vec![Trial::test(name, converted_disk)];
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// Why the test can't be run here; an error instead where it is required.
fn missing() -> Option<String> {
    let qemu_img = which::which("qemu-img")
        .err()
        .map(|error| format!("qemu-img: {error}"));
    needs::or_skip("qemu", qemu_img).or_else(needs::or_skip_labelling)
}

fn settings() -> Settings {
    Settings::new(IdMap::choose().unwrap())
}

/// Inside the worker: the files before the start, after it, and after the stop.
fn make_and_label() -> [Snapshot; 3] {
    let dir = Path::new(FOLDER);
    fs::create_dir(dir).unwrap();
    fs::write(
        dir.join("existing.raw"),
        Marker::new(0, "existing.raw").bytes(0, 1 << 20),
    )
    .unwrap();
    chown(dir, Some(MAKER), Some(MAKER)).unwrap();
    convert(dir);
    for (number, name) in (1..).zip(["new.qcow2", "new.raw"]) {
        let path = dir.join(name);
        let label = format!("system_u:object_r:fixture{number}_t:s0\0");
        observe::set_attribute(&path, observe::SELINUX, label.as_bytes()).unwrap();
        chown(&path, Some(4000 + number), Some(5000 + number)).unwrap();
    }

    let mut reference = subject::built_in("reference").unwrap();
    let records = reference.describe().unwrap().records;
    let look = || {
        observe::Observer::default()
            .snapshot(dir, &records)
            .unwrap()
    };
    let xml = format!(
        "<domain><name>real</name><devices><disk type='file' device='disk'>\
         <driver type='qcow2'/><source file='{FOLDER}/new.qcow2'/><target dev='vda'/>\
         </disk></devices></domain>"
    );
    let config = LabelConfig::default();
    let mut step = |step| {
        let step = StepAsk {
            step,
            xml: xml.clone(),
            disk: None,
            commit: None,
        };
        let question = Question::Label {
            config: &config,
            step: &step,
        };
        let answer = reference.answer(&question, dir);
        assert!(matches!(answer, Answer::Accepted(_)), "{answer:?}");
        look()
    };
    [look(), step(Step::Start), step(Step::Stop)]
}

fn convert(dir: &Path) {
    let words =
        "convert -f raw -O qcow2 -o data_file=new.raw,data_file_raw=yes existing.raw new.qcow2";
    let finished = Confined {
        program: which::which("qemu-img").unwrap(),
        args: words.split(' ').map(Into::into).collect(),
        dir: dir.to_owned(),
        env: Vec::new(),
        stdin: Vec::new(),
        uid: MAKER,
        gid: MAKER,
        labels: false,
        limits: Limits {
            time: Duration::from_secs(20),
            address_space: 8 << 30,
            memory: 8 << 30,
            output: 1 << 20,
            processes: 64,
            file_size: 64 << 20,
        },
    };
    let finished = finished.run().unwrap();
    assert_eq!(
        finished.how,
        How::Exited(0),
        "{}",
        String::from_utf8_lossy(&finished.stderr)
    );
}

fn converted_disk() -> Result<(), Failed> {
    let mut worker = Worker::start(&settings())?;
    let reply = worker.call(b"label", Duration::from_secs(60))?;
    let [before, running, after]: [Snapshot; 3] = serde_json::from_slice(&reply)?;
    let names: Vec<&str> = before.keys().map(|name| &**name).collect();
    assert_eq!(names, ["existing.raw", "new.qcow2", "new.raw"]);
    assert_eq!(before["new.raw"].sha256, before["existing.raw"].sha256);

    let vm = Owner {
        uid: 64055,
        gid: 64055,
    };
    for name in ["new.qcow2", "new.raw"] {
        let state = &running[name];
        assert_eq!(state.owner, vm, "{name}");
        assert_eq!(
            state.label.as_deref(),
            Some("system_u:object_r:svirt_image_t:s0:c107,c642"),
            "{name}"
        );
        assert_eq!(state.sha256, before[name].sha256, "{name}");
        assert_eq!(state.mode, before[name].mode, "{name}");
    }
    assert_eq!(running["existing.raw"], before["existing.raw"]);
    assert_eq!(after, before);
    Ok(())
}
