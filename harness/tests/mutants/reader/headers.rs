//! Answers about headers, wrong in one way each.

use qconform::subject::{Answer, BackingFacts, DataFileFacts, Facts, HeaderFacts};
use qconform_scenarios::verdict::Level;

use super::{Asked, WrongReader};
use crate::careless::{Careless, DATA_FILE, Extension};

const fn header(
    name: &'static str,
    caught_by: &'static [&'static str],
    change: fn(&Asked, Answer) -> Answer,
) -> WrongReader {
    let level = Level::Header;
    WrongReader {
        name,
        level,
        caught_by,
        change,
    }
}

/// The names say what is wrong.
pub(super) const HEADERS: &[WrongReader] = &[
    // What uses a data file, and how it is named.
    header(
        "data-file-without-its-bit",
        &["header/data-file/bit-clear"],
        |asked, answer| data_file(answer, |_| asked.careless().named_data_file()),
    ),
    header(
        "version-2-with-feature-bits",
        &[
            "header/defect/version-2-bytes",
            "header/plain/version-3-fields",
        ],
        |asked, answer| {
            data_file(answer, |right| {
                let reader = asked.careless();
                right.or_else(|| reader.bit(72, 2).then(|| reader.claimed_data_file()))
            })
        },
    ),
    header(
        "padding-overlooked",
        &["header/backing/with-data-file"],
        |asked, answer| with_extensions(asked, answer, |reader| reader.padding = 1),
    ),
    header(
        "padding-to-4-bytes",
        &["header/backing/with-data-file"],
        |asked, answer| with_extensions(asked, answer, |reader| reader.padding = 4),
    ),
    header(
        "first-of-two-extensions",
        &["header/extensions/repeated"],
        |asked, answer| with_extensions(asked, answer, |reader| reader.first = true),
    ),
    header(
        "extensions-behind-the-end",
        &["header/defect/after-end"],
        |asked, answer| with_extensions(asked, answer, |reader| reader.ignore_end = true),
    ),
    header(
        "extensions-at-byte-104",
        &["header/data-file/name"],
        |asked, answer| with_extensions(asked, answer, |reader| reader.start = Some(104)),
    ),
    header(
        "extensions-at-byte-112",
        &["header/plain/header-length"],
        |asked, answer| with_extensions(asked, answer, |reader| reader.start = Some(112)),
    ),
    header(
        "extensions-in-4-kib-only",
        &["header/defect/far-extensions"],
        |asked, answer| with_extensions(asked, answer, |reader| reader.limit = 4096),
    ),
    header(
        "nul-kept-in-a-name",
        &["header/data-file/nul-in-name"],
        |asked, answer| {
            data_file(answer, |right| {
                let name = asked.careless().last(DATA_FILE)?;
                Some(DataFileFacts {
                    name: Some(text(name)),
                    ..right?
                })
            })
        },
    ),
    header(
        "name-made-absolute",
        &["header/data-file/name"],
        |asked, answer| {
            named(answer, |name| {
                asked.path.with_file_name(name).display().to_string()
            })
        },
    ),
    header(
        "name-normalised",
        &["header/data-file/name"],
        |_, answer| named(answer, |name| name.replace("./", "")),
    ),
    header(
        "name-without-its-folder",
        &["header/data-file/name"],
        |_, answer| {
            named(answer, |name| {
                name.rsplit('/').next().unwrap_or_default().to_owned()
            })
        },
    ),
    header(
        "raw-flag-among-compatible-bits",
        &["header/data-file/name"],
        |asked, answer| {
            data_file(answer, |right| {
                let raw = asked.careless().bit(80, 1);
                right.map(|right| DataFileFacts { raw, ..right })
            })
        },
    ),
    header(
        "raw-flag-means-a-data-file",
        &["header/data-file/raw-flag-alone"],
        |asked, answer| {
            data_file(answer, |right| {
                let raw = asked.careless().bit(88, 1);
                right.or(raw.then_some(DataFileFacts { name: None, raw }))
            })
        },
    ),
    header(
        "bit-without-name-overlooked",
        &["header/data-file/bit-without-name"],
        |_, answer| data_file(answer, |right| right.filter(|right| right.name.is_some())),
    ),
    // Other facts.
    header("size-in-32-bits", &["header/plain/qcow2"], |_, answer| {
        facts(answer, |facts| {
            facts.virtual_size = facts.virtual_size.map(|size| size & 0xffff);
        })
    }),
    header("version-always-3", &["header/plain/qcow2"], |_, answer| {
        facts(answer, |facts| facts.version = facts.version.map(|_| 3))
    }),
    header(
        "backing-name-overlooked",
        &["header/backing/format"],
        |_, answer| facts(answer, |facts| facts.backing = None),
    ),
    header(
        "backing-format-with-its-padding",
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
    // Accepted although forbidden.
    header(
        "magic-of-three-bytes",
        &["header/defect/magic"],
        |asked, answer| {
            accept(asked, answer, "bad-magic", |bytes| {
                bytes.starts_with(b"QFI")
            })
        },
    ),
    header(
        "any-version",
        &["header/defect/version"],
        |asked, answer| accept(asked, answer, "unsupported-version", |_| true),
    ),
    header(
        "tiny-clusters",
        &["header/defect/cluster-size-too-small"],
        |asked, answer| accept(asked, answer, "bad-cluster-size", |bytes| bytes[23] < 9),
    ),
    header(
        "unknown-bits-ignored",
        &["header/defect/unknown-incompatible"],
        |asked, answer| accept(asked, answer, "unknown-feature", |_| true),
    ),
    header(
        "feature-bits-of-32",
        &["header/defect/unknown-incompatible"],
        |asked, answer| {
            let upper = |bytes: &[u8]| bytes[76..80] == [0; 4];
            accept(asked, answer, "unknown-feature", upper)
        },
    ),
    header(
        "short-headers-accepted",
        &["header/defect/header-too-short"],
        |asked, answer| accept(asked, answer, "header-too-short", |_| true),
    ),
    header(
        "long-headers-accepted",
        &["header/defect/header-too-long"],
        |asked, answer| accept(asked, answer, "header-too-long", |_| true),
    ),
    header(
        "compression-type-ignored",
        &["header/defect/compression-type"],
        |asked, answer| {
            let answer = accept(asked, answer, "unknown-compression-type", |_| true);
            accept(asked, answer, "compression-bit", |_| true)
        },
    ),
    header(
        "extensions-cut-at-the-end",
        &["header/defect/extension-beyond"],
        |asked, answer| accept(asked, answer, "extension-too-large", |_| true),
    ),
    header(
        "extension-length-wraps",
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
        &["header/defect/backing-name-outside"],
        |asked, answer| accept(asked, answer, "bad-backing-offset", |_| true),
    ),
    header(
        "backing-name-of-any-length",
        &["header/defect/backing-name-too-long"],
        |asked, answer| accept(asked, answer, "backing-name-too-long", |_| true),
    ),
    header(
        "truncated-header-filled-with-zeros",
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
    // Refused although fine.
    header(
        "compatible-bits-refused",
        &["header/defect/unknown-compatible"],
        |asked, answer| refuse(asked, answer, |reader| reader.number(80, 8) > 1),
    ),
    header(
        "autoclear-bits-refused",
        &["header/defect/unknown-compatible"],
        |asked, answer| refuse(asked, answer, |reader| reader.number(88, 8) > 3),
    ),
    header(
        "unknown-extensions-refused",
        &["header/defect/extension-inside"],
        |asked, answer| {
            refuse(asked, answer, |reader| {
                reader.extensions().any(|one| !one.is_known())
            })
        },
    ),
    header(
        "padding-must-be-zero",
        &["header/defect/data-file-padding"],
        |asked, answer| refuse(asked, answer, |reader| !reader.padding_is_zero()),
    ),
    header(
        "end-marker-demanded",
        &["header/defect/no-end-marker"],
        |asked, answer| refuse(asked, answer, |reader| !reader.has_end()),
    ),
    header(
        "large-clusters-refused",
        &["header/plain/qcow2"],
        |asked, answer| refuse(asked, answer, |reader| reader.number(20, 4) > 16),
    ),
    header(
        "version-2-refused",
        &["header/plain/qcow2"],
        |asked, answer| refuse(asked, answer, |reader| reader.number(4, 4) == 2),
    ),
];

/// The facts of an accepted header, changed.
fn facts(mut answer: Answer, change: impl FnOnce(&mut HeaderFacts)) -> Answer {
    if let Answer::Accepted(Facts::Header(facts)) = &mut answer {
        change(facts);
    }
    answer
}

fn data_file(
    answer: Answer,
    change: impl FnOnce(Option<DataFileFacts>) -> Option<DataFileFacts>,
) -> Answer {
    facts(answer, |facts| {
        if facts.format.as_deref() == Some("qcow2") {
            facts.data_file = change(facts.data_file.take());
        }
    })
}

fn named(answer: Answer, change: impl FnOnce(&str) -> String) -> Answer {
    data_file(answer, |right| {
        let right = right?;
        let name = right.name.as_deref().map(change);
        Some(DataFileFacts { name, ..right })
    })
}

/// Names and formats as a reader finds them who walks the extensions in another way.
fn with_extensions(asked: &Asked, answer: Answer, other: fn(&mut Careless<'_>)) -> Answer {
    let mut reader = asked.careless();
    other(&mut reader);
    facts(answer, |facts| {
        if let Some(data_file) = &mut facts.data_file {
            data_file.name = reader.data_file_name();
        }
        if let Some(backing) = &mut facts.backing {
            backing.format = reader.backing_format();
        }
    })
}

fn accept(asked: &Asked, answer: Answer, class: &str, also: fn(&[u8]) -> bool) -> Answer {
    match &answer {
        Answer::Rejected { class: found, .. } if found == class && also(&asked.bytes) => {
            Answer::Accepted(Facts::Header(asked.careless().facts()))
        }
        _ => answer,
    }
}

fn refuse(asked: &Asked, answer: Answer, minds: fn(&Careless<'_>) -> bool) -> Answer {
    let is_qcow2 = asked.bytes.starts_with(b"QFI\xfb") && asked.declared != Some("raw");
    if is_qcow2 && minds(&asked.careless()) {
        let (class, message) = ("minded".to_owned(), String::new());
        return Answer::Rejected { class, message };
    }
    answer
}

fn text(name: &[u8]) -> String {
    String::from_utf8_lossy(name).into_owned()
}
