//! What makes a data file and how it is named, wrong in one way each.

use qconform::subject::{Answer, DataFileFacts};

use super::{facts, header};
use crate::careless::{Careless, DATA_FILE};
use crate::reader::{Asked, WrongReader};

/// All of them.
pub(super) const ALL: &[WrongReader] = &[
    header(
        "data-file-without-its-bit",
        "A name makes a data file, whatever the feature bit says.",
        &["header/data-file/bit-clear"],
        |asked, answer| data_file(answer, |_| asked.careless().named_data_file()),
    ),
    header(
        "version-2-with-feature-bits",
        "Feature bits count in version 2, where other bytes stand there.",
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
        "The next extension begins right behind the data of the last one.",
        &["header/backing/with-data-file"],
        |asked, answer| with_extensions(asked, answer, |reader| reader.padding = 1),
    ),
    header(
        "padding-to-4-bytes",
        "Extensions are padded to 4 bytes instead of 8.",
        &["header/backing/with-data-file"],
        |asked, answer| with_extensions(asked, answer, |reader| reader.padding = 4),
    ),
    header(
        "first-of-two-extensions",
        "Of two extensions of one type the first counts instead of the last.",
        &["header/extensions/repeated"],
        |asked, answer| with_extensions(asked, answer, |reader| reader.first = true),
    ),
    header(
        "extensions-behind-the-end",
        "Extensions are read on behind the end marker.",
        &["header/defect/after-end"],
        |asked, answer| with_extensions(asked, answer, |reader| reader.ignore_end = true),
    ),
    header(
        "extensions-at-byte-104",
        "Extensions begin at byte 104, whatever length the header gives.",
        &["header/data-file/name"],
        |asked, answer| with_extensions(asked, answer, |reader| reader.start = Some(104)),
    ),
    header(
        "extensions-at-byte-112",
        "Extensions begin at byte 112, whatever length the header gives.",
        &["header/plain/header-length"],
        |asked, answer| with_extensions(asked, answer, |reader| reader.start = Some(112)),
    ),
    header(
        "extensions-in-4-kib-only",
        "Extensions are looked for in the first 4 KiB only.",
        &["header/defect/far-extensions"],
        |asked, answer| with_extensions(asked, answer, |reader| reader.limit = 4096),
    ),
    header(
        "nul-kept-in-a-name",
        "A data file's name goes on behind a NUL.",
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
        "A data file's name is reported as a path instead of as it is stored.",
        &["header/data-file/name"],
        |asked, answer| {
            named(answer, |name| {
                asked.path.with_file_name(name).display().to_string()
            })
        },
    ),
    header(
        "name-normalised",
        "`./` is taken out of a data file's name.",
        &["header/data-file/name"],
        |_, answer| named(answer, |name| name.replace("./", "")),
    ),
    header(
        "name-without-its-folder",
        "A data file's name loses its folder.",
        &["header/data-file/name"],
        |_, answer| {
            named(answer, |name| {
                name.rsplit('/').next().unwrap_or_default().to_owned()
            })
        },
    ),
    header(
        "raw-flag-among-compatible-bits",
        "The raw flag is looked for among the compatible bits.",
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
        "The raw flag alone makes a data file.",
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
        "The feature bit without a name is taken for no data file.",
        &["header/data-file/bit-without-name"],
        |_, answer| data_file(answer, |right| right.filter(|right| right.name.is_some())),
    ),
];

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

fn text(name: &[u8]) -> String {
    String::from_utf8_lossy(name).into_owned()
}
