//! Which owner and label each file gets, and whether they come back.

use qconform::reference::chain::policy::Follow;
use qconform::reference::chain::resolve;
use qconform::reference::label::{Config, Plan, PlanError, PlanReport, plan};
use rstest::rstest;

use crate::lab::{Lab, backing_store, disk, disk_with, store, store_with};
use crate::sample::Sample;

const VM: &str = "64055:64055";
const RW: &str = "system_u:object_r:svirt_image_t:s0:c10,c20";
const SHARED: &str = "system_u:object_r:svirt_image_t:s0";
const RO: &str = "system_u:object_r:virt_content_t:s0";
const DAC_NO: &str = "<seclabel model='dac' relabel='no'/>";
const SELINUX_NO: &str = "<seclabel model='selinux' relabel='no'/>";
const DAC_OWN: &str = "<seclabel model='dac'><label>+7:+8</label></seclabel>";
const SELINUX_OWN: &str = "<seclabel><label>own:own:own:s0</label></seclabel>";

fn config() -> Config {
    Config {
        category_pair: Some((10, 20)),
        ..Config::default()
    }
}

fn plan_of(lab: &Lab, extra: &str, disks: &str, config: &Config) -> Result<Plan, PlanError> {
    let domain = lab.domain_with(extra, disks);
    let chain = resolve(&domain, &Follow).unwrap();
    plan(&domain, &chain, config)
}

/// One row as `owner label` and whether the original state comes back.
type Row = (Option<String>, Option<String>, bool);

fn rows(plan: &Plan) -> Vec<Row> {
    let owner = |owner: qconform::reference::label::Owner| owner.to_string();
    plan.rows
        .iter()
        .map(|row| (row.owner.map(owner), row.label.clone(), row.restore))
        .collect()
}

fn row(owner: &str, label: &str, restore: bool) -> Row {
    let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    (text(owner), text(label), restore)
}

fn inside(inner: &str) -> String {
    disk_with("disk.qcow2", inner, "")
}

fn beside(extra: &str) -> String {
    disk_with("disk.qcow2", "", extra)
}

#[rstest]
#[case::writable(disk("disk.qcow2"), VM, RW, true)]
#[case::writable_declared(inside(&store("disk.raw")), VM, RW, true)]
#[case::readonly(beside("<readonly/>"), VM, RO, false)]
#[case::readonly_declared(disk_with("disk.qcow2", &store("disk.raw"), "<readonly/>"), VM, RO, false)]
#[case::cdrom(disk("disk.qcow2").replace("device='disk'", "device='cdrom'"), VM, RO, false)]
#[case::shareable(beside("<shareable/>"), VM, SHARED, false)]
#[case::shareable_readonly(beside("<shareable/><readonly/>"), VM, SHARED, false)]
#[case::transient(beside("<transient/>"), VM, RO, true)]
#[case::owner_untouched(inside(DAC_NO), "", RW, true)]
#[case::label_untouched(inside(SELINUX_NO), VM, "", true)]
#[case::untouched(inside(&format!("{DAC_NO}{SELINUX_NO}")), "", "", false)]
#[case::own_owner(inside(DAC_OWN), "7:8", RW, true)]
#[case::own_label(inside(SELINUX_OWN), VM, "own:own:own:s0", true)]
#[case::own_label_readonly(disk_with("disk.qcow2", DAC_OWN, "<readonly/>"), "7:8", RO, false)]
fn a_data_file_gets_what_its_image_gets(
    #[case] disks: String,
    #[case] owner: &str,
    #[case] label: &str,
    #[case] restore: bool,
) {
    let lab = Lab::new();
    let plan = plan_of(lab.pair(), "", &disks, &config()).unwrap();
    let expected = row(owner, label, restore);
    assert_eq!(rows(&plan), [expected.clone(), expected]);
}

#[rstest]
#[case::own_owner(DAC_NO, DAC_OWN, row("", RW, true), row("7:8", RW, true))]
#[case::own_refusal("", DAC_NO, row(VM, RW, true), row("", RW, true))]
#[case::own_label(
    SELINUX_OWN,
    SELINUX_NO,
    row(VM, "own:own:own:s0", true),
    row(VM, "", true)
)]
#[case::other_driver(DAC_OWN, SELINUX_NO, row("7:8", RW, true), row("7:8", "", true))]
#[case::relabel_alone(
    DAC_NO,
    "<seclabel model='dac' relabel='yes'/>",
    row("", RW, true),
    row("", RW, true)
)]
fn a_store_with_a_seclabel_goes_its_own_way(
    #[case] image: &str,
    #[case] on_store: &str,
    #[case] image_row: Row,
    #[case] store_row: Row,
) {
    let lab = Lab::new();
    let inner = format!("{image}{}", store_with("disk.raw", on_store));
    let plan = plan_of(lab.pair(), "", &inside(&inner), &config()).unwrap();
    assert_eq!(rows(&plan), [image_row, store_row]);
}

#[rstest]
#[case::dynamic("<seclabel type='dynamic' model='dac'/>", VM, RW)]
#[case::none("<seclabel type='none'/>", "", "")]
#[case::model_none("<seclabel model='none'/>", "", "")]
#[case::dac_none("<seclabel type='none' model='dac'/>", "", RW)]
#[case::static_owner(
    "<seclabel type='static' model='dac' relabel='yes'><label>+1234:+1235</label></seclabel>",
    "1234:1235",
    RW
)]
#[case::static_refusal(
    "<seclabel type='static' model='dac' relabel='no'><label>+1234:+1235</label></seclabel>",
    "",
    RW
)]
#[case::static_context(
    "<seclabel type='static' model='selinux' relabel='yes'><label>system_u:system_r:svirt_t:s0:c1,c2</label></seclabel>",
    VM,
    "system_u:object_r:svirt_image_t:s0:c1,c2"
)]
#[case::runtime_context(
    "<seclabel type='dynamic' model='selinux'><label>a:b:c:s0:c3,c4</label><imagelabel>d:e:f:s0:c3,c4</imagelabel></seclabel>",
    VM,
    "d:e:f:s0:c3,c4"
)]
fn a_domains_seclabel_applies_to_every_file(
    #[case] extra: &str,
    #[case] owner: &str,
    #[case] label: &str,
) {
    let lab = Lab::new();
    let plan = plan_of(lab.pair(), extra, &disk("disk.qcow2"), &config()).unwrap();
    let expected = row(owner, label, !(owner.is_empty() && label.is_empty()));
    assert_eq!(rows(&plan), [expected.clone(), expected]);
}

#[test]
fn the_reason_tells_both_names_of_an_overridden_data_file() {
    let lab = Lab::new();
    lab.image("disk.qcow2", Sample::new().data_file("gone.raw"))
        .data("other.raw");
    let disk = disk_with("disk.qcow2", &store("other.raw"), "");
    let plan = plan_of(&lab, "", &disk, &config()).unwrap();
    assert!(plan.rows[1].path.ends_with("other.raw"));
    let told = "data file, as its top image, declared instead of \"gone.raw\" in the header";
    assert!(
        plan.rows[1].reason.starts_with(told),
        "{}",
        plan.rows[1].reason
    );
}

#[test]
fn a_domain_that_refuses_beats_every_label_below() {
    let lab = Lab::new();
    let inner = format!("{DAC_OWN}{}", store_with("disk.raw", DAC_OWN));
    let refusal = "<seclabel type='none' model='dac'/>";
    let plan = plan_of(lab.pair(), refusal, &inside(&inner), &config()).unwrap();
    assert_eq!(rows(&plan), [row("", RW, true), row("", RW, true)]);
}

#[rstest]
#[case::plain("", "", [VM, VM, VM, VM])]
#[case::on_the_disk(DAC_OWN, "", ["7:8", "7:8", "7:8", "7:8"])]
#[case::disk_refuses(DAC_NO, "", ["", "", "", ""])]
#[case::on_the_backing_store("", DAC_OWN, [VM, VM, "7:8", "7:8"])]
#[case::backing_store_refuses(DAC_OWN, DAC_NO, ["7:8", "7:8", "", ""])]
fn labels_go_down_the_chain_and_to_every_store(
    #[case] on_disk: &str,
    #[case] on_backing: &str,
    #[case] owners: [&str; 4],
) {
    let lab = Lab::new();
    let below = backing_store("qcow2", "base.qcow2", on_backing, "<backingStore/>");
    let disks = disk_with("overlay.qcow2", on_disk, &below);
    let plan = plan_of(lab.two_layers(), "", &disks, &config()).unwrap();
    let expected = [
        row(owners[0], RW, true),
        row(owners[1], RW, true),
        row(owners[2], RO, false),
        row(owners[3], RO, false),
    ];
    assert_eq!(rows(&plan), expected);
}

#[rstest]
#[case::shareable("<shareable/>", row(VM, SHARED, false))]
#[case::transient("<transient/>", row(VM, RO, true))]
fn how_a_disk_is_used_does_not_go_down_the_chain(#[case] extra: &str, #[case] top: Row) {
    let lab = Lab::new();
    let disks = disk_with("overlay.qcow2", "", extra);
    let plan = plan_of(lab.two_layers(), "", &disks, &config()).unwrap();
    let base = row(VM, RO, false);
    assert_eq!(rows(&plan), [top.clone(), top, base.clone(), base]);
}

#[test]
fn a_detected_chain_inherits_the_disks_label() {
    let lab = Lab::new();
    let disks = disk_with("overlay.qcow2", DAC_OWN, "");
    let plan = plan_of(lab.two_layers(), "", &disks, &config()).unwrap();
    let owners: Vec<_> = plan
        .rows
        .iter()
        .map(|row| row.owner.unwrap().to_string())
        .collect();
    assert_eq!(owners, ["7:8"; 4]);
}

#[rstest]
#[case::no_ownership(Config { dynamic_ownership: false, ..config() }, "", RW)]
#[case::no_dac(Config { dac: false, ..config() }, "", RW)]
#[case::no_selinux(Config { selinux: false, ..config() }, VM, "")]
#[case::no_categories(Config::default(), VM, "")]
#[case::another_user(Config { user: 107, group: 108, ..config() }, "107:108", RW)]
fn the_configuration_decides_what_is_managed(
    #[case] config: Config,
    #[case] owner: &str,
    #[case] label: &str,
) {
    let lab = Lab::new();
    let plan = plan_of(lab.pair(), "", &disk("disk.qcow2"), &config).unwrap();
    let expected = row(owner, label, true);
    assert_eq!(rows(&plan), [expected.clone(), expected]);
}

#[test]
fn without_remembering_nothing_comes_back_and_that_is_said() {
    let lab = Lab::new();
    let config = Config {
        remember: false,
        ..config()
    };
    let plan = plan_of(lab.pair(), "", &disk("disk.qcow2"), &config).unwrap();
    assert_eq!(rows(&plan), [row(VM, RW, false), row(VM, RW, false)]);
    let found: Vec<_> = plan
        .violations
        .iter()
        .map(|found| found.requirement.as_str())
        .collect();
    assert_eq!(found, ["label.original-remembered"; 2]);
}

#[rstest]
#[case::owner(
    inside("<seclabel model='dac'><label>qemu:qemu</label></seclabel>"),
    config(),
    "bad-owner"
)]
#[case::categories(disk("disk.qcow2"), Config { category_pair: Some((5, 5)), ..Config::default() }, "bad-categories")]
#[case::conflict(
    inside(DAC_OWN) + &disk("disk.qcow2").replace("vda", "vdb"), config(), "conflicting-labels")]
fn a_domain_that_makes_no_sense_is_refused(
    #[case] disks: String,
    #[case] config: Config,
    #[case] class: &str,
) {
    let lab = Lab::new();
    let error = plan_of(lab.pair(), "", &disks, &config).unwrap_err();
    assert_eq!(error.class(), class);
}

#[test]
fn a_report_has_exactly_the_documented_keys() {
    let lab = Lab::new();
    let plan = plan_of(lab.pair(), "", &disk("disk.qcow2"), &config());
    let json = serde_json::to_value(PlanReport::from(&plan)).unwrap();
    let mut first = json["files"][0].clone();
    assert!(
        first["reason"]
            .take()
            .as_str()
            .unwrap()
            .contains("writable")
    );
    let expected = serde_json::json!({
        "disk": "vda", "role": "top", "path": lab.path("disk.qcow2"), "owner": VM, "label": RW,
        "restore": true, "reason": null,
    });
    assert_eq!(first, expected);
    assert_eq!(json["error"], serde_json::Value::Null);
}
