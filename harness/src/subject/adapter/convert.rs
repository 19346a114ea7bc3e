//! Questions and answers as the protocol has them.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use qconform_generators::file_name;
use qconform_scenarios::case::{ImageAsk, LabelConfig, SECOND_CATEGORY_PAIR, StepAsk};

use crate::subject::protocol::{
    BackingReply, CommitRequest, ConfigRequest, DataFileReply, DomainRequest, HeaderReply, Hex,
    ImageRequest, LayerReply, Reply, ResultReply, RunRequest, StepRequest,
};
use crate::subject::{
    AccessFact, Answer, BackingFacts, DataFileFacts, DataFileNode, Facts, HeaderFact, HeaderFacts,
    LayerFact, Question, ReadFact,
};

/// A question as a request.
pub(super) fn request(question: &Question<'_>, dir: &Path, seq: u64, case: u64) -> RunRequest {
    let base = RunRequest {
        seq,
        case,
        folder: path(dir),
        ..RunRequest::default()
    };
    let domain = |xml: &str| {
        Some(DomainRequest {
            xml: xml.to_owned(),
        })
    };
    match question {
        Question::Header(ask) => RunRequest {
            level: "header".to_owned(),
            image: Some(image(ask, dir)),
            ..base
        },
        Question::Open(ask) => RunRequest {
            level: "open".to_owned(),
            image: Some(image(ask, dir)),
            ..base
        },
        Question::Read {
            image: ask,
            offsets,
            length,
        } => RunRequest {
            level: "read".to_owned(),
            image: Some(image(ask, dir)),
            offsets: Some(offsets.to_vec()),
            length: Some(*length),
            ..base
        },
        Question::Access { xml } => RunRequest {
            level: "access".to_owned(),
            domain: domain(xml),
            ..base
        },
        Question::Blockdev { xml } => RunRequest {
            level: "blockdev".to_owned(),
            domain: domain(xml),
            ..base
        },
        Question::Xml { xml, form } => RunRequest {
            level: "xml".to_owned(),
            domain: domain(xml),
            form: Some(form.as_str().to_owned()),
            ..base
        },
        Question::Label { config, step } => RunRequest {
            level: "label".to_owned(),
            domain: domain(&step.xml),
            step: Some(self::step(step)),
            config: Some(self::config(config)),
            ..base
        },
    }
}

fn path(path: &Path) -> Hex {
    Hex::from(path.as_os_str().as_bytes())
}

fn image(ask: &ImageAsk, dir: &Path) -> ImageRequest {
    ImageRequest {
        path: path(&file_name::join(dir, &ask.file)),
        format: ask.format.clone(),
    }
}

fn step(ask: &StepAsk) -> StepRequest {
    let commit = ask.commit.as_ref().map(|commit| CommitRequest {
        base: Hex::from(commit.base.as_bytes()),
        top: commit.top.as_ref().map(|top| Hex::from(top.as_bytes())),
    });
    StepRequest {
        name: ask.step.as_str().to_owned(),
        disk: ask.disk.clone(),
        commit,
    }
}

fn config(config: &LabelConfig) -> ConfigRequest {
    let pair = |(first, second): (u32, u32)| [first, second];
    let drivers = config.drivers.iter().map(|driver| driver.as_str());
    ConfigRequest {
        user: config.user.uid,
        group: config.user.gid,
        remember: config.remember,
        dynamic_ownership: config.dynamic_ownership,
        drivers: drivers.map(str::to_owned).collect(),
        categories: pair(config.category_pair),
        second_categories: pair(SECOND_CATEGORY_PAIR),
        state_directory: config.state_directory,
        user_records: config.user_records,
    }
}

/// A reply as the answer to its question. One without the facts that belong to the question breaks
/// the protocol.
pub(super) fn answer(reply: Reply, question: &Question<'_>) -> Answer {
    match reply {
        Reply::Hello(_) => broken("`hello` in answer to a question"),
        Reply::Rejected { class, message, .. } => Answer::Rejected { class, message },
        Reply::Unsupported { message, .. } => Answer::Unsupported { message },
        Reply::Crashed { message, .. } => Answer::Crashed { how: message },
        Reply::Error { message, .. } => Answer::Failed { message },
        Reply::Result(result) => match facts(*result, question) {
            Some(facts) => Answer::Accepted(facts),
            None => broken("a result without the facts of its level"),
        },
    }
}

fn broken(how: &str) -> Answer {
    Answer::Crashed {
        how: how.to_owned(),
    }
}

fn facts(result: ResultReply, question: &Question<'_>) -> Option<Facts> {
    match question {
        Question::Header(_) => Some(Facts::Header(header(result.header?))),
        Question::Read { .. } => {
            let reads = result.reads?.into_iter().map(|read| ReadFact {
                offset: read.offset,
                bytes: read.bytes.into(),
            });
            Some(Facts::Read {
                reads: reads.collect(),
            })
        }
        Question::Access { .. } => {
            let files = result.files?.into_iter().map(|file| AccessFact {
                path: file_name::text(file.path.bytes()),
                role: file.role,
                access: file.access,
            });
            Some(Facts::Access {
                files: files.collect(),
            })
        }
        Question::Blockdev { .. } => Some(Facts::Blockdev {
            layers: result.layers?.into_iter().map(layer).collect(),
        }),
        Question::Xml { .. } => Some(Facts::Xml { xml: result.xml? }),
        // What was done shows at the files.
        Question::Open(_) | Question::Label { .. } => Some(Facts::Done),
    }
}

fn header(reply: HeaderReply) -> HeaderFacts {
    let mut untold = Vec::new();
    let mut note = |told: bool, facts: &[HeaderFact]| {
        if !told {
            untold.extend_from_slice(facts);
        }
    };
    note(reply.format.is_some(), &[HeaderFact::Format]);
    note(reply.version.is_some(), &[HeaderFact::Version]);
    note(reply.virtual_size.is_some(), &[HeaderFact::VirtualSize]);
    note(
        reply.backing.is_some(),
        &[
            HeaderFact::Backing,
            HeaderFact::BackingName,
            HeaderFact::BackingFormat,
        ],
    );
    note(
        reply.data_file.is_some(),
        &[
            HeaderFact::DataFile,
            HeaderFact::DataFileName,
            HeaderFact::RawFlag,
        ],
    );
    if let Some(Some(backing)) = &reply.backing {
        note(backing.name.is_some(), &[HeaderFact::BackingName]);
        note(backing.format.is_some(), &[HeaderFact::BackingFormat]);
    }
    if let Some(Some(data_file)) = &reply.data_file {
        note(data_file.name.is_some(), &[HeaderFact::DataFileName]);
        note(data_file.raw.is_some(), &[HeaderFact::RawFlag]);
    }
    HeaderFacts {
        format: reply.format,
        version: reply.version,
        virtual_size: reply.virtual_size,
        backing: reply.backing.flatten().map(backing),
        data_file: reply.data_file.flatten().map(data_file),
        untold,
    }
}

fn backing(reply: BackingReply) -> BackingFacts {
    BackingFacts {
        name: reply.name.as_ref().map(name).unwrap_or_default(),
        format: reply.format.flatten(),
    }
}

fn data_file(reply: DataFileReply) -> DataFileFacts {
    DataFileFacts {
        name: reply.name.flatten().as_ref().map(name),
        raw: reply.raw.unwrap_or_default(),
    }
}

/// A name as every report shows it: up to the first NUL, made valid UTF-8.
fn name(hex: &Hex) -> String {
    let bytes = hex.bytes();
    let end = bytes.iter().position(|byte| *byte == 0);
    let name = bytes.get(..end.unwrap_or(bytes.len()));
    String::from_utf8_lossy(name.unwrap_or_default()).into_owned()
}

fn layer(reply: LayerReply) -> LayerFact {
    LayerFact {
        file: file_name::text(reply.file.bytes()),
        driver: reply.driver,
        read_only: reply.read_only,
        data_file: reply.data_file.map(|node| DataFileNode {
            file: file_name::text(node.file.bytes()),
            read_only: node.read_only,
        }),
        backing: reply
            .backing
            .map(|backing| file_name::text(backing.bytes())),
    }
}
