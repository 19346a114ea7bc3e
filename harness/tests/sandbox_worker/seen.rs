//! What a worker sees and may change.

use std::fs;
use std::path::Path;

use libtest_mimic::Failed;
use qconform::sandbox::{IdMap, Worker};

use crate::{ask, equal, proc_is_missing, processes, settings, that, worker};

pub(super) fn the_worker_is_root_of_its_own_ids() -> Result<(), Failed> {
    let settings = settings();
    let mut worker = Worker::start(&settings).unwrap();
    equal(ask(&mut worker, "ids").as_str(), "0 1")?;
    if proc_is_missing(&mut worker) {
        return Ok(());
    }
    let map = ask(&mut worker, "read /proc/self/uid_map");
    let lines: Vec<Vec<u32>> = map
        .split_terminator(';')
        .map(|line| {
            line.split_whitespace()
                .map(|number| number.parse().unwrap())
                .collect()
        })
        .collect();
    let inside: Vec<_> = lines.iter().map(|line| (line[0], line[2])).collect();
    match &settings.id_map {
        IdMap::Single => equal(inside, vec![(0, 1)])?,
        IdMap::Range { .. } => equal(inside, vec![(0, 10_000), (64_055, 1)])?,
    }
    that(
        lines.iter().all(|line| line[1] > 0),
        "the host's root must not be mapped",
    )
}

pub(super) fn ids_outside_the_map_show_as_the_overflow_id() -> Result<(), Failed> {
    equal(ask(&mut worker(), "owner /usr").as_str(), "65534:65534")
}

pub(super) fn the_hosts_folders_are_absent() -> Result<(), Failed> {
    let mut worker = worker();
    let wanted = [
        "bin", "dev", "etc", "lib", "lib64", "nix", "proc", "qconform", "sbin", "tmp", "usr",
    ];
    for name in ask(&mut worker, "list /").split(',') {
        that(wanted.contains(&name), &format!("{name} shows in the root"))?;
    }
    that(
        !Path::new("/etc/passwd").exists() || ask(&mut worker, "read /etc/passwd") == "error 2",
        "passwd is there",
    )?;
    equal(ask(&mut worker, "list /tmp").as_str(), "")
}

pub(super) fn an_extra_folder_is_visible_and_read_only() -> Result<(), Failed> {
    let folder = tempfile::tempdir().unwrap();
    // Nobody else may pass the parent: the clone is taken before the ids change.
    let shown = folder.path().join("shown");
    fs::create_dir(&shown).unwrap();
    fs::write(shown.join("file"), "content").unwrap();
    fs::write(folder.path().join("hidden"), "content").unwrap();
    let mut settings = settings();
    settings.visible = vec![shown.clone()];
    let mut worker = Worker::start(&settings).unwrap();
    equal(
        ask(&mut worker, &format!("read {}/file", shown.display())).as_str(),
        "content",
    )?;
    equal(
        ask(&mut worker, &format!("write {}/new", shown.display())).as_str(),
        "error 30",
    )?;
    equal(
        ask(&mut worker, &format!("list {}", folder.path().display())).as_str(),
        "shown",
    )
}

pub(super) fn system_folders_can_not_be_written() -> Result<(), Failed> {
    let mut worker = worker();
    equal(ask(&mut worker, "write /usr/file").as_str(), "error 30")?;
    equal(ask(&mut worker, "write /qconform").as_str(), "error 30")?;
    equal(ask(&mut worker, "write /tmp/file").as_str(), "written")
}

pub(super) fn other_processes_are_not_seen() -> Result<(), Failed> {
    let mut worker = worker();
    if proc_is_missing(&mut worker) {
        return Ok(());
    }
    equal(processes(&mut worker), vec![1])
}

pub(super) fn there_is_no_network() -> Result<(), Failed> {
    let mut worker = worker();
    if proc_is_missing(&mut worker) {
        return Ok(());
    }
    let devices = ask(&mut worker, "read /proc/self/net/dev");
    let interfaces: Vec<_> = devices
        .split(';')
        .skip(2)
        .filter_map(|line| line.split_once(':'))
        .collect();
    let names: Vec<_> = interfaces.iter().map(|(name, _)| name.trim()).collect();
    equal(names, vec!["lo"])?;
    // An interface that is down has no route, not even the local one.
    that(
        !ask(&mut worker, "read /proc/self/net/fib_trie").contains("127.0.0.1"),
        "lo is up",
    )
}

pub(super) fn the_environment_is_cleared_but_for_the_path() -> Result<(), Failed> {
    equal(ask(&mut worker(), "environment").as_str(), "PATH")
}

pub(super) fn the_tmpfs_is_as_large_as_asked_for() -> Result<(), Failed> {
    let mut settings = settings();
    settings.tmpfs_bytes = 4 << 20;
    let mut worker = Worker::start(&settings).unwrap();
    equal(ask(&mut worker, "fill 3").as_str(), "filled")?;
    equal(ask(&mut worker, "fill 5").as_str(), "error 28")
}

pub(super) fn two_workers_share_no_file() -> Result<(), Failed> {
    let (mut one, mut other) = (worker(), worker());
    // A name that nobody else makes on the host.
    let file = format!("/tmp/qconform-private-{}", std::process::id());
    equal(ask(&mut one, &format!("write {file}")).as_str(), "written")?;
    equal(ask(&mut other, "list /tmp").as_str(), "")?;
    that(!Path::new(&file).exists(), "the file shows on the host")
}
