//! Compares the XML of a domain, layer by layer, with what has to stand in it.
//!
//! It is read here with a reader of its own, so that a mistake in the reference's isn't shared.

use qconform_reports::event::Difference;
use qconform_scenarios::expect::XmlLayer;
use qconform_scenarios::verdict::Verdict;
use roxmltree::{Document, Node};

use super::access::relative;
use super::{Compared, bystander, difference};
use crate::subject::Facts;

/// More elements than any domain has.
const NODES_MAX: u32 = 100_000;

pub(super) fn compare(wanted: &[XmlLayer], facts: &Facts) -> Compared {
    let Facts::Xml { xml } = facts else {
        let other = difference("answer", "XML of a domain", "something else");
        return (vec![other], Verdict::Fail);
    };
    let mut seen = match layers(xml) {
        Ok(seen) => seen,
        Err(error) => {
            let no_xml = difference("answer", "well-formed XML", error.to_string());
            return (vec![no_xml], Verdict::Fail);
        }
    };
    leave_out_overlays(&mut seen);
    let mut differences = Vec::new();
    for wanted in wanted {
        match seen.iter().position(|layer| layer.file == wanted.file) {
            Some(at) => differences.extend(between(wanted, &seen.swap_remove(at))),
            None => differences.push(difference(&wanted.file, "a layer of the XML", "not found")),
        }
    }
    let extra = seen.iter();
    differences.extend(extra.map(|layer| difference(&layer.file, "no layer of the XML", "there")));
    (differences, Verdict::Fail)
}

/// Takes away the overlays into which transient disks are written: while one is there, the disk's own
/// image lies below it. An overlay that isn't plain qcow2 stays, as what it is.
fn leave_out_overlays(layers: &mut Vec<XmlLayer>) {
    let mut at = 0;
    while let Some([overlay, image]) = layers.get_mut(at..at + 2) {
        let plain = overlay.format.as_deref() == Some("qcow2") && overlay.data_store.is_none();
        let images = [image.file.clone()];
        if plain && is_transient(overlay) && bystander::is_overlay(&overlay.file, &images) {
            image.disk = overlay.disk.take();
            layers.remove(at);
        }
        at += 1;
    }
}

/// How a layer differs from the one that is wanted.
fn between(wanted: &XmlLayer, seen: &XmlLayer) -> Vec<Difference> {
    let text = |value: &Option<String>| value.clone().unwrap_or_else(|| "none".to_owned());
    let labels = |value: &Option<Vec<String>>| match value.as_deref() {
        None | Some([]) => "none".to_owned(),
        Some(labels) => labels.join("; "),
    };
    let file = &wanted.file;
    let mut pairs = vec![
        ("format", text(&wanted.format), text(&seen.format)),
        ("disk", text(&wanted.disk), text(&seen.disk)),
        (
            "data store",
            text(&wanted.data_store),
            text(&seen.data_store),
        ),
        ("backing store", text(&wanted.backing), text(&seen.backing)),
    ];
    if wanted.seclabels.is_some() {
        let pair = (labels(&wanted.seclabels), labels(&seen.seclabels));
        pairs.push(("seclabels", pair.0, pair.1));
    }
    if wanted.data_store_seclabels.is_some() {
        let (wanted, seen) = (&wanted.data_store_seclabels, &seen.data_store_seclabels);
        pairs.push(("data store's seclabels", labels(wanted), labels(seen)));
    }
    let differing = pairs.into_iter().filter(|(_, wanted, seen)| wanted != seen);
    differing
        .map(|(what, wanted, seen)| difference(format!("{file} {what}"), wanted, seen))
        .collect()
}

/// The layers of every disk that lies in a file. Reading ends where a source is none.
fn layers(xml: &str) -> Result<Vec<XmlLayer>, roxmltree::Error> {
    let options = roxmltree::ParsingOptions {
        nodes_limit: NODES_MAX,
        ..roxmltree::ParsingOptions::default()
    };
    let document = Document::parse_with_options(xml, options)?;
    let devices = document.root_element().children();
    let devices = devices.filter(|node| node.has_tag_name("devices"));
    let mut found = Vec::new();
    for disk in devices.flat_map(|devices| devices.children()) {
        if disk.has_tag_name("disk") {
            of_disk(disk, &mut found);
        }
    }
    Ok(found)
}

fn of_disk(disk: Node<'_, '_>, found: &mut Vec<XmlLayer>) {
    let mut next = Some(disk);
    while let Some(layer) = next {
        let Some(source) = child(layer, "source").filter(|source| file(*source).is_some()) else {
            return;
        };
        let below = child(layer, "backingStore");
        let store = child(source, "dataStore");
        let store_source = store.and_then(|store| child(store, "source"));
        found.push(XmlLayer {
            file: file(source).unwrap_or_default(),
            format: format(layer),
            disk: layer.has_tag_name("disk").then(|| kind(layer)),
            data_store: store.map(data_store),
            backing: below.map(|below| {
                let below = child(below, "source").and_then(file);
                below.unwrap_or_else(|| "end".to_owned())
            }),
            seclabels: Some(seclabels(source)),
            data_store_seclabels: store_source.map(seclabels),
        });
        next = below;
    }
}

/// The images of a domain's transient disks. What can't be read has none.
pub(super) fn transient_images(xml: &str) -> Vec<String> {
    // Of thousands of cases few have one, and this saves those the reading.
    if !xml.contains("<transient") {
        return Vec::new();
    }
    let layers = layers(xml).unwrap_or_default().into_iter();
    let transient = layers.filter(is_transient);
    transient.map(|layer| layer.file).collect()
}

fn is_transient(layer: &XmlLayer) -> bool {
    let disk = layer.disk.as_deref().unwrap_or_default();
    disk.split(' ').any(|word| word == "transient")
}

fn child<'a, 'i>(node: Node<'a, 'i>, name: &str) -> Option<Node<'a, 'i>> {
    node.children().find(|child| child.has_tag_name(name))
}

fn file(source: Node<'_, '_>) -> Option<String> {
    let path = source.attribute("file").or_else(|| source.attribute("dev"));
    path.map(relative)
}

fn format(layer: Node<'_, '_>) -> Option<String> {
    let element = match layer.has_tag_name("disk") {
        true => child(layer, "driver"),
        false => child(layer, "format"),
    };
    Some(element?.attribute("type")?.to_owned())
}

/// The device with what makes it other than writable by one domain.
fn kind(disk: Node<'_, '_>) -> String {
    let device = disk.attribute("device").unwrap_or("disk");
    let words = ["readonly", "shareable", "transient"];
    let words = words.iter().filter(|word| child(disk, word).is_some());
    words.fold(device.to_owned(), |text, word| format!("{text} {word}"))
}

/// The data store's file; with its format where that isn't the only one that there is.
fn data_store(store: Node<'_, '_>) -> String {
    let file = child(store, "source").and_then(file);
    let file = file.unwrap_or_else(|| "without a file".to_owned());
    match format(store).as_deref() {
        Some("raw") => file,
        other => format!("{file} (format {})", other.unwrap_or("missing")),
    }
}

/// `MODEL no` or `MODEL LABEL`, sorted.
fn seclabels(source: Node<'_, '_>) -> Vec<String> {
    let elements = source.children().filter(|it| it.has_tag_name("seclabel"));
    let short = |element: Node<'_, '_>| {
        let model = element.attribute("model").unwrap_or("selinux");
        let label = child(element, "label").and_then(|label| label.text());
        match (element.attribute("relabel"), label.map(str::trim)) {
            (Some("no"), _) => format!("{model} no"),
            (_, Some(label)) if model == "dac" => format!("dac {}", label.replace('+', "")),
            (_, label) => format!("{model} {}", label.unwrap_or_default()),
        }
    };
    let mut labels: Vec<String> = elements.map(short).collect();
    labels.sort_unstable();
    labels
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    const RIGHT: &str = "<domain><devices><disk device='cdrom'><driver type='qcow2'/>\
        <source file='/fixture/top'><seclabel model='dac'><label>+1:+2</label></seclabel>\
        <seclabel relabel='no'/>\
        <dataStore><format type='raw'/><source file='/fixture/data'/></dataStore></source>\
        <backingStore><format type='raw'/><source file='/fixture/base'/><backingStore/></backingStore>\
        <readonly/></disk><disk><source protocol='nbd'/></disk></devices></domain>";

    fn wanted() -> Vec<XmlLayer> {
        let text = |text: &str| Some(text.to_owned());
        vec![
            XmlLayer {
                file: "top".to_owned(),
                format: text("qcow2"),
                disk: text("cdrom readonly"),
                data_store: text("data"),
                backing: text("base"),
                seclabels: Some(vec!["dac 1:2".to_owned(), "selinux no".to_owned()]),
                data_store_seclabels: Some(Vec::new()),
            },
            XmlLayer {
                file: "base".to_owned(),
                format: text("raw"),
                backing: text("end"),
                ..XmlLayer::default()
            },
        ]
    }

    #[rstest]
    #[case::as_required("", "", &[])]
    #[case::another_format("<driver type='qcow2'", "<driver type='raw'", &["top format"])]
    #[case::no_format("<format type='raw'/><source file='/fixture/base'", "<source file='/fixture/base'", &["base format"])]
    #[case::writable("<readonly/>", "", &["top disk"])]
    #[case::another_device("device='cdrom'", "", &["top disk"])]
    #[case::another_store("/fixture/data", "/fixture/other", &["top data store"])]
    #[case::a_store_that_is_no_raw_file("<dataStore><format type='raw'", "<dataStore><format type='qcow2'", &["top data store"])]
    #[case::an_open_end("<backingStore/>", "", &["base backing store"])]
    #[case::a_label_less("<seclabel relabel='no'/>", "", &["top seclabels"])]
    #[case::another_label("+1:+2", "1:3", &["top seclabels"])]
    #[case::another_layer("/fixture/base", "/fixture/x", &["top backing store", "base", "x"])]
    #[case::no_xml("</domain>", "", &["answer"])]
    #[case::an_entity("<domain>", "<!DOCTYPE d [<!ENTITY x 'y'>]><domain>", &["answer"])]
    fn layers_are_compared(#[case] from: &str, #[case] to: &str, #[case] places: &[&str]) {
        assert!(RIGHT.contains(from));
        let xml = RIGHT.replacen(from, to, 1);
        let (differences, _) = compare(&wanted(), &Facts::Xml { xml });
        let found: Vec<&str> = differences.iter().map(|it| it.place.as_str()).collect();
        assert_eq!(found, places);
    }

    const TRANSIENT: &str = "<domain><devices><disk><driver type='qcow2'/>\
        <source file='/fixture/top.TRANSIENT-x'/>\
        <backingStore><format type='qcow2'/><source file='/fixture/top'/><backingStore/></backingStore>\
        <transient/></disk></devices></domain>";

    #[rstest]
    #[case::as_it_is("", "", &[])]
    #[case::a_disk_that_keeps_what_is_written("<transient/>", "", &["top disk", "top.TRANSIENT-x"])]
    #[case::another_name("TRANSIENT-x", "x", &["top disk", "top.x"])]
    #[case::another_format("'qcow2'/><source file='/fixture/top.", "'raw'/><source file='/fixture/top.", &["top disk", "top.TRANSIENT-x"])]
    #[case::over_nothing("<source file='/fixture/top'/>", "<source file='/fixture/x'/>", &["top", "top.TRANSIENT-x", "x"])]
    #[case::an_image_of_another_format("<format type='qcow2'/>", "<format type='raw'/>", &["top format"])]
    #[case::an_open_end("<backingStore/>", "", &["top backing store"])]
    fn an_overlay_of_a_transient_disk_stands_for_its_image(
        #[case] from: &str,
        #[case] to: &str,
        #[case] places: &[&str],
    ) {
        assert!(TRANSIENT.contains(from));
        let wanted = XmlLayer {
            file: "top".to_owned(),
            format: Some("qcow2".to_owned()),
            disk: Some("disk transient".to_owned()),
            backing: Some("end".to_owned()),
            ..XmlLayer::default()
        };
        let xml = TRANSIENT.replacen(from, to, 1);
        let (differences, _) = compare(&[wanted], &Facts::Xml { xml });
        let found: Vec<&str> = differences.iter().map(|it| it.place.as_str()).collect();
        assert_eq!(found, places);
    }

    #[rstest]
    #[case::as_it_is("", "", &[])]
    #[case::one("<readonly/>", "<readonly/><transient/>", &["top"])]
    #[case::a_comment("<readonly/>", "<!-- <transient/> -->", &[])]
    #[case::elsewhere("</devices>", "<transient/></devices>", &[])]
    fn a_disk_is_transient_where_its_own_element_says_so(
        #[case] from: &str,
        #[case] to: &str,
        #[case] images: &[&str],
    ) {
        assert_eq!(transient_images(&RIGHT.replacen(from, to, 1)), images);
    }

    #[rstest]
    #[case::without_a_model("<seclabel><label>a:b:c+d:s0</label></seclabel>", &["selinux a:b:c+d:s0"])]
    #[case::with_space("<seclabel model='selinux'><label> a:b:c:s0 </label></seclabel>", &["selinux a:b:c:s0"])]
    #[case::without_a_label("<seclabel model='dac' relabel='yes'/>", &["dac "])]
    #[case::sorted("<seclabel relabel='no'/><seclabel model='dac'><label>+1:2</label></seclabel>", &["dac 1:2", "selinux no"])]
    #[case::no_in_spite_of_a_label("<seclabel model='dac' relabel='no'><label>1:2</label></seclabel>", &["dac no"])]
    #[case::of_the_store_only("<dataStore><source file='d'><seclabel relabel='no'/></source></dataStore>", &[])]
    fn labels_are_told_in_short(#[case] inside: &str, #[case] short: &[&str]) {
        let source = format!("<source file='/fixture/top'>{inside}</source>");
        let xml = format!("<domain><devices><disk>{source}</disk></devices></domain>");
        let found = layers(&xml).unwrap();
        assert_eq!(found[0].seclabels.as_deref().unwrap(), short);
    }

    #[rstest]
    #[case::of_another_format("<format type='qcow2'/><source file='d'/>", "d (format qcow2)")]
    #[case::without_a_format("<source file='/fixture/d'/>", "d (format missing)")]
    #[case::a_device("<format type='raw'/><source dev='/dev/d'/>", "/dev/d")]
    #[case::without_a_file("<format type='raw'/>", "without a file")]
    fn a_store_is_told_by_its_file(#[case] inside: &str, #[case] told: &str) {
        let source = format!("<source file='top'><dataStore>{inside}</dataStore></source>");
        let xml = format!("<domain><devices><disk>{source}</disk></devices></domain>");
        let found = layers(&xml).unwrap();
        assert_eq!(found[0].data_store.as_deref(), Some(told));
    }

    #[rstest]
    #[case::deep_and_open("<a>".repeat(200_000), "answer")]
    #[case::deep(format!("{}{}", "<a>".repeat(90_000), "</a>".repeat(90_000)), "top")]
    #[case::large(format!("<a>{}</a>", "<b/>".repeat(200_000)), "answer")]
    fn a_document_of_any_depth_or_size_is_no_crash(#[case] xml: String, #[case] place: &str) {
        let (differences, _) = compare(&wanted(), &Facts::Xml { xml });
        assert_eq!(differences[0].place, place);
    }
}
