//! Guest bytes, wrong in one way each.

use qconform::observe::hex;
use qconform::subject::{Answer, Facts, ReadFact};
use qconform_scenarios::verdict::Level;

use super::{Asked, WrongReader};
use crate::careless::{Careless, DATA_FILE};

const fn read(
    name: &'static str,
    what: &'static str,
    caught_by: &'static [&'static str],
    change: fn(&Asked, Answer) -> Answer,
) -> WrongReader {
    let level = Level::Read;
    WrongReader {
        name,
        what,
        level,
        caught_by,
        change,
    }
}

/// All of them.
pub(super) const READS: &[WrongReader] = &[
    read(
        "data-file-overlooked",
        "Guest data is read from the image itself although it uses a data file.",
        &["read/data-file/identity"],
        |asked, answer| {
            replace(asked, answer, |offset, right| {
                let external = asked.careless().bit(72, 2);
                if external { asked.own(offset) } else { right }
            })
        },
    ),
    read(
        "image-read-as-raw",
        "The image's own bytes are given out as the guest's.",
        &["read/plain", "read/data-file/identity"],
        |asked, answer| replace(asked, answer, |offset, _| asked.own(offset)),
    ),
    read(
        "offsets-cut-to-32-bits",
        "Guest offsets are cut to 32 bits.",
        &["read/beyond-4-gib"],
        cut_offsets,
    ),
    read(
        "holes-read-through",
        "Where the image has no data, the data file's bytes are given out.",
        &["read/structure/plain"],
        |asked, answer| {
            replace(asked, answer, |offset, right| {
                let used = asked.careless().bit(72, 2);
                let beside = asked.beside(offset).filter(|_| used);
                beside.unwrap_or(right)
            })
        },
    ),
    read(
        "zeros-for-a-missing-file",
        "A file that is missing or can't be read is taken for zeros.",
        &["read/data-file/missing"],
        |asked, answer| {
            zeros_instead(asked, answer, |_, class| {
                class == "missing-file" || class == "unreadable-file"
            })
        },
    ),
    read(
        "zeros-without-a-name",
        "A data file without a name is taken for zeros.",
        &["read/data-file/no-name"],
        |asked, answer| {
            zeros_instead(asked, answer, |reader, _| {
                reader.last(DATA_FILE).is_none_or(<[u8]>::is_empty)
            })
        },
    ),
    read(
        "zeros-for-a-wrong-entry",
        "A table entry that makes no sense is taken for zeros.",
        &["read/data-file/wrong-entry"],
        |asked, answer| zeros_instead(asked, answer, |_, class| class == "corrupt"),
    ),
    read(
        "ciphertext-given-out",
        "An encrypted image is read without its key.",
        &["read/encrypted"],
        |asked, answer| zeros_instead(asked, answer, |reader, _| reader.number(32, 4) != 0),
    ),
    read(
        "unused-name-followed",
        "Bytes come from a file that the image names and doesn't use.",
        &["read/data-file/unused-name"],
        |asked, answer| {
            replace(asked, answer, |offset, right| {
                let unused = !asked.careless().bit(72, 2);
                let beside = asked.beside(offset).filter(|_| unused);
                beside.unwrap_or(right)
            })
        },
    ),
    read(
        "name-against-the-working-folder",
        "A backing image's data file is looked for in the top image's folder.",
        &["read/data-file/other-folder"],
        |asked, answer| {
            replace(asked, answer, |offset, right| {
                asked.bystander(offset, &right).unwrap_or(right)
            })
        },
    ),
];

/// At each offset the bytes that stand where its lower 32 bits lead, if those were asked for, too.
fn cut_offsets(asked: &Asked, answer: Answer) -> Answer {
    let reads = match &answer {
        Answer::Accepted(Facts::Read { reads }) => reads.clone(),
        _ => return answer,
    };
    replace(asked, answer, |offset, right| {
        let cut = offset & u64::from(u32::MAX);
        let found = reads.iter().find(|read| read.offset == cut);
        found.map_or(right, |read| unhex(&read.bytes))
    })
}

/// Other bytes in place of the right ones.
fn replace(asked: &Asked, answer: Answer, other: impl Fn(u64, Vec<u8>) -> Vec<u8>) -> Answer {
    let Answer::Accepted(Facts::Read { reads }) = answer else {
        return answer;
    };
    let reads = reads.into_iter().map(|right| {
        let bytes = unhex(&right.bytes);
        assert_eq!(bytes.len(), asked.length);
        ReadFact {
            offset: right.offset,
            bytes: hex(&other(right.offset, bytes)),
        }
    });
    Answer::Accepted(Facts::Read {
        reads: reads.collect(),
    })
}

fn zeros_instead(
    asked: &Asked,
    answer: Answer,
    when: impl Fn(&Careless<'_>, &str) -> bool,
) -> Answer {
    let refused = match &answer {
        Answer::Rejected { class, .. } => when(&asked.careless(), class),
        Answer::Unsupported { .. } => when(&asked.careless(), "unsupported"),
        _ => false,
    };
    if !refused {
        return answer;
    }
    let read = |offset: &u64| ReadFact {
        offset: *offset,
        bytes: "00".repeat(asked.length),
    };
    Answer::Accepted(Facts::Read {
        reads: asked.offsets.iter().map(read).collect(),
    })
}

fn unhex(digits: &str) -> Vec<u8> {
    let pairs = digits.as_bytes().chunks(2);
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    pairs.map(byte).collect()
}
