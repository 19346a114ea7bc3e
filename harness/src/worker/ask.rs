//! One case's questions, and what is seen of the fixture after each.

use std::fs;
use std::io::{self, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use qconform_generators::file_name;
use qconform_generators::recipe::Content;
use qconform_scenarios::FIXTURE_DIR;
use qconform_scenarios::case::{Ask, Step};

use super::{CaseOrder, Observation, STATE_DIR, Stage};
use crate::observe::{self, Observer, Snapshot, Watch};
use crate::subject::{Answer, Question, Subject};

/// What a subject has in its state folder.
fn state_files() -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(STATE_DIR)? {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.sort_unstable();
    Ok(names)
}

/// Asks everything that the case asks; `before` is what was seen of its fixture.
pub(super) fn all(
    case: &CaseOrder,
    subject: &mut dyn Subject,
    before: Snapshot,
    (watch, observer): (&mut Watch, &mut Observer),
) -> io::Result<Observation> {
    let dir = Path::new(FIXTURE_DIR);
    let all = matches!(case.ask, Ask::Open(_));
    let watched = case
        .files
        .iter()
        .filter(|(_, file)| file.decoy || all && is_data(&file.content))
        .map(|(name, _)| name.as_str());
    let head = self::head(&case.ask, dir);
    watch.turn_to(dir, watched)?;
    let mut stages = Vec::new();
    for (step, question) in questions(&case.ask) {
        let answer = ask(subject, &question, dir);
        let touches = watch.drain()?;
        let after = observer.snapshot(dir, &case.records)?;
        // The observer itself opens every file.
        watch.drain()?;
        // A domain goes on after a refused step, unless that was its first.
        let goes_on = match answer {
            Answer::Accepted(_) => true,
            Answer::Rejected { .. } => !stages.is_empty(),
            _ => false,
        };
        stages.push(Stage {
            step,
            answer,
            after,
            state: state_files()?,
            touches,
        });
        if !goes_on {
            break;
        }
    }
    Ok(Observation {
        before,
        stages,
        head,
    })
}

/// Whether a file holds bytes of its own.
fn is_data(content: &Content) -> bool {
    matches!(content, Content::Qcow2(_) | Content::Raw(_))
}

/// How many bytes of an image a report shows: a header with a few extensions and names.
const HEAD: u64 = 1024;

/// The beginning of the image whose header is asked about, without the zeros at its end. A file
/// that can't be shown is no reason for a case to fail.
fn head(ask: &Ask, dir: &Path) -> Option<String> {
    let Ask::Header(image) = ask else {
        return None;
    };
    let mut bytes = Vec::with_capacity(HEAD as usize);
    let path = file_name::join(dir, &image.file);
    if !path.metadata().ok()?.is_file() {
        return None;
    }
    let file = fs::File::open(path).ok()?;
    file.take(HEAD).read_to_end(&mut bytes).ok()?;
    let end = bytes.iter().rposition(|byte| *byte != 0)?;
    Some(observe::hex(&bytes[..=end]))
}

/// A panic of an in-process subject is its crash, not the worker's.
fn ask(subject: &mut dyn Subject, question: &Question<'_>, dir: &Path) -> Answer {
    catch_unwind(AssertUnwindSafe(|| subject.answer(question, dir))).unwrap_or_else(|panic| {
        let text = panic
            .downcast_ref::<&str>()
            .map(ToString::to_string)
            .or_else(|| panic.downcast_ref::<String>().cloned());
        Answer::Crashed {
            how: format!("panic: {}", text.unwrap_or_default()),
        }
    })
}

fn questions(ask: &Ask) -> Vec<(Option<Step>, Question<'_>)> {
    match ask {
        Ask::Header(image) => vec![(None, Question::Header(image))],
        Ask::Open(image) => vec![(None, Question::Open(image))],
        Ask::Read {
            image,
            offsets,
            length,
        } => {
            vec![(
                None,
                Question::Read {
                    image,
                    offsets,
                    length: *length,
                },
            )]
        }
        Ask::Access(domain) => vec![(None, Question::Access { xml: &domain.xml })],
        Ask::Blockdev(domain) => vec![(None, Question::Blockdev { xml: &domain.xml })],
        Ask::Xml(ask) => {
            let (xml, form) = (ask.xml.as_str(), ask.form);
            vec![(None, Question::Xml { xml, form })]
        }
        Ask::Label(label) => label
            .steps
            .iter()
            .map(|step| {
                let config = &label.config;
                (Some(step.step), Question::Label { config, step })
            })
            .collect(),
    }
}
