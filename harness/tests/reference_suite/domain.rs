//! Domain XML as it comes in.

use proptest::prelude::*;
use qconform::reference::domain::{
    DeclaredBacking, Document, Domain, Location, Model, NbdServer, Remote,
};
use qconform::reference::format::Format;
use rstest::rstest;

const FULL: &str = "<?xml version='1.0'?>
<domain type='kvm' id='3'>
  <name>a &amp; b</name><uuid>u-1</uuid>
  <seclabel type='static' model='dac' relabel='yes'><label>+1:+2</label></seclabel>
  <seclabel type='dynamic' model='selinux'/>
  <devices>
    <disk type='file' device='disk'>
      <driver name='qemu' type='qcow2'/>
      <source file='/a&#x20;b' index='1'>
        <seclabel model='dac' relabel='no'/>
        <seclabel><label>x:y:z:s0</label></seclabel>
        <dataStore type='block'><format type='raw'/><source dev='/dev/x'/></dataStore>
      </source>
      <backingStore type='file'><format type='raw'/><source file='/base'/><backingStore/></backingStore>
      <target dev='vda'/><shareable/><transient/><readonly/>
    </disk>
    <disk type='file' device='cdrom'><target dev='sda'/></disk>
    <disk type='network'><source protocol='nbd'/><target dev='vdb'/></disk>
  </devices>
</domain>";

#[rstest]
#[case::capitals(
    "5C0F6A52-7D7A-4B8C-9E0E-0D1F2A3B4C5D",
    "5c0f6a527d7a4b8c9e0e0d1f2a3b4c5d"
)]
#[case::no_hyphens("5c0f6a527d7a4b8c9e0e0d1f2a3b4c5d", "5c0f6a527d7a4b8c9e0e0d1f2a3b4c5d")]
#[case::no_uuid("Guest-A", "Guest-A")]
fn a_uuid_stands_for_its_domain_however_it_is_written(#[case] uuid: &str, #[case] id: &str) {
    let xml = format!("<domain><name>n</name><uuid>{uuid}</uuid></domain>");
    assert_eq!(Domain::parse(xml.as_bytes()).unwrap().id(), id);
}

#[test]
fn a_domain_has_one_seclabel_for_each_driver() {
    let xml = "<domain><seclabel model='dac' relabel='no'/>\n<seclabel model='dac'/></domain>";
    let error = Domain::parse(xml.as_bytes()).unwrap_err();
    assert_eq!(
        (error.fault.as_str(), error.line),
        ("duplicate-seclabel", 2)
    );
}

#[test]
fn a_source_that_somebody_else_has_opened_is_no_file_to_label() {
    let xml = "<domain><devices><disk type='file'><driver type='qcow2'/>\
        <source file='/etc/passwd' fdgroup='one'/><target dev='vda'/></disk></devices></domain>";
    let domain = Domain::parse(xml.as_bytes()).unwrap();
    let location = &domain.disks[0].image.source.location;
    assert!(matches!(location, Location::Remote(_)), "{location:?}");
}

#[test]
fn every_element_that_matters_is_read() {
    let domain = Domain::parse(FULL.as_bytes()).unwrap();
    assert_eq!(
        (domain.name.as_str(), domain.id().as_str()),
        ("a & b", "u-1")
    );
    assert_eq!(domain.seclabels[0].model, Some(Model::Dac));
    assert_eq!(domain.seclabels[0].label.as_deref(), Some("+1:+2"));
    assert!(domain.seclabels[1].relabel);
    let disk = &domain.disks[0];
    assert!(disk.readonly && disk.shareable && disk.transient && !disk.cdrom);
    assert_eq!(disk.image.format, Format::Qcow2);
    let location = Location::Local {
        path: "/a b".into(),
        block: false,
    };
    assert_eq!(disk.image.source.location, location);
    let labels = &disk.image.source.seclabels;
    assert_eq!((labels[0].model, labels[0].relabel), (Model::Dac, false));
    assert_eq!(
        (labels[1].model, labels[1].label.as_deref()),
        (Model::Selinux, Some("x:y:z:s0"))
    );
    let store = disk.image.data_store.as_ref().unwrap();
    let location = Location::Local {
        path: "/dev/x".into(),
        block: true,
    };
    assert_eq!(store.source.location, location);
    let DeclaredBacking::Image(base) = &disk.image.backing else {
        panic!("no backing image")
    };
    assert_eq!(
        (base.format, &base.backing),
        (Format::Raw, &DeclaredBacking::Terminated)
    );
    assert!(domain.disks[1].cdrom);
    assert_eq!(domain.disks[1].image.source.location, Location::None);
    let remote = Location::Remote(Remote::Other("nbd".to_owned()));
    assert_eq!(domain.disks[2].image.source.location, remote);
}

#[test]
fn a_disk_without_a_driver_type_is_raw() {
    let xml =
        "<domain><devices><disk><source file='/x'/><target dev='vda'/></disk></devices></domain>";
    let domain = Domain::parse(xml.as_bytes()).unwrap();
    assert_eq!(domain.disks[0].image.format, Format::Raw);
    assert_eq!(domain.disks[0].image.backing, DeclaredBacking::Open);
}

#[rstest]
#[case::dynamic("type='dynamic'", true)]
#[case::none("type='none'", false)]
#[case::model_none("model='none'", false)]
#[case::static_is_off_by_default("type='static' model='dac'", false)]
#[case::static_with_relabel("type='static' model='dac' relabel='yes'", true)]
fn a_domains_seclabel_relabels_unless_it_is_static_or_none(
    #[case] attributes: &str,
    #[case] relabel: bool,
) {
    let xml = format!("<domain><seclabel {attributes}/></domain>");
    let domain = Domain::parse(xml.as_bytes()).unwrap();
    assert_eq!(domain.seclabels[0].relabel, relabel);
}

#[rstest]
#[case::refusal_for_all("type='none'", None)]
#[case::label_for_selinux("type='static'", Some(Model::Selinux))]
fn a_domains_seclabel_without_a_model_is_selinuxs_unless_it_refuses(
    #[case] attributes: &str,
    #[case] model: Option<Model>,
) {
    let xml = format!("<domain><seclabel {attributes}/></domain>");
    let domain = Domain::parse(xml.as_bytes()).unwrap();
    assert_eq!(domain.seclabels[0].model, model);
}

#[rstest]
#[case::doctype("<!DOCTYPE d [<!ENTITY x 'y'>]><domain/>", "document-type", 1)]
#[case::entity("<domain>\n<name>&x;</name></domain>", "malformed-xml", 2)]
#[case::mismatch("<domain>\n\n</name>", "malformed-xml", 3)]
#[case::ends_early("<domain>", "malformed-xml", 1)]
#[case::two_roots("<domain/>\n<domain/>", "malformed-xml", 2)]
#[case::not_utf_8("<domain>\n\u{1}", "malformed-xml", 2)]
#[case::no_name("<domain>\n<\t/></domain>", "malformed-xml", 2)]
#[case::no_name_of_an_element("<domain>\n<1/></domain>", "malformed-xml", 2)]
#[case::no_name_of_an_attribute("<domain>\n<name 1='a'/></domain>", "malformed-xml", 2)]
#[case::markup_in_an_attribute("<domain>\n<name a='<'/></domain>", "malformed-xml", 2)]
#[case::a_reference_to_no_character("<domain>\n<name>&#1;</name></domain>", "malformed-xml", 2)]
#[case::one_in_an_attribute("<domain>\n<name a='&#xfffe;'/></domain>", "malformed-xml", 2)]
#[case::a_control_character("<domain>\n<name>\u{1}</name></domain>", "malformed-xml", 2)]
#[case::another_encoding(
    "<?xml version='1.0' encoding='ISO-8859-1'?><domain/>",
    "malformed-xml",
    1
)]
#[case::other_root("<network/>", "not-a-domain", 1)]
#[case::no_target("<domain><devices>\n<disk/></devices></domain>", "missing-element", 2)]
#[case::format(
    "<domain><devices><disk><driver type='x'/><target dev='a'/></disk></devices></domain>",
    "unknown-value",
    1
)]
#[case::two_labels(
    "<domain><devices><disk><source file='/a'>\n<seclabel model='dac'/><seclabel model='dac'/></source><target dev='a'/></disk></devices></domain>",
    "duplicate-seclabel",
    2
)]
#[case::store_on_raw(
    "<domain><devices><disk><source file='/a'><dataStore type='file'/></source><target dev='a'/></disk></devices></domain>",
    "bad-data-store",
    1
)]
#[case::qcow2_store(
    "<domain><devices><disk><driver type='qcow2'/><source file='/a'><dataStore type='file'><format type='qcow2'/><source file='/b'/></dataStore></source><target dev='a'/></disk></devices></domain>",
    "bad-data-store",
    1
)]
fn a_bad_document_is_refused_with_its_line(
    #[case] xml: &str,
    #[case] class: &str,
    #[case] line: usize,
) {
    let error = Domain::parse(xml.as_bytes()).unwrap_err();
    assert_eq!((error.fault.as_str(), error.line), (class, line), "{error}");
}

/// A disk with a declared store; `$F` is its format, `$I` stands inside its source.
const STORE: &str = "<domain><devices><disk><driver type='qcow2'/>
<source file='/a'>
  <dataStore type='file'>
    $F
    <source file='/b'>$I</source>
  </dataStore>
</source><target dev='vda'/></disk></devices></domain>";

#[rstest]
#[case::no_format("", "", "missing-element", (3, 3))]
#[case::not_raw("<format type='qcow2'/>", "", "bad-data-store", (4, 5))]
#[case::nested_store("<format type='raw'/>", "<dataStore/>", "bad-data-store", (5, 23))]
#[case::nested_chain("<format type='raw'/>", "<backingStore/>", "bad-data-store", (5, 23))]
#[case::slices("<format type='raw'/>", "<slices/>", "bad-data-store", (5, 23))]
fn a_data_store_that_libvirt_refuses_is_refused_with_its_place(
    #[case] format: &str,
    #[case] inner: &str,
    #[case] class: &str,
    #[case] place: (usize, usize),
) {
    let xml = STORE.replace("$F", format).replace("$I", inner);
    let error = Domain::parse(xml.as_bytes()).unwrap_err();
    let found = (error.fault.as_str(), (error.line, error.column));
    assert_eq!(found, (class, place), "{error}");
}

#[rstest]
#[case::store_without_source(
    "<dataStore type='file'><format type='raw'/></dataStore>",
    "missing-element"
)]
#[case::store_without_path(
    "<dataStore type='file'><format type='raw'/><source/></dataStore>",
    "missing-element"
)]
#[case::slices_of_an_image(
    "<slices><slice type='storage' offset='1' size='1'/></slices>",
    "unsupported-element"
)]
#[case::store_without_type(
    "<dataStore><format type='raw'/><source file='/b'/></dataStore>",
    "missing-element"
)]
#[case::two_stores(
    "<dataStore type='file'><format type='raw'/><source file='/b'/></dataStore>\
     <dataStore type='file'><format type='raw'/><source file='/c'/></dataStore>",
    "bad-data-store"
)]
#[case::encrypted_store(
    "<dataStore type='file'><format type='raw'/><source file='/b'><encryption format='luks'/></source></dataStore>",
    "bad-data-store"
)]
#[case::encryption_twice(
    "<encryption format='luks'/><encryption format='luks'/>",
    "duplicate-encryption"
)]
#[case::encryption_without_format("<encryption/>", "missing-element")]
#[case::old_encryption("<encryption format='qcow'/>", "unsupported-element")]
#[case::unknown_encryption("<encryption format='x'/>", "unknown-value")]
#[case::cephs_encryption("<encryption format='luks' engine='librbd'/>", "unsupported-element")]
fn a_source_that_cannot_be_used_is_refused(#[case] inner: &str, #[case] class: &str) {
    let xml = format!(
        "<domain><devices><disk><driver type='qcow2'/><source file='/a'>{inner}</source>\
         <target dev='vda'/></disk></devices></domain>"
    );
    let error = Domain::parse(xml.as_bytes()).unwrap_err();
    assert_eq!(error.fault.as_str(), class, "{error}");
}

/// What stands beside the source of a qcow2 disk, the class, and the column of the fault.
#[rstest]
#[case::second_store("<dataStore type='file'/>", "bad-data-store", 1)]
#[case::mirror(
    "<mirror type='file'><source file='/m'/></mirror>",
    "unsupported-element",
    1
)]
#[case::backing_without_type(
    "<backingStore><format type='raw'/><source file='/b'/></backingStore>",
    "missing-element",
    1
)]
#[case::backing_without_format(
    "<backingStore type='file'><source file='/b'/></backingStore>",
    "missing-element",
    1
)]
#[case::backing_without_source(
    "<backingStore type='file'><format type='raw'/></backingStore>",
    "missing-element",
    1
)]
#[case::store_below_a_raw_layer(
    "<backingStore type='file'><format type='raw'/><source file='/b'><dataStore/></source></backingStore>",
    "bad-data-store",
    65
)]
fn an_element_that_cannot_be_meant_is_refused_with_its_place(
    #[case] beside: &str,
    #[case] class: &str,
    #[case] column: usize,
) {
    let xml = format!(
        "<domain><devices><disk><driver type='qcow2'/><source file='/a'>\
         <dataStore type='file'><format type='raw'/><source file='/s'/></dataStore></source>\n\
         {beside}<target dev='vda'/></disk></devices></domain>"
    );
    let error = Domain::parse(xml.as_bytes()).unwrap_err();
    let found = (error.fault.as_str(), error.line, error.column);
    assert_eq!(found, (class, 2, column), "{error}");
}

#[test]
fn two_disks_with_one_target_are_refused() {
    let disk = "<disk><source file='/a'/><target dev='vda'/></disk>";
    let xml = format!("<domain><devices>{disk}\n{disk}</devices></domain>");
    let error = Domain::parse(xml.as_bytes()).unwrap_err();
    assert_eq!((error.fault.as_str(), error.line), ("duplicate-target", 2));
}

#[rstest]
#[case::unix(
    "<host transport='unix' socket='/s'/>",
    Remote::Nbd { server: NbdServer::Unix { path: "/s".into() }, export: Some("x".into()) }
)]
#[case::inet(
    "<host name='h'/>",
    Remote::Nbd {
        server: NbdServer::Inet { host: "h".into(), port: "10809".into() },
        export: Some("x".into()),
    }
)]
#[case::nowhere("", Remote::Other("nbd".into()))]
fn an_nbd_source_is_read(#[case] host: &str, #[case] remote: Remote) {
    let xml = format!(
        "<domain><devices><disk type='network'><source protocol='nbd' name='x'>{host}</source>\
         <target dev='vda'/></disk></devices></domain>"
    );
    let domain = Domain::parse(xml.as_bytes()).unwrap();
    let location = &domain.disks[0].image.source.location;
    assert_eq!(location, &Location::Remote(remote));
}

#[test]
fn a_document_that_is_too_deep_or_too_large_is_refused() {
    let deep = format!("<domain>{}", "<a>".repeat(100_000));
    let error = Domain::parse(deep.as_bytes()).unwrap_err();
    assert_eq!(error.fault.as_str(), "domain-too-large");
    let attributes: String = (0..200_000)
        .map(|number| format!(" a{number}=''"))
        .collect();
    let error = Domain::parse(format!("<domain{attributes}/>").as_bytes()).unwrap_err();
    assert_eq!(error.fault.as_str(), "malformed-xml");
    let error = Domain::parse(&vec![b' '; (4 << 20) + 1]).unwrap_err();
    assert_eq!(error.fault.as_str(), "domain-too-large");
}

proptest! {
    #[test]
    fn damaged_xml_never_panics(cut in 0..FULL.len(), insert in any::<Vec<u8>>()) {
        let mut bytes = FULL.as_bytes().to_vec();
        bytes.splice(cut..cut, insert);
        let _ = Domain::parse(&bytes);
        let _ = Domain::parse(&FULL.as_bytes()[..cut]);
    }
}

/// Whether another reader takes a document, too; it refuses prefixes that are not declared, which
/// libvirt's reader only reports.
fn is_well_formed(xml: &str) -> bool {
    !matches!(
        roxmltree::Document::parse(xml),
        Err(error) if !matches!(error, roxmltree::Error::UnknownNamespace(..))
    )
}

#[rstest]
#[case::attributes_without_a_space("<domain a='1'b='2'/>")]
#[case::an_end_of_cdata("<domain>]]></domain>")]
#[case::two_hyphens("<domain><!-- -- --></domain>")]
#[case::a_late_declaration(" <?xml version='1.0'?><domain/>")]
#[case::a_declaration_inside("<domain><?xml version='1.0'?></domain>")]
#[case::cdata_before("<![CDATA[]]><domain/>")]
#[case::cdata_behind("<domain/><![CDATA[]]>")]
#[case::a_reference_before("&#32;<domain/>")]
#[case::an_instruction_without_a_name("<domain><?1?></domain>")]
#[case::no_value("<domain a/>")]
#[case::no_quotes("<domain a=1/>")]
#[case::twice("<domain a='1' a='2'/>")]
#[case::an_ampersand("<domain a='&'/>")]
#[case::a_space_before_a_name("< domain/>")]
#[case::a_slash_by_itself("<domain / >")]
fn what_no_reader_takes_is_refused(#[case] xml: &str) {
    assert!(!is_well_formed(xml));
    let error = Domain::parse(xml.as_bytes()).unwrap_err();
    assert_eq!(error.fault.as_str(), "malformed-xml");
}

#[rstest]
#[case::a_declaration("<?xml version='1.0' encoding='UTF-8'?>\n<domain/>")]
#[case::comments_and_instructions("<!-- a --><domain><?a b?><!-- - --></domain><?a?><!---->")]
#[case::quotes_in_values("<domain a='\"' b = \"'\"\nc=''/>")]
#[case::spaces_in_tags("<domain ></domain >")]
#[case::a_prefix("<domain><qemu:a/></domain>")]
fn what_every_reader_takes_is_read(#[case] xml: &str) {
    assert!(is_well_formed(xml));
    Document::parse(xml.as_bytes()).unwrap();
}

proptest! {
    #[test]
    fn what_is_read_is_well_formed(
        cut in 0..FULL.len(),
        insert in "[<>/?!&;#x1a'\" =\\]\\[-]{0,6}",
        gone in 0..4_usize,
    ) {
        let mut text = FULL.to_owned();
        let end = (cut + gone).min(text.len());
        text.replace_range(cut..end, &insert);
        if Document::parse(text.as_bytes()).is_ok() {
            prop_assert!(is_well_formed(&text), "{}", text);
        }
    }
}
