//! Random disks of a domain, with every file that they may come to use.

use std::fmt::Write as _;

use proptest::prelude::*;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Writable,
    ReadOnly,
    Shareable,
    Transient,
}

/// A `<seclabel>`, in short.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Label {
    None,
    DacNo,
    SelinuxNo,
    Dac,
    Both,
}

impl Label {
    fn xml(self) -> &'static str {
        match self {
            Self::None => "",
            Self::DacNo => "<seclabel model='dac' relabel='no'/>",
            Self::SelinuxNo => "<seclabel model='selinux' relabel='no'/>",
            Self::Dac => "<seclabel model='dac'><label>+1234:+1235</label></seclabel>",
            Self::Both => {
                "<seclabel model='dac'><label>+1234:+1235</label></seclabel>\
                 <seclabel model='selinux'><label>u:r:own_t:s0</label></seclabel>"
            }
        }
    }
}

/// A disk with the layers that it may have, base first.
#[derive(Debug, Clone)]
pub(super) struct Disk {
    pub(super) kind: Kind,
    pub(super) label: Label,
    /// Whether each layer has a data file.
    pub(super) layers: Vec<bool>,
    /// Whether the lowest layer is over the base that all disks share.
    pub(super) common: bool,
    /// Whether the top's data file is declared.
    pub(super) declared: bool,
    /// Top layer in use, as a number of layers from the base.
    pub(super) top: usize,
    pub(super) present: bool,
    /// Whether the layer below the top is written.
    pub(super) job: bool,
}

pub(super) fn disks() -> impl Strategy<Value = Disk> {
    let kind = prop_oneof![
        4 => Just(Kind::Writable),
        1 => Just(Kind::ReadOnly),
        1 => Just(Kind::Shareable),
        1 => Just(Kind::Transient),
    ];
    let label = prop_oneof![
        5 => Just(Label::None),
        1 => Just(Label::DacNo),
        1 => Just(Label::SelinuxNo),
        1 => Just(Label::Dac),
        1 => Just(Label::Both),
    ];
    let layers = prop::collection::vec(prop::bool::ANY, 1..=4);
    (
        kind,
        label,
        layers,
        prop::bool::ANY,
        prop::bool::ANY,
        prop::bool::ANY,
        0_usize..4,
    )
        .prop_map(
            |(kind, label, layers, common, declared, present, top)| Disk {
                top: top % layers.len(),
                kind,
                label,
                layers,
                common,
                declared,
                present,
                job: false,
            },
        )
}

impl Disk {
    /// The disk of that number as domain XML; `$D` stands for the folder.
    pub(super) fn xml(&self, number: usize) -> String {
        let name = image(number, self.top);
        let store = format!(
            "<dataStore type='file'><format type='raw'/><source file='$D/{}'/></dataStore>",
            name.replace("qcow2", "raw")
        );
        let store = match self.declared && self.layers[self.top] {
            true => store.as_str(),
            false => "",
        };
        let kind = match self.kind {
            Kind::Writable => "",
            Kind::ReadOnly => "<readonly/>",
            Kind::Shareable => "<shareable/>",
            Kind::Transient => "<transient/>",
        };
        let mut xml = String::new();
        let _infallible = write!(
            xml,
            "<disk type='file' device='disk'><driver name='qemu' type='qcow2'/>\
             <source file='$D/{name}'>{}{store}</source>{kind}<target dev='{}'/></disk>",
            self.label.xml(),
            target(number)
        );
        xml
    }
}

pub(super) fn image(disk: usize, layer: usize) -> String {
    format!("d{disk}-{layer}.qcow2")
}

pub(super) fn target(disk: usize) -> String {
    format!("vd{}", char::from(b'a' + u8::try_from(disk).unwrap()))
}
