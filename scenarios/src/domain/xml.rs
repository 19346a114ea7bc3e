//! Writes the libvirt XML that the short form of a domain stands for.

use qconform_generators::file_name;
use qconform_generators::recipe::Content;
use quick_xml::Writer;
use quick_xml::events::{BytesEnd, BytesStart, BytesText, Event};

use super::{BackingStore, DiskKind, DiskSpec, DomainSpec, LayerSpec, SecLabel};
use crate::FIXTURE_DIR;
use crate::error::Fault;
use crate::file::{CaseFiles, Owner};

/// The domain as libvirt XML.
pub(super) fn write(
    spec: &DomainSpec,
    files: &CaseFiles,
    identity: (&str, &str),
) -> Result<String, Fault> {
    let mut page = Page {
        writer: Writer::new_with_indent(Vec::new(), b' ', 2),
        files,
    };
    page.domain(spec, identity)?;
    let bytes = page.writer.into_inner();
    String::from_utf8(bytes).map_err(|error| Fault::at(["domain"], error.to_string()))
}

/// Attributes of an element.
type Attributes<'a> = &'a [(&'a str, &'a str)];

/// The XML being written.
struct Page<'a> {
    writer: Writer<Vec<u8>>,
    files: &'a CaseFiles,
}

impl Page<'_> {
    fn domain(&mut self, spec: &DomainSpec, (name, uuid): (&str, &str)) -> Result<(), Fault> {
        self.open("domain", &[("type", "qemu")]);
        self.leaf("name", &[], Some(name));
        self.leaf("uuid", &[], Some(uuid));
        self.leaf("memory", &[("unit", "MiB")], Some("16"));
        self.open("os", &[]);
        self.leaf("type", &[("arch", "i686"), ("machine", "q35")], Some("hvm"));
        self.close("os");
        self.open("devices", &[]);
        for (index, disk) in spec.disks.iter().enumerate() {
            let outer = index.to_string();
            self.disk(disk, index)
                .map_err(|fault| fault.inside(["domain", "disks", &outer]))?;
        }
        self.close("devices");
        for text in &spec.seclabels {
            let label = SecLabel::parse(text)
                .map_err(|message| Fault::at(["domain", "seclabels"], message))?;
            self.domain_seclabel(&label);
        }
        self.close("domain");
        Ok(())
    }

    fn disk(&mut self, disk: &DiskSpec, index: usize) -> Result<(), Fault> {
        let device = match disk.kind {
            DiskKind::Cdrom => "cdrom",
            DiskKind::Floppy => "floppy",
            _ => "disk",
        };
        self.open("disk", &[("type", "file"), ("device", device)]);
        match disk.format.as_deref() {
            Some("none") => self.leaf("driver", &[("name", "qemu")], None),
            format => {
                let format = format.unwrap_or("qcow2");
                self.leaf("driver", &[("name", "qemu"), ("type", format)], None);
            }
        }
        self.source(
            &disk.source,
            &disk.seclabels,
            disk.data_store.as_deref(),
            &disk.data_store_seclabels,
        )?;
        self.layers(&disk.layers, disk.backing_store)?;
        let (target, bus) = target(disk, index);
        self.leaf("target", &[("dev", &target), ("bus", bus)], None);
        match disk.kind {
            DiskKind::Readonly | DiskKind::Cdrom => self.leaf("readonly", &[], None),
            DiskKind::Shareable => self.leaf("shareable", &[], None),
            DiskKind::Transient => self.leaf("transient", &[], None),
            DiskKind::Rw | DiskKind::Floppy => {}
        }
        self.close("disk");
        Ok(())
    }

    fn layers(&mut self, layers: &[LayerSpec], end: BackingStore) -> Result<(), Fault> {
        for layer in layers {
            self.open("backingStore", &[("type", "file")]);
            self.leaf(
                "format",
                &[("type", layer.format.as_deref().unwrap_or("qcow2"))],
                None,
            );
            let store = layer.data_store.as_deref();
            self.source(
                &layer.source,
                &layer.seclabels,
                store,
                &layer.data_store_seclabels,
            )?;
        }
        if end == BackingStore::Terminated {
            self.leaf("backingStore", &[], None);
        }
        for _ in layers {
            self.close("backingStore");
        }
        Ok(())
    }

    fn source(
        &mut self,
        file: &str,
        seclabels: &[String],
        data_store: Option<&str>,
        store_seclabels: &[String],
    ) -> Result<(), Fault> {
        let store = self.data_store(file, data_store)?;
        let path = absolute(file)?;
        if store.is_none() && !store_seclabels.is_empty() {
            return Err(Fault::at(
                ["data-store-seclabels"],
                "only a declared data store can have a label",
            ));
        }
        if store.is_none() && seclabels.is_empty() {
            self.leaf("source", &[("file", &path)], None);
            return Ok(());
        }
        self.open("source", &[("file", &path)]);
        self.seclabels(seclabels)?;
        if let Some(store) = store {
            self.open("dataStore", &[("type", "file")]);
            self.leaf("format", &[("type", "raw")], None);
            self.source(&store, store_seclabels, None, &[])?;
            self.close("dataStore");
        }
        self.close("source");
        Ok(())
    }

    fn seclabels(&mut self, seclabels: &[String]) -> Result<(), Fault> {
        for text in seclabels {
            let seclabel = SecLabel::parse(text).map_err(|m| Fault::at(["seclabels"], m))?;
            let model = seclabel.model.as_str();
            let Some(label) = &seclabel.label else {
                self.leaf("seclabel", &[("model", model), ("relabel", "no")], None);
                continue;
            };
            self.open("seclabel", &[("model", model), ("relabel", "yes")]);
            self.leaf("label", &[], Some(&xml_label(model, label)));
            self.close("seclabel");
        }
        Ok(())
    }

    fn domain_seclabel(&mut self, seclabel: &SecLabel) {
        let model = seclabel.model.as_str();
        let Some(label) = &seclabel.label else {
            self.leaf("seclabel", &[("type", "none"), ("model", model)], None);
            return;
        };
        self.open(
            "seclabel",
            &[("type", "static"), ("model", model), ("relabel", "yes")],
        );
        self.leaf("label", &[], Some(&xml_label(model, label)));
        self.close("seclabel");
    }

    /// The file that `data-store` declares for an image; `None` if it declares none.
    fn data_store(&self, image: &str, spec: Option<&str>) -> Result<Option<String>, Fault> {
        let fault = |message: String| Fault::at(["data-store"], message);
        match spec {
            None | Some("detected") => Ok(None),
            Some("declared") => self.header_name(image).map(Some).ok_or_else(|| {
                fault(format!(
                    "the header of `{image}` names no data file: say `declared FILE`"
                ))
            }),
            Some(text) => match text.strip_prefix("declared ") {
                Some(file) => Ok(Some(file.to_owned())),
                None => Err(fault(format!(
                    "`{text}` is not detected, declared or `declared FILE`"
                ))),
            },
        }
    }

    /// The data file that an image's recipe names, as a file of the fixture.
    fn header_name(&self, image: &str) -> Option<String> {
        let Content::Qcow2(recipe) = &self.files.get(image)?.content else {
            return None;
        };
        let name = recipe.data_file.as_ref()?.as_text()?;
        let name = file_name::text(name.as_bytes());
        let inside = name.strip_prefix(FIXTURE_DIR);
        if let Some(name) = inside.and_then(|name| name.strip_prefix('/')) {
            return Some(name.to_owned());
        }
        let folder = image.rsplit_once('/').map(|(folder, _)| folder);
        Some(folder.map_or_else(|| name.clone(), |folder| format!("{folder}/{name}")))
    }

    fn open(&mut self, name: &str, attributes: Attributes<'_>) {
        let start = BytesStart::new(name).with_attributes(attributes.iter().copied());
        self.event(Event::Start(start));
    }

    fn close(&mut self, name: &str) {
        self.event(Event::End(BytesEnd::new(name)));
    }

    fn leaf(&mut self, name: &str, attributes: Attributes<'_>, text: Option<&str>) {
        let element = self
            .writer
            .create_element(name)
            .with_attributes(attributes.iter().copied());
        let _infallible = match text {
            Some(text) => element.write_text_content(BytesText::new(text)).map(|_| ()),
            None => element.write_empty().map(|_| ()),
        };
    }

    /// Writing to memory can't fail.
    fn event(&mut self, event: Event<'_>) {
        let _infallible = self.writer.write_event(event);
    }
}

/// libvirt reads `+uid:+gid` as numbers and anything else as names first.
fn xml_label(model: &str, label: &str) -> String {
    match Owner::parse(label) {
        Some(owner) if model == "dac" => format!("+{}:+{}", owner.uid, owner.gid),
        _ => label.to_owned(),
    }
}

/// The absolute path of a file of the fixture, as XML has it.
pub(crate) fn absolute(file: &str) -> Result<String, Fault> {
    let name = file_name::bytes(file).and_then(|name| String::from_utf8(name).ok());
    let name = name
        .ok_or_else(|| Fault::at(["source"], format!("XML can't hold the file name `{file}`")))?;
    Ok(format!("{FIXTURE_DIR}/{name}"))
}

/// Target device and bus of the disk at this place.
pub(super) fn target(disk: &DiskSpec, index: usize) -> (String, &'static str) {
    let letter = letter(index);
    match disk.kind {
        DiskKind::Cdrom => (format!("sd{letter}"), "sata"),
        DiskKind::Floppy => (format!("fd{letter}"), "fdc"),
        _ => (format!("vd{letter}"), "virtio"),
    }
}

fn letter(index: usize) -> char {
    char::from(b'a' + u8::try_from(index % 26).unwrap_or(0))
}
