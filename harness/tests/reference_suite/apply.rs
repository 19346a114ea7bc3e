//! What a start does to files, and what a stop gives back.

use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::Path;

use proptest::prelude::*;
use qconform::reference::chain::policy::Follow;
use qconform::reference::chain::resolve;
use qconform::reference::label::{
    ApplyError, Changed, Config, Intent, Namespace, Plan, Relabeller, Running, Stopped, plan,
};
use rustix::fs::XattrFlags;

use crate::lab::{Lab, disk, disk_with};

mod failed;
mod refused;

const FILES: [&str; 4] = ["overlay.qcow2", "overlay.raw", "base.qcow2", "base.raw"];

/// A lab whose files belong to 4001:5001 and so on; absent where nobody may chown.
fn lab() -> Option<Lab> {
    let lab = Lab::new();
    lab.two_layers();
    for (number, name) in (1..).zip(FILES) {
        let path = lab.path(name);
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
        if chown(&path, Some(4000 + number), Some(5000 + number)).is_err() {
            println!("skipped: needs root");
            return None;
        }
    }
    set_label(&lab.path("overlay.qcow2"), "old:old:old:s0\0").then_some(lab)
}

fn set_label(path: &Path, label: &str) -> bool {
    let result = rustix::fs::setxattr(
        path,
        "security.selinux",
        label.as_bytes(),
        XattrFlags::empty(),
    );
    if let Err(error) = result {
        println!("skipped: security.selinux can't be set here: {error}");
    }
    result.is_ok()
}

/// Everything about a file that may change: owner, mode, label and every record.
fn state(path: &Path) -> String {
    let metadata = std::fs::metadata(path).unwrap();
    let owner = format!(
        "{}:{} {:o}",
        metadata.uid(),
        metadata.gid(),
        metadata.mode()
    );
    let mut names = vec![0; 4096];
    let length = rustix::fs::listxattr(path, names.as_mut_slice()).unwrap();
    let names = String::from_utf8(names[..length].to_vec()).unwrap();
    let mut names: Vec<_> = names.split_terminator('\0').collect();
    names.sort_unstable();
    let values = names
        .iter()
        .map(|name| format!(" {name}={:?}", xattr(path, name).unwrap()));
    owner + &values.collect::<String>()
}

fn xattr(path: &Path, name: &str) -> Option<String> {
    let mut value = vec![0; 4096];
    let length = rustix::fs::getxattr(path, name, value.as_mut_slice()).ok()?;
    Some(String::from_utf8(value[..length].to_vec()).unwrap())
}

fn states(lab: &Lab) -> Vec<String> {
    FILES.iter().map(|name| state(&lab.path(name))).collect()
}

fn owners(lab: &Lab) -> Vec<(u32, u32)> {
    let owner = |name: &&str| {
        let metadata = std::fs::metadata(lab.path(name)).unwrap();
        (metadata.uid(), metadata.gid())
    };
    FILES.iter().map(owner).collect()
}

fn label(path: &Path) -> Option<String> {
    xattr(path, "security.selinux")
}

/// The record of a driver, wherever it is.
fn record(path: &Path, driver: &str) -> Option<serde_json::Value> {
    let places = ["trusted", "security"].map(|place| format!("{place}.qconform.{driver}"));
    let value = places.iter().find_map(|name| xattr(path, name))?;
    Some(serde_json::from_str(&value).unwrap())
}

/// How often each domain of this host uses a file, as its record says.
fn users(path: &Path, driver: &str) -> Option<serde_json::Value> {
    let record = record(path, driver)?;
    let mut hosts = record["hosts"].as_object().unwrap().values();
    let domains = hosts.next().map_or_else(Default::default, |host| {
        let domains = host["domains"].as_object().unwrap().iter();
        domains
            .map(|(domain, used)| (domain.clone(), used.as_i64().unwrap().abs().into()))
            .collect()
    });
    Some(serde_json::Value::Object(domains))
}

fn start(plan: &Plan, config: &Config, domain: &str) -> Result<Running, ApplyError> {
    Relabeller::default().start(plan, config, domain)
}

fn stop(running: &Running) -> Stopped {
    Relabeller::default().stop(running)
}

fn abort(running: &Running) -> Stopped {
    Relabeller::default().abort(running)
}

/// Gives a running domain the one disk of a plan, as `vdb`.
fn attach(running: &Running, plan: &Plan) -> Result<Changed, ApplyError> {
    let mut plan = plan.clone();
    for row in &mut plan.rows {
        row.disk = Some("vdb".to_owned());
    }
    let intent = Intent {
        before: running.clone(),
        after: running.with_disk("vdb", &plan),
    };
    Relabeller::default().change(&intent)
}

fn config() -> Config {
    Config {
        category_pair: Some((10, 20)),
        ..Config::default()
    }
}

fn plan_with(lab: &Lab, disks: &str, config: &Config) -> Plan {
    let domain = lab.domain_with("", disks);
    let chain = resolve(&domain, &Follow).unwrap();
    plan(&domain, &chain, config).unwrap()
}

fn overlay_plan(lab: &Lab) -> Plan {
    plan_with(lab, &disk("overlay.qcow2"), &config())
}

const VM: (u32, u32) = (64_055, 64_055);

#[test]
fn a_start_labels_every_file_and_a_stop_gives_the_writable_ones_back() {
    let Some(lab) = lab() else { return };
    let before = states(&lab);
    let running = start(&overlay_plan(&lab), &config(), "one").unwrap();
    assert_eq!(owners(&lab), [VM; 4]);
    let rw = "system_u:object_r:svirt_image_t:s0:c10,c20\0";
    let ro = "system_u:object_r:virt_content_t:s0\0";
    let labels: Vec<_> = FILES
        .iter()
        .map(|name| label(&lab.path(name)).unwrap())
        .collect();
    assert_eq!(labels, [rw, rw, ro, ro]);
    let stopped = stop(&running);
    assert_eq!((stopped.errors, stopped.violations), (vec![], vec![]));
    assert_eq!(states(&lab)[..2], before[..2]);
    assert_eq!(owners(&lab)[2..], [VM; 2]);
    for name in &FILES[2..] {
        assert_eq!(label(&lab.path(name)).as_deref(), Some(ro));
        assert_eq!(record(&lab.path(name), "dac"), None);
        assert_eq!(record(&lab.path(name), "selinux"), None);
    }
}

#[test]
fn a_record_holds_the_original_state_and_its_users() {
    let Some(lab) = lab() else { return };
    let _running = start(&overlay_plan(&lab), &config(), "one").unwrap();
    let record_of = |name: &str, driver| record(&lab.path(name), driver).unwrap();
    let dac = record_of("overlay.qcow2", "dac");
    assert_eq!(dac["v"], 1);
    assert_eq!(dac["original"], "4001:5001");
    assert_eq!(
        users(&lab.path("overlay.qcow2"), "dac"),
        Some(serde_json::json!({"one": 1}))
    );
    assert_eq!(
        record_of("overlay.qcow2", "selinux")["original"],
        "old:old:old:s0\0"
    );
    assert_eq!(
        record_of("overlay.raw", "selinux")["original"],
        serde_json::Value::Null
    );
    assert_eq!(record_of("base.raw", "dac")["original"], "4004:5004");
}

#[test]
fn a_running_domain_survives_being_written_down() {
    let Some(lab) = lab() else { return };
    let before = states(&lab);
    let running = start(&overlay_plan(&lab), &config(), "one").unwrap();
    let text = serde_json::to_string(&running).unwrap();
    std::fs::write(lab.path("overlay.qcow2"), b"no header any more").unwrap();
    let stopped = stop(&serde_json::from_str::<Running>(&text).unwrap());
    assert_eq!(stopped.errors, []);
    assert_eq!(states(&lab)[..2], before[..2]);
}

#[test]
fn a_shared_file_comes_back_after_its_last_user() {
    let Some(lab) = lab() else { return };
    let plan = plan_with(&lab, &disk("overlay.qcow2"), &Config::default());
    let before = states(&lab);
    let first = start(&plan, &Config::default(), "one").unwrap();
    let second = start(&plan, &Config::default(), "two").unwrap();
    assert_eq!(stop(&first).errors, []);
    assert_eq!(owners(&lab), [VM; 4]);
    assert_eq!(
        users(&lab.path("overlay.raw"), "dac"),
        Some(serde_json::json!({"two": 1}))
    );
    assert_eq!(stop(&second).errors, []);
    assert_eq!(states(&lab)[..2], before[..2]);
}

#[test]
fn another_domain_with_another_label_is_refused_before_any_change() {
    let Some(lab) = lab() else { return };
    let _first = start(&overlay_plan(&lab), &config(), "one").unwrap();
    let during = states(&lab);
    let other = Config {
        category_pair: Some((30, 40)),
        ..config()
    };
    let error = start(
        &plan_with(&lab, &disk("overlay.qcow2"), &other),
        &other,
        "two",
    )
    .unwrap_err();
    assert_eq!(error.class.as_str(), "in-use");
    assert_eq!(states(&lab), during);
}

#[test]
fn the_same_file_twice_counts_twice() {
    let Some(lab) = lab() else { return };
    let readonly = disk_with("base.qcow2", "", "<readonly/>");
    let disks = readonly.clone() + &readonly.replace("vda", "vdb");
    let running = start(&plan_with(&lab, &disks, &config()), &config(), "one").unwrap();
    assert_eq!(
        users(&lab.path("base.raw"), "dac"),
        Some(serde_json::json!({"one": 2}))
    );
    assert_eq!(stop(&running).errors, []);
    assert_eq!(record(&lab.path("base.raw"), "dac"), None);
}

#[test]
fn an_attached_disk_counts_files_of_its_domain_once_more_until_it_is_detached() {
    let Some(lab) = lab() else { return };
    let base = disk_with("base.qcow2", "", "<readonly/>");
    let readonly = plan_with(&lab, &base, &config());
    let before = states(&lab);
    let running = start(&readonly, &config(), "one").unwrap();
    let attached = attach(&running, &overlay_plan(&lab)).unwrap();
    assert_eq!(attached.stopped, Stopped::default());
    let base = lab.path("base.raw");
    assert_eq!(users(&base, "dac"), Some(serde_json::json!({"one": 2})));
    let detach = Intent {
        after: attached.running.without_disk("vdb"),
        before: attached.running,
    };
    let detached = Relabeller::default().change(&detach).unwrap();
    assert_eq!(detached.stopped, Stopped::default());
    assert_eq!(users(&base, "dac"), Some(serde_json::json!({"one": 1})));
    assert_eq!(states(&lab)[..2], before[..2]);
    assert_eq!(stop(&detached.running).errors, []);
    assert_eq!(users(&base, "dac"), None);
}

#[test]
fn a_disk_that_needs_a_file_of_its_own_domain_otherwise_is_not_attached() {
    let Some(lab) = lab() else { return };
    let running = start(&overlay_plan(&lab), &config(), "one").unwrap();
    let during = states(&lab);
    let writable = plan_with(&lab, &disk("base.qcow2"), &config());
    let error = attach(&running, &writable).unwrap_err();
    assert_eq!(error.class.as_str(), "in-use");
    assert_eq!(states(&lab), during);
}

#[test]
fn users_of_an_earlier_boot_are_gone_and_the_original_state_is_not() {
    let Some(lab) = lab() else { return };
    let path = lab.path("overlay.raw");
    let host = Config::default().host;
    let stale = format!(
        r#"{{"v":1,"original":"4002:5002","restore":false,"hosts":{{"{host}":{{"boot":"earlier",
            "domains":{{"old":-1}}}}}}}}"#
    );
    let name = "security.qconform.dac";
    rustix::fs::setxattr(&path, name, stale.as_bytes(), XattrFlags::empty()).unwrap();
    chown(&path, Some(1), Some(1)).unwrap();
    let running = start(&overlay_plan(&lab), &config(), "one").unwrap();
    assert_eq!(users(&path, "dac"), Some(serde_json::json!({"one": 1})));
    assert_eq!(stop(&running).errors, []);
    assert_eq!(owners(&lab)[1], (4002, 5002));
}

#[test]
fn without_remembering_the_owner_stays_and_never_becomes_root() {
    let Some(lab) = lab() else { return };
    let config = Config {
        remember: false,
        ..config()
    };
    let running = start(
        &plan_with(&lab, &disk("overlay.qcow2"), &config),
        &config,
        "one",
    )
    .unwrap();
    assert_eq!(record(&lab.path("overlay.qcow2"), "dac"), None);
    let stopped = stop(&running);
    assert_eq!(stopped.errors, []);
    assert_eq!(
        stopped.violations[0].requirement,
        "label.original-remembered"
    );
    assert_eq!(owners(&lab), [VM; 4]);
}

#[test]
fn records_go_where_the_configuration_says() {
    let Some(lab) = lab() else { return };
    let config = Config {
        record_namespaces: vec![Namespace::User],
        ..config()
    };
    let before = states(&lab);
    let running = start(
        &plan_with(&lab, &disk("overlay.qcow2"), &config),
        &config,
        "one",
    )
    .unwrap();
    assert!(xattr(&lab.path("overlay.raw"), "user.qconform.dac").is_some());
    assert_eq!(stop(&running).errors, []);
    assert_eq!(states(&lab)[..2], before[..2]);
}

#[test]
fn where_no_record_can_be_kept_the_owner_stays_and_that_is_said() {
    let Some(lab) = lab() else { return };
    let config = Config {
        record_namespaces: vec![],
        selinux: false,
        ..config()
    };
    let running = start(
        &plan_with(&lab, &disk("overlay.qcow2"), &config),
        &config,
        "one",
    )
    .unwrap();
    let ids = |violations: &[qconform::reference::violation::FileViolation]| {
        violations
            .iter()
            .map(|found| found.requirement.clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(ids(&running.violations), ["label.original-remembered"; 4]);
    let stopped = stop(&running);
    assert_eq!(
        (stopped.errors, ids(&stopped.violations)),
        (vec![], ids(&running.violations))
    );
    assert_eq!(owners(&lab), [VM; 4]);
}

#[test]
fn of_two_domains_that_start_at_once_and_want_different_labels_one_wins() {
    let Some(lab) = lab() else { return };
    let before = states(&lab);
    let starts = |pair: (u32, u32), domain: &str| {
        let config = Config {
            category_pair: Some(pair),
            ..config()
        };
        start(
            &plan_with(&lab, &disk("overlay.qcow2"), &config),
            &config,
            domain,
        )
    };
    let results = std::thread::scope(|scope| {
        let first = scope.spawn(|| starts((1, 2), "one"));
        let second = scope.spawn(|| starts((3, 4), "two"));
        [first.join().unwrap(), second.join().unwrap()]
    });
    let running: Vec<_> = results.iter().flatten().collect();
    assert_eq!(running.len(), 1);
    assert_eq!(stop(running[0]).errors, []);
    assert_eq!(states(&lab)[..2], before[..2]);
}

/// What one domain does with the shared file.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    Writes,
    Reads,
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn in_any_order_of_starts_and_stops_the_last_user_gives_the_file_back(
        steps in prop::collection::vec((0_usize..3, any::<bool>()), 1..24),
    ) {
        let Some(lab) = lab() else { return Ok(()) };
        let kinds = [Kind::Writes, Kind::Reads, Kind::Reads];
        // Without labels, readers and writers need the same owner and may share a file.
        let config = Config { selinux: false, ..Config::default() };
        let path = lab.path("base.raw");
        let mut running: [Option<Running>; 3] = [const { None }; 3];
        let (mut owner, mut writer_since) = ((4004, 5004), false);
        let mut original = owner;
        for (domain, starts) in steps {
            let used_before = running.iter().any(Option::is_some);
            match (running[domain].take(), starts) {
                (None, true) => {
                    let extra = if kinds[domain] == Kind::Reads { "<readonly/>" } else { "" };
                    let plan = plan_with(&lab, &disk_with("base.qcow2", "", extra), &config);
                    running[domain] = Some(start(&plan, &config, &domain.to_string()).unwrap());
                    if !used_before {
                        (original, writer_since) = (owner, false);
                    }
                    writer_since |= kinds[domain] == Kind::Writes;
                    owner = VM;
                }
                (Some(used), false) => {
                    prop_assert_eq!(stop(&used).errors, []);
                    if running.iter().all(Option::is_none) && writer_since {
                        owner = original;
                    }
                }
                (kept, _) => running[domain] = kept,
            }
            prop_assert_eq!(owners(&lab)[3], owner);
            let used = running.iter().any(Option::is_some);
            prop_assert_eq!(record(&path, "dac").is_some(), used);
        }
    }
}
