//! Domain XML as it goes out: the runtime and the persistent form.

use proptest::prelude::*;
use qconform::reference::chain::policy::Follow;
use qconform::reference::chain::{Chain, resolve};
use qconform::reference::domain::{Document, Form};
use qconform::reference::label::{Config, PlanRow, plan};
use rstest::rstest;

use crate::lab::{Lab, backing_store, disk, disk_with, store};
use crate::sample::Sample;

/// A whole domain, as libvirt's grammar wants it; `$D` is the lab's folder.
pub(crate) fn domain(lab: &Lab, disks: &str) -> String {
    let folder = lab.path("");
    format!(
        "<domain type='qemu' id='7'><name>guest</name>\
         <uuid>11111111-2222-3333-4444-555555555555</uuid><memory>1024</memory>\
         <os><type arch='x86_64' machine='pc'>hvm</type></os>\
         <devices>{disks}<memballoon model='none'/></devices></domain>"
    )
    .replace("$D/", folder.to_str().unwrap())
}

pub(crate) fn completed(xml: &str) -> (Document, Chain) {
    let mut document = Document::parse(xml.as_bytes()).unwrap();
    let chain = resolve(&document.domain().unwrap(), &Follow).unwrap();
    document.add_detected(&chain).unwrap();
    (document, chain)
}

/// A lab with chains of every shape, and the disks that use them.
pub(crate) fn shapes(lab: &Lab) -> Vec<(&'static str, String)> {
    let over = |base: &str| Sample::new().backing(base).backing_format("qcow2");
    lab.pair()
        .two_layers()
        .image("three.qcow2", over("overlay.qcow2"))
        .image("odd.qcow2", Sample::new().data_file("a & <b>\t\"c\".raw"))
        .data("a & <b>\t\"c\".raw")
        .data("other.raw");
    let labelled = "<seclabel model='dac' relabel='yes'><label>+7:+8</label></seclabel>";
    let base = backing_store("qcow2", "base.qcow2", "", "");
    let declared = backing_store("qcow2", "overlay.qcow2", labelled, "");
    vec![
        ("one image", disk("disk.qcow2")),
        ("names that need escapes", disk("odd.qcow2")),
        ("two images", disk("overlay.qcow2")),
        ("three images", disk("three.qcow2")),
        ("declared base", disk_with("overlay.qcow2", "", &base)),
        (
            "terminated",
            disk_with("overlay.qcow2", "", "<backingStore/>"),
        ),
        ("declared middle", disk_with("three.qcow2", "", &declared)),
        (
            "declared store",
            disk_with("disk.qcow2", &store("other.raw"), ""),
        ),
        (
            "labelled",
            disk_with("three.qcow2", labelled, "<readonly/>"),
        ),
    ]
}

#[test]
fn the_runtime_form_shows_every_detected_file_at_its_layer() {
    let lab = Lab::new();
    let xml = domain(lab.two_layers(), &disk("overlay.qcow2"));
    let (document, _) = completed(&xml);
    let folder = lab.path("");
    let shown = document
        .write(Form::Runtime)
        .replace(folder.to_str().unwrap(), "");
    let expected = r#"      <source file="overlay.qcow2">
        <dataStore type="file">
          <format type="raw"/>
          <source file="overlay.raw"/>
        </dataStore>
      </source>
      <backingStore type="file">
        <format type="qcow2"/>
        <source file="base.qcow2">
          <dataStore type="file">
            <format type="raw"/>
            <source file="base.raw"/>
          </dataStore>
        </source>
        <backingStore/>
      </backingStore>
      <target dev="vda"/>"#;
    assert!(shown.contains(expected), "{shown}");
}

#[test]
fn a_runtime_form_that_is_read_again_means_the_same_files_and_labels() {
    let lab = Lab::new();
    for (shape, disk) in shapes(&lab) {
        let (document, chain) = completed(&domain(&lab, &disk));
        let (again, declared) = completed(&document.write(Form::Runtime));
        let rows = |chain: &Chain, document: &Document| -> Vec<_> {
            let plan = plan(&document.domain().unwrap(), chain, &Config::default()).unwrap();
            let row = |row: PlanRow| (row.role, row.path, row.owner, row.label, row.restore);
            plan.rows.into_iter().map(row).collect()
        };
        assert_eq!(rows(&declared, &again), rows(&chain, &document), "{shape}");
    }
}

#[test]
fn the_persistent_form_is_as_it_was_before_anything_was_detected() {
    let lab = Lab::new();
    for (shape, disk) in shapes(&lab) {
        let xml = domain(&lab, &disk);
        let before = Document::parse(xml.as_bytes()).unwrap();
        let (document, _) = completed(&xml);
        let written = document.write(Form::Persistent);
        assert_eq!(written, before.write(Form::Persistent), "{shape}");
        assert!(!written.contains("id=\"7\""), "{written}");
        let read = Document::parse(written.as_bytes()).unwrap();
        assert_eq!(read.domain(), before.domain(), "{shape}");
    }
}

#[test]
fn what_nobody_looks_at_stays_and_secrets_go() {
    let xml = "<domain><!-- c --><metadata><x:a xmlns:x='u'>one <b>two</b> three</x:a></metadata>\
               <qemu:commandline xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>\
               <qemu:arg value='http://user:S3CRET@host/&amp;'/></qemu:commandline>\
               <graphics passwd='S3CRET'/></domain>";
    let written = Document::parse(xml.as_bytes())
        .unwrap()
        .write(Form::Runtime);
    for part in [
        r#"<x:a xmlns:x="u">"#,
        "one ",
        "<b>two</b>",
        " three",
        r#"<qemu:arg value="http://***@host/&amp;"/>"#,
        "<graphics/>",
    ] {
        assert!(written.contains(part), "{part} is missing in\n{written}");
    }
    assert!(!written.contains("S3CRET"), "{written}");
}

#[test]
fn a_network_disk_is_not_said_to_end_where_nobody_looked() {
    let lab = Lab::new();
    lab.data("local.raw");
    let disk = disk_with("x", &store("local.raw"), "")
        .replace("<disk type='file'", "<disk type='network'");
    let (document, _) = completed(&domain(&lab, &disk));
    assert!(!document.write(Form::Runtime).contains("backingStore"));
}

#[rstest]
#[case::control_character("a\u{1}b")]
#[case::not_a_character("a\u{ffff}b")]
fn a_name_that_xml_cannot_hold_is_refused(#[case] name: &str) {
    let lab = Lab::new();
    lab.image("disk.qcow2", Sample::new().data_file(name))
        .data(name);
    let xml = domain(&lab, &disk("disk.qcow2"));
    let mut document = Document::parse(xml.as_bytes()).unwrap();
    let chain = resolve(&document.domain().unwrap(), &Follow).unwrap();
    let error = document.add_detected(&chain).unwrap_err();
    assert_eq!(error.fault.as_str(), "unwritable-name");
}

proptest! {
    #[test]
    fn what_is_written_reads_back_the_same(value in "\\PC{0,20}", text in "[a-z<>&\"'\\]\n]{0,20}") {
        let escape = |text: &str| text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
            .replace('\'', "&#39;").replace('\n', "&#10;");
        let xml = format!("<domain><name>{}</name><devices><disk><source file='{}'/>\
             <target dev='vda'/></disk></devices></domain>", escape(&text), escape(&value));
        let before = Document::parse(xml.as_bytes()).unwrap();
        let after = Document::parse(before.write(Form::Runtime).as_bytes()).unwrap();
        prop_assert_eq!(before.domain(), after.domain());
    }
}

#[rstest]
#[case::in_a_name("<name>a <b/>  <c>d</c>\n e</name>")]
#[case::in_metadata("<metadata><x>one <y><z/>two </y> <y/>three</x></metadata>")]
#[case::text_alone("<title>  a  </title>")]
fn elements_in_text_are_written_as_they_stand(
    #[case] inner: &str,
    #[values(Form::Persistent, Form::Runtime)] form: Form,
) {
    let document = Document::parse(format!("<domain>{inner}</domain>").as_bytes()).unwrap();
    let written = document.write(form);
    let text = inner
        .trim_start_matches("<metadata>")
        .trim_end_matches("</metadata>");
    assert!(written.contains(text), "{written}");
    let again = Document::parse(written.as_bytes()).unwrap();
    assert_eq!(again.write(form), written);
}

#[test]
fn a_root_that_is_no_domain_is_not_left_out_as_a_secret() {
    let document = Document::parse(b"<cookies><a/><passwd/></cookies>").unwrap();
    let written = document.write(Form::Runtime);
    assert_eq!(written, "<cookies>\n  <a/>\n</cookies>\n");
}
