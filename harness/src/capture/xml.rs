//! The domain as a scenario has it: what relabelling reads, and nothing else.

use std::fmt::Write as _;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use qconform_scenarios::domain::DOMAIN_UUID;
use quick_xml::escape::escape;

use super::CaptureError;
use super::place::Place;
use super::state::Ids;
use crate::reference::domain::{
    DeclaredBacking, Disk, Domain, DomainLabel, DriverOptions, Image, Location, Model, NbdServer,
    Remote, Source, SourceLabel,
};

/// The domain with the fixture's names and the sandbox's ids.
pub(super) fn rewritten(
    domain: &Domain,
    place: &mut Place,
    ids: &Ids,
) -> Result<Domain, CaptureError> {
    let mut new = domain.clone();
    new.name = place.word(&domain.name);
    if place.is_anonymous() {
        new.uuid = domain.uuid.as_ref().map(|_| DOMAIN_UUID.to_owned());
    }
    new.seclabels
        .retain(|label| label.model != Some(Model::Other));
    for label in &mut new.seclabels {
        if label.model == Some(Model::Dac) {
            let map = |text: &mut String| *text = ids.label(text);
            label.label.iter_mut().for_each(map);
            label.image_label.iter_mut().for_each(map);
        }
    }
    for disk in &mut new.disks {
        // Relabelling doesn't depend on them.
        disk.options = DriverOptions::default();
        rewrite_image(&mut disk.image, place, ids)?;
    }
    Ok(new)
}

fn rewrite_image(image: &mut Image, place: &mut Place, ids: &Ids) -> Result<(), CaptureError> {
    rewrite_source(&mut image.source, place, ids)?;
    if let Some(store) = &mut image.data_store {
        rewrite_source(&mut store.source, place, ids)?;
    }
    match &mut image.backing {
        DeclaredBacking::Image(below) => rewrite_image(below, place, ids),
        DeclaredBacking::Open | DeclaredBacking::Terminated => Ok(()),
    }
}

fn rewrite_source(source: &mut Source, place: &mut Place, ids: &Ids) -> Result<(), CaptureError> {
    for label in &mut source.seclabels {
        if label.model == Model::Dac {
            label
                .label
                .iter_mut()
                .for_each(|text| *text = ids.label(text));
        }
    }
    match &mut source.location {
        Location::None => {}
        Location::Local { path, block } => {
            *path = moved(path, place)?;
            // A block device can't be part of a fixture.
            *block = false;
        }
        Location::Remote(remote) => *remote = nowhere(),
    }
    Ok(())
}

/// What stands for every remote source: its name may have a password in it.
fn nowhere() -> Remote {
    Remote::Nbd {
        server: NbdServer::Inet {
            host: "remote.invalid".to_owned(),
            port: "10809".to_owned(),
        },
        export: Some("remote".to_owned()),
    }
}

fn moved(path: &Path, place: &mut Place) -> Result<PathBuf, CaptureError> {
    let inexpressible = || CaptureError::Inexpressible {
        message: format!("{} has no name in the fixture", path.display()),
    };
    let absolute = if path.is_absolute() {
        path.to_owned()
    } else {
        let here = std::env::current_dir();
        here.map_err(|_| inexpressible())?.join(path)
    };
    let moved = place.moved(absolute.as_os_str().as_bytes());
    moved.map(PathBuf::from).ok_or_else(inexpressible)
}

/// Writes the XML. Braces are written as numbers, except in `{dir}`, so that nobody takes what
/// they enclose for an axis.
pub(super) fn write(domain: &Domain) -> String {
    let mut page = Page::default();
    page.open("domain type='qemu'");
    page.leaf("name", &domain.name);
    if let Some(uuid) = &domain.uuid {
        page.leaf("uuid", uuid);
    }
    page.line("<memory unit='MiB'>16</memory>");
    page.line("<os><type arch='i686' machine='q35'>hvm</type></os>");
    page.open("devices");
    domain.disks.iter().for_each(|disk| page.disk(disk));
    page.close("devices");
    domain
        .seclabels
        .iter()
        .for_each(|label| page.domain_label(label));
    page.close("domain");
    let braces = page.text.replace("{dir}", "\0").replace('{', "&#123;");
    braces.replace('\0', "{dir}")
}

#[derive(Default)]
struct Page {
    text: String,
    depth: usize,
}

impl Page {
    fn line(&mut self, line: &str) {
        let indent = self.depth * 2;
        let _infallible = writeln!(self.text, "{:indent$}{line}", "");
    }

    fn open(&mut self, tag: &str) {
        self.line(&format!("<{tag}>"));
        self.depth += 1;
    }

    fn close(&mut self, name: &str) {
        self.depth -= 1;
        self.line(&format!("</{name}>"));
    }

    fn leaf(&mut self, name: &str, text: &str) {
        self.line(&format!("<{name}>{}</{name}>", escape(text)));
    }

    fn disk(&mut self, disk: &Disk) {
        let target = escape(&disk.target);
        let bus = match target.get(..2) {
            Some("fd") => "fdc",
            Some("hd") => "ide",
            Some("sd") => "sata",
            _ => "virtio",
        };
        let device = match (disk.cdrom, bus) {
            (true, _) => "cdrom",
            (false, "fdc") => "floppy",
            (false, _) => "disk",
        };
        self.open(&format!(
            "disk type='{}' device='{device}'",
            kind(&disk.image.source)
        ));
        self.line(&format!(
            "<driver name='qemu' type='{}'/>",
            disk.image.format
        ));
        self.image(&disk.image);
        self.line(&format!("<target dev='{target}' bus='{bus}'/>"));
        let flags = [
            (disk.readonly, "<readonly/>"),
            (disk.shareable, "<shareable/>"),
            (disk.transient, "<transient/>"),
        ];
        for (_, flag) in flags.into_iter().filter(|(set, _)| *set) {
            self.line(flag);
        }
        self.close("disk");
    }

    /// The source and what is below it.
    fn image(&mut self, image: &Image) {
        self.open_source(&image.source);
        if let Some(store) = &image.data_store {
            self.open(&format!("dataStore type='{}'", kind(&store.source)));
            self.line("<format type='raw'/>");
            self.open_source(&store.source);
            self.close("source");
            self.close("dataStore");
        }
        self.close("source");
        match &image.backing {
            DeclaredBacking::Open => {}
            DeclaredBacking::Terminated => self.line("<backingStore/>"),
            DeclaredBacking::Image(below) => {
                self.open(&format!("backingStore type='{}'", kind(&below.source)));
                self.line(&format!("<format type='{}'/>", below.format));
                self.image(below);
                self.close("backingStore");
            }
        }
    }

    fn open_source(&mut self, source: &Source) {
        match &source.location {
            Location::Local { path, .. } => {
                let path = path.to_string_lossy();
                self.open(&format!("source file='{}'", escape(path.as_ref())));
            }
            Location::None => self.open("source"),
            // Rewritten to lead nowhere.
            Location::Remote(_) => {
                self.open("source protocol='nbd' name='remote'");
                self.line("<host name='remote.invalid'/>");
            }
        }
        source
            .seclabels
            .iter()
            .for_each(|label| self.source_label(label));
    }

    fn source_label(&mut self, label: &SourceLabel) {
        let relabel = yes_or_no(label.relabel);
        self.open(&format!(
            "seclabel model='{}' relabel='{relabel}'",
            model(label.model)
        ));
        if let Some(text) = &label.label {
            self.leaf("label", text);
        }
        self.close("seclabel");
    }

    fn domain_label(&mut self, label: &DomainLabel) {
        let Some(driver) = label.model else {
            self.line("<seclabel type='none'/>");
            return;
        };
        let kind = if label.label.is_some() {
            "static"
        } else {
            "dynamic"
        };
        let (model, relabel) = (model(driver), yes_or_no(label.relabel));
        self.open(&format!(
            "seclabel type='{kind}' model='{model}' relabel='{relabel}'"
        ));
        if let Some(text) = &label.label {
            self.leaf("label", text);
        }
        if let Some(text) = &label.image_label {
            self.leaf("imagelabel", text);
        }
        self.close("seclabel");
    }
}

fn kind(source: &Source) -> &'static str {
    match source.location {
        Location::Remote(_) => "network",
        Location::None | Location::Local { .. } => "file",
    }
}

fn model(model: Model) -> &'static str {
    match model {
        Model::Dac => "dac",
        Model::Selinux => "selinux",
        Model::Other => "other",
    }
}

fn yes_or_no(flag: bool) -> &'static str {
    if flag { "yes" } else { "no" }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::a_data_store(
        "<disk type='file'><driver type='qcow2'/><source file='/a &amp; {b}'>\
         <seclabel model='dac' relabel='no'/><dataStore type='file'><format type='raw'/>\
         <source file='/c'><seclabel model='selinux'><label>a:b:c:s0</label></seclabel></source>\
         </dataStore></source><target dev='vda'/><readonly/></disk>",
        ""
    )]
    #[case::layers(
        "<disk type='file' device='cdrom'><driver type='qcow2'/><source file='/a'/>\
         <backingStore type='file'><format type='qcow2'/><source file='/b'/>\
         <backingStore type='network'><format type='raw'/>\
         <source protocol='nbd' name='remote'><host name='remote.invalid'/></source>\
         <backingStore/></backingStore></backingStore><target dev='sda'/></disk>",
        ""
    )]
    #[case::labels(
        "<disk><source file='/a'/><target dev='fda'/><shareable/></disk>",
        "<seclabel type='static' model='dac'><label>+1:+2</label></seclabel>\
         <seclabel model='selinux' relabel='no'/><seclabel type='none'/>"
    )]
    fn what_is_written_reads_back(#[case] disk: &str, #[case] labels: &str) {
        let xml = format!(
            "<domain type='kvm'><name>v</name><uuid>u</uuid><devices>{disk}</devices>{labels}</domain>"
        );
        let domain = Domain::parse(xml.as_bytes()).unwrap();
        let written = write(&domain);
        assert!(!written.contains("{b}"));
        assert_eq!(Domain::parse(written.as_bytes()), Ok(domain));
    }
}
