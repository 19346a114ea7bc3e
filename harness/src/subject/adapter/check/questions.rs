//! Questions about the images of a check, of each level.

use std::path::Path;

use qconform_generators::file_name;
use qconform_scenarios::case::{Form, ImageAsk, LabelConfig, Step, StepAsk};
use qconform_scenarios::verdict::Level;

use super::ground::{LENGTH, OFFSETS, PLAIN};
use crate::subject::Question;
use crate::subject::adapter::convert;
use crate::subject::protocol::RunRequest;

/// The question about an image that is declared to be qcow2.
pub(super) fn about_image(fixture: &Path, level: Level, file: &str) -> RunRequest {
    let image = ImageAsk {
        file: file.to_owned(),
        format: Some("qcow2".to_owned()),
    };
    let question = match level {
        Level::Header => Question::Header(&image),
        Level::Open => Question::Open(&image),
        _ => Question::Read {
            image: &image,
            offsets: &OFFSETS,
            length: LENGTH,
        },
    };
    convert::request(&question, fixture, 0, 0)
}

pub(super) fn about_domain(fixture: &Path, level: Level) -> RunRequest {
    let xml = xml(fixture);
    let question = match level {
        Level::Blockdev => Question::Blockdev { xml: &xml },
        Level::Xml => Question::Xml {
            xml: &xml,
            form: Form::Runtime,
        },
        _ => Question::Access { xml: &xml },
    };
    convert::request(&question, fixture, 0, 0)
}

pub(super) fn about_step(fixture: &Path, step: Step) -> RunRequest {
    let ask = StepAsk {
        step,
        xml: xml(fixture),
        disk: None,
        commit: None,
    };
    let config = LabelConfig::default();
    let question = Question::Label {
        config: &config,
        step: &ask,
    };
    convert::request(&question, fixture, 0, 0)
}

fn xml(fixture: &Path) -> String {
    let path = file_name::join(fixture, PLAIN);
    format!(
        "<domain type='qemu'><name>check</name>\
         <uuid>5c0f6a52-7d7a-4b8c-9e0e-0d1f2a3b4c5e</uuid><memory unit='MiB'>16</memory>\
         <os><type arch='i686' machine='q35'>hvm</type></os><devices>\
         <disk type='file' device='disk'><driver name='qemu' type='qcow2'/>\
         <source file='{}'/><target dev='vda' bus='virtio'/></disk></devices></domain>",
        path.display()
    )
}

/// A question of any level about something good.
pub(super) fn good(fixture: &Path, level: Level) -> RunRequest {
    match level {
        Level::Header | Level::Open | Level::Read => about_image(fixture, level, PLAIN),
        Level::Access | Level::Blockdev | Level::Xml => about_domain(fixture, level),
        Level::Label => about_step(fixture, Step::Start),
    }
}
