//! Headers that are accepted although a rule forbids it.

use qconform::subject::{Answer, Facts};

use super::header;
use crate::careless::{Careless, Extension};
use crate::reader::{Asked, WrongReader};

/// All of them.
pub(super) const ALL: &[WrongReader] = &[
    header(
        "magic-of-three-bytes",
        "The fourth byte of the magic may be anything.",
        &["header/defect/magic"],
        |asked, answer| {
            accept(asked, answer, "bad-magic", |bytes| {
                bytes.starts_with(b"QFI")
            })
        },
    ),
    header(
        "any-version",
        "A version that there isn't is accepted.",
        &["header/defect/version"],
        |asked, answer| accept(asked, answer, "unsupported-version", |_| true),
    ),
    header(
        "tiny-clusters",
        "Clusters of less than 512 bytes are accepted.",
        &["header/defect/cluster-size-too-small"],
        |asked, answer| {
            accept(asked, answer, "bad-cluster-size", |bytes| {
                bytes.get(23).is_some_and(|bits| *bits < 9)
            })
        },
    ),
    header(
        "unknown-bits-ignored",
        "Unknown incompatible features are accepted.",
        &["header/defect/unknown-incompatible"],
        |asked, answer| accept(asked, answer, "unknown-feature", |_| true),
    ),
    header(
        "feature-bits-of-32",
        "Unknown incompatible features are accepted in the lower 32 bits.",
        &["header/defect/unknown-incompatible"],
        |asked, answer| {
            let upper = |bytes: &[u8]| bytes[76..80] == [0; 4];
            accept(asked, answer, "unknown-feature", upper)
        },
    ),
    header(
        "short-headers-accepted",
        "A header length below the least one is accepted.",
        &["header/defect/header-too-short"],
        |asked, answer| accept(asked, answer, "header-too-short", |_| true),
    ),
    header(
        "long-headers-accepted",
        "A header longer than a cluster is accepted.",
        &["header/defect/header-too-long"],
        |asked, answer| accept(asked, answer, "header-too-long", |_| true),
    ),
    header(
        "compression-type-ignored",
        "The compression type and its feature bit need not fit together.",
        &["header/defect/compression-type"],
        |asked, answer| {
            let answer = accept(asked, answer, "unknown-compression-type", |_| true);
            accept(asked, answer, "compression-bit", |_| true)
        },
    ),
    header(
        "extensions-cut-at-the-end",
        "An extension that goes beyond its area is cut there and accepted.",
        &["header/defect/extension-beyond"],
        |asked, answer| accept(asked, answer, "extension-too-large", |_| true),
    ),
    header(
        "extension-length-wraps",
        "The padded length of an extension is computed in 32 bits and wraps.",
        &["header/defect/data-file-name-beyond"],
        |asked, answer| {
            let wraps = |bytes: &[u8]| {
                let mut lengths = Careless::new(bytes)
                    .extensions()
                    .map(|one: Extension| one.length);
                lengths.any(|length| length > u32::MAX - 7)
            };
            accept(asked, answer, "extension-too-large", wraps)
        },
    ),
    header(
        "backing-name-anywhere",
        "A backing name outside of the first cluster is accepted.",
        &["header/defect/backing-name-outside"],
        |asked, answer| accept(asked, answer, "bad-backing-offset", |_| true),
    ),
    header(
        "backing-name-of-any-length",
        "A backing name longer than 1023 bytes is accepted.",
        &["header/defect/backing-name-too-long"],
        |asked, answer| accept(asked, answer, "backing-name-too-long", |_| true),
    ),
    header(
        "truncated-header-filled-with-zeros",
        "What is missing of a header is taken for zeros.",
        &["header/defect/truncated-header"],
        |asked, answer| {
            let whole = |bytes: &[u8]| bytes.starts_with(b"QFI\xfb");
            if matches!(answer, Answer::Rejected { .. })
                && asked.bytes.len() < 104
                && whole(&asked.bytes)
            {
                return Answer::Accepted(Facts::Header(asked.careless().facts()));
            }
            answer
        },
    ),
];

fn accept(asked: &Asked, answer: Answer, class: &str, also: fn(&[u8]) -> bool) -> Answer {
    match &answer {
        Answer::Rejected { class: found, .. } if found == class && also(&asked.bytes) => {
            Answer::Accepted(Facts::Header(asked.careless().facts()))
        }
        _ => answer,
    }
}
