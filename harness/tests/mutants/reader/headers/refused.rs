//! Headers that are refused although nothing is wrong with them.

use qconform::subject::Answer;

use super::header;
use crate::careless::Careless;
use crate::reader::{Asked, WrongReader};

/// All of them.
pub(super) const ALL: &[WrongReader] = &[
    header(
        "compatible-bits-refused",
        "Unknown compatible features are refused.",
        &["header/defect/unknown-compatible"],
        |asked, answer| refuse(asked, answer, |reader| reader.number(80, 8) > 1),
    ),
    header(
        "autoclear-bits-refused",
        "Unknown autoclear features are refused.",
        &["header/defect/unknown-compatible"],
        |asked, answer| refuse(asked, answer, |reader| reader.number(88, 8) > 3),
    ),
    header(
        "unknown-extensions-refused",
        "Unknown extensions are refused.",
        &["header/defect/extension-inside"],
        |asked, answer| {
            refuse(asked, answer, |reader| {
                reader.extensions().any(|one| !one.is_known())
            })
        },
    ),
    header(
        "padding-must-be-zero",
        "Padding other than zeros is refused.",
        &["header/defect/data-file-padding"],
        |asked, answer| refuse(asked, answer, |reader| !reader.padding_is_zero()),
    ),
    header(
        "end-marker-demanded",
        "Extensions that end with their area, without a marker, are refused.",
        &["header/defect/no-end-marker"],
        |asked, answer| refuse(asked, answer, |reader| !reader.has_end()),
    ),
    header(
        "large-clusters-refused",
        "Clusters of more than 64 KiB are refused.",
        &["header/plain/qcow2"],
        |asked, answer| refuse(asked, answer, |reader| reader.number(20, 4) > 16),
    ),
    header(
        "version-2-refused",
        "Version 2 is refused.",
        &["header/plain/qcow2"],
        |asked, answer| refuse(asked, answer, |reader| reader.number(4, 4) == 2),
    ),
];

fn refuse(asked: &Asked, answer: Answer, minds: fn(&Careless<'_>) -> bool) -> Answer {
    let is_qcow2 = asked.bytes.starts_with(b"QFI\xfb") && asked.declared != Some("raw");
    if is_qcow2 && minds(&asked.careless()) {
        let (class, message) = ("minded".to_owned(), String::new());
        return Answer::Rejected { class, message };
    }
    answer
}
