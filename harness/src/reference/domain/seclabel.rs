//! `<seclabel>`, at a domain and at a source.

use super::error::{DomainError, DomainFault};
use super::fault::{unknown, yes_or_no};
use super::tree::Element;
use super::{DomainLabel, Model, SourceLabel};

type Result<T> = std::result::Result<T, DomainError>;

/// The labels of a domain: at most one for each driver.
pub(super) fn of_domain(root: &Element) -> Result<Vec<DomainLabel>> {
    let mut labels: Vec<DomainLabel> = Vec::new();
    for element in root.children("seclabel") {
        let label = domain_label(element)?;
        let twice = label.model != Some(Model::Other)
            && labels.iter().any(|other| other.model == label.model);
        if twice {
            return Err(element.error(DomainFault::DuplicateLabel));
        }
        labels.push(label);
    }
    Ok(labels)
}

fn domain_label(element: &Element) -> Result<DomainLabel> {
    let kind = element.attribute("type").unwrap_or("dynamic");
    let model = element.attribute("model");
    let default = match kind {
        "dynamic" => true,
        // With a static label, files are the administrator's business unless asked for.
        "static" | "none" => false,
        other => return Err(unknown(element, "seclabel type", other)),
    };
    let relabel = yes_or_no(element, "relabel")?.unwrap_or(default);
    let text = |name| element.child(name).map(Element::text);
    Ok(DomainLabel {
        model: match model {
            // A refusal that names no driver is meant for all, a label can only be SELinux's.
            Some("none") => None,
            None if kind == "none" => None,
            name => Some(name.map_or(Model::Selinux, model_of)),
        },
        relabel: relabel && kind != "none" && model != Some("none"),
        label: text("label"),
        image_label: text("imagelabel"),
    })
}

fn model_of(name: &str) -> Model {
    match name {
        "dac" => Model::Dac,
        "selinux" => Model::Selinux,
        _ => Model::Other,
    }
}

/// The labels of a source: at most one for each driver that there is.
pub(super) fn of_source(source: &Element) -> Result<Vec<SourceLabel>> {
    let mut labels: Vec<SourceLabel> = Vec::new();
    for element in source.children("seclabel") {
        let label = source_label(element)?;
        if labels.iter().any(|other| other.model == label.model) {
            return Err(element.error(DomainFault::DuplicateLabel));
        }
        // Labels go down whole chains, so what nobody uses is dropped here.
        if label.model != Model::Other {
            labels.push(label);
        }
    }
    Ok(labels)
}

fn source_label(element: &Element) -> Result<SourceLabel> {
    let label = element.child("label").map(Element::text);
    Ok(SourceLabel {
        model: element.attribute("model").map_or(Model::Selinux, model_of),
        relabel: yes_or_no(element, "relabel")?.unwrap_or(true),
        label: label.filter(|label| !label.is_empty()),
    })
}
