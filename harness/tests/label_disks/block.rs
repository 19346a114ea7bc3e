//! Data files that are block devices.

use std::os::unix::fs::chown;

use libtest_mimic::Failed;
use qconform::reference::chain::policy::Follow;
use qconform::reference::chain::resolve;
use qconform::reference::label::{Config, Relabeller, plan};

use crate::lab::Lab;
use crate::machine::{Device, or_skip_loops};
use crate::sample::Sample;
use crate::scene::{State, VM, records};

fn device() -> Result<Option<Device>, Failed> {
    if let Some(reason) = or_skip_loops() {
        println!("skipped: {reason}");
        return Ok(None);
    }
    Device::new().map(Some)
}

fn disk(store: &str) -> String {
    format!(
        "<disk type='file' device='disk'><driver name='qemu' type='qcow2'/>\
         <source file='$D/disk.qcow2'>{store}</source><target dev='vda'/></disk>"
    )
}

pub(crate) fn declared() -> Result<(), Failed> {
    let Some(device) = device()? else {
        return Ok(());
    };
    let lab = Lab::on(device.folder());
    lab.image("disk.qcow2", Sample::new().data_file("elsewhere"));
    let node = device.node();
    chown(&node, Some(4001), Some(5001))?;
    let before = State::of(&node);
    let store = format!(
        "<dataStore type='block'><format type='raw'/><source dev='{}'/></dataStore>",
        node.display()
    );
    let domain = lab.domain_with("", &disk(&store));
    let config = Config {
        category_pair: Some((10, 20)),
        ..Config::default()
    };
    let plan = plan(&domain, &resolve(&domain, &Follow)?, &config)?;
    let running = Relabeller::default().start(&plan, &config, "guest")?;
    let found = State::of(&node);
    assert_eq!(found.owner, (VM, VM));
    assert_eq!(found, State::of(&lab.path("disk.qcow2")));
    assert_eq!(records(&node).len(), 2);
    let stopped = Relabeller::default().stop(&running);
    assert_eq!((stopped.errors, stopped.violations), (vec![], vec![]));
    assert_eq!(State::of(&node), before);
    assert_eq!(records(&node), Vec::<String>::new());
    Ok(())
}

pub(crate) fn named_by_header() -> Result<(), Failed> {
    let Some(device) = device()? else {
        return Ok(());
    };
    let lab = Lab::on(device.folder());
    lab.image("disk.qcow2", Sample::new().data_file("../node"));
    let domain = lab.domain_with("", &disk(""));
    let error = resolve(&domain, &Follow).unwrap_err();
    assert_eq!(error.class.as_str(), "special-file");
    Ok(())
}
