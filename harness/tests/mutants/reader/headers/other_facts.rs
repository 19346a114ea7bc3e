//! Facts but the data file's, wrong in one way each.

use qconform::subject::BackingFacts;

use super::{facts, header};
use crate::reader::WrongReader;

/// All of them.
pub(super) const ALL: &[WrongReader] = &[
    header(
        "size-in-32-bits",
        "The virtual size loses its upper bits.",
        &["header/plain/size"],
        |_, answer| {
            facts(answer, |facts| {
                facts.virtual_size = facts.virtual_size.map(|size| size & 0xffff_ffff);
            })
        },
    ),
    header(
        "version-always-3",
        "Every image is reported as version 3.",
        &["header/plain/qcow2"],
        |_, answer| facts(answer, |facts| facts.version = facts.version.map(|_| 3)),
    ),
    header(
        "backing-name-overlooked",
        "There never is a backing file.",
        &["header/backing/format"],
        |_, answer| facts(answer, |facts| facts.backing = None),
    ),
    header(
        "backing-format-with-its-padding",
        "A backing format is reported with the padding behind it.",
        &["header/backing/format"],
        |_, answer| {
            facts(answer, |facts| {
                let format = facts
                    .backing
                    .as_mut()
                    .and_then(|backing| backing.format.as_mut());
                format.into_iter().for_each(|format| {
                    let padding = format.len().next_multiple_of(8) - format.len();
                    format.push_str(&"\0".repeat(padding));
                });
            })
        },
    ),
    header(
        "backing-format-guessed-from-the-name",
        "A backing format is what stands behind the dot of the name.",
        &["header/backing/unknown-format"],
        |_, answer| {
            facts(answer, |facts| {
                if let Some(BackingFacts { name, format }) = &mut facts.backing {
                    *format = name.rsplit('.').next().map(ToOwned::to_owned);
                }
            })
        },
    ),
    header(
        "declared-raw-probed",
        "An image that is declared raw is probed.",
        &["header/plain/declared-raw"],
        |asked, answer| {
            let is_qcow2 = asked.bytes.starts_with(b"QFI\xfb");
            facts(answer, |facts| {
                if asked.declared == Some("raw") && is_qcow2 {
                    facts.format = Some("qcow2".to_owned());
                }
            })
        },
    ),
];
